"""Calls that read stacks: what they are, what they are made of, and what happened to them."""

from __future__ import annotations

from typing import Any

from brownout.identity.aws.errors import validation_error
from brownout.identity.aws.provisioning.call import StackCall, StackResult, capabilities_of
from brownout.identity.aws.provisioning.records import ProvisionedResource, ProvisionedStack
from brownout.identity.aws.provisioning.resources import KINDS
from brownout.identity.aws.provisioning.template import parse_template


async def describe_stacks(call: StackCall) -> StackResult:
    if "StackName" in call.params:
        return {"Stacks": [_described(call.stack())]}
    call.authorize("*")
    return {"Stacks": [_described(stack) for stack in reversed(call.annex.stacks()) if not stack.is_gone]}


async def list_stacks(call: StackCall) -> StackResult:
    call.authorize("*")
    wanted = frozenset(call.params.get("StackStatusFilter", ()))
    found = [stack for stack in reversed(call.annex.stacks()) if not wanted or stack.status in wanted]
    return {"StackSummaries": [_summary(stack) for stack in found]}


async def describe_stack_events(call: StackCall) -> StackResult:
    stack = call.stack()
    events = [
        {
            "StackId": stack.stack_id,
            "EventId": each.event_id,
            "StackName": stack.name,
            "LogicalResourceId": each.logical_id,
            "PhysicalResourceId": each.physical_id,
            "ResourceType": each.kind,
            "Timestamp": each.at_s,
            "ResourceStatus": each.status,
            "ResourceStatusReason": each.reason or None,
        }
        for each in reversed(stack.events)
    ]
    return {"StackEvents": events}


async def describe_stack_resources(call: StackCall) -> StackResult:
    if "StackName" not in call.params:
        raise validation_error("StackName has to be given.")
    stack, wanted = call.stack(), call.params.get("LogicalResourceId")
    shown = [each for each in stack.resources if wanted in (None, each.logical_id)]
    return {"StackResources": [_resource(stack, each) for each in shown]}


async def describe_stack_resource(call: StackCall) -> StackResult:
    stack, wanted = call.stack(), str(call.params["LogicalResourceId"])
    found = stack.resource(wanted)
    if found is None:
        raise validation_error(f"Resource {wanted} does not exist for stack {stack.name}")
    told = _resource(stack, found)
    changed_s = told.pop("Timestamp")
    return {"StackResourceDetail": told | {"LastUpdatedTimestamp": changed_s}}


async def list_stack_resources(call: StackCall) -> StackResult:
    stack = call.stack()
    names = ("LogicalResourceId", "PhysicalResourceId", "ResourceType", "ResourceStatus", "ResourceStatusReason")
    shown = [(_resource(stack, each), each.changed_s) for each in stack.resources]
    summaries = [{name: told[name] for name in names} | {"LastUpdatedTimestamp": at_s} for told, at_s in shown]
    return {"StackResourceSummaries": summaries}


async def get_template(call: StackCall) -> StackResult:
    """The text as it was given, in JSON or YAML: the stack's, or that of a change set."""
    text = call.change_set().form.template if "ChangeSetName" in call.params else call.stack().template
    return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}


async def validate_template(call: StackCall) -> StackResult:
    """What a template asks for; raises AwsError for one that no stack can be made of."""
    call.authorize("*")
    if "TemplateBody" not in call.params:
        raise validation_error("Either Template URL or Template Body must be specified.")
    template = parse_template(str(call.params["TemplateBody"]), KINDS)
    needed = capabilities_of(template)
    parameters = [{"ParameterKey": name, "DefaultValue": default} for name, default in template.defaults.items()]
    found = {"Parameters": parameters, "Description": template.description or None, "Capabilities": needed}
    why = ", ".join(sorted({spec.kind for spec in template.resources.values() if KINDS[spec.kind].is_iam}))
    return found | ({"CapabilitiesReason": f"The following resource(s) require capabilities: [{why}]"} if needed else {})


async def get_template_summary(call: StackCall) -> StackResult:
    """What a template, or that of a stack, asks for and is made of; raises AwsError as ValidateTemplate does."""
    if "TemplateBody" in call.params:
        call.authorize("*")
        text = str(call.params["TemplateBody"])
    elif "StackName" in call.params:
        text = call.stack().template
    else:
        raise validation_error("Either Template URL, Template Body or StackName must be specified.")
    template = parse_template(text, KINDS)
    kinds = list(dict.fromkeys(spec.kind for spec in template.resources.values()))
    parameters = [
        {"ParameterKey": name, "DefaultValue": default, "ParameterType": "String", "NoEcho": False}
        for name, default in template.defaults.items()
    ]
    return {
        "Parameters": parameters,
        "Description": template.description or None,
        "Capabilities": capabilities_of(template),
        "ResourceTypes": kinds,
    }


def _described(stack: ProvisionedStack) -> dict[str, Any]:
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()]
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "CreationTime": stack.created_s,
        "DeletionTime": stack.deleted_s or None,
        "LastUpdatedTime": stack.updated_s or None,
        "ChangeSetId": stack.change_set_id or None,
        "EnableTerminationProtection": stack.is_protected,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
        "DisableRollback": stack.on_failure == "DO_NOTHING",
        "Parameters": parameters,
        "Capabilities": list(stack.capabilities),
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in stack.outputs.items()],
        "RoleARN": stack.role_arn or None,
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
    }


def _summary(stack: ProvisionedStack) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "CreationTime": stack.created_s,
        "DeletionTime": stack.deleted_s or None,
        "LastUpdatedTime": stack.updated_s or None,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
    }


def _resource(stack: ProvisionedStack, made: ProvisionedResource) -> dict[str, Any]:
    return {
        "StackName": stack.name,
        "StackId": stack.stack_id,
        "LogicalResourceId": made.logical_id,
        "PhysicalResourceId": made.name,
        "ResourceType": made.kind,
        "Timestamp": made.changed_s,
        "ResourceStatus": made.status,
        "ResourceStatusReason": made.reason or None,
    }
