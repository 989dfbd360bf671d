"""The provisioning service on a management node, as CloudFormation's wire: stacks of roles and of what uses them.

A stack acts with the permissions of who made it, or of the role that its maker passed. Wire facts:
docs/reference/aws-wire.md#provisioning-with-templates.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws.auth.caller import Caller, Session
from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.policy.context import RequestFacts
from brownout.identity.aws.protocol.answers import render
from brownout.identity.aws.protocol.calls import AskedOperation
from brownout.identity.aws.protocol.services import VERSIONS, Params
from brownout.identity.aws.provisioning.annex import ManagementAnnex
from brownout.identity.aws.provisioning.records import ProvisionedResource, ProvisionedStack, StackDeletion
from brownout.identity.aws.provisioning.resources import KINDS
from brownout.identity.aws.provisioning.template import StackTemplate, parse_template
from brownout.identity.aws.regional.annex import VENDOR
from brownout.identity.aws.regional.query import is_query_request
from brownout.identity.aws.regional.surface import AwsSurface
from brownout.identity.aws.sts.trust import RoleRequest, check_outsider, find_role, outsider
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.management import Management

SERVICE = "cloudformation"
PRINCIPAL = "cloudformation.amazonaws.com"
SESSION_NAME = "AWSCloudFormation"
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"


@dataclass(frozen=True, slots=True)
class StackCall:
    """A call that was understood and authenticated."""

    annex: ManagementAnnex
    caller: Caller
    facts: RequestFacts
    action: str
    params: Params

    def authorize(self, resource: str) -> None:
        """Raises AwsError AccessDenied unless the caller may do this call's action to `resource`."""
        self.annex.authorize(self.caller, self.action, resource, self.facts)

    def arn_of(self, name: str, unique: str) -> str:
        return f"arn:aws:cloudformation:{self.annex.aws_region}:{self.annex.account_id}:stack/{name}/{unique}"

    def stack(self) -> ProvisionedStack:
        """The stack that StackName means, once the caller is known to be allowed; raises AwsError."""
        name = str(self.params["StackName"])
        found = self.annex.stack(name)
        self.authorize(found.stack_id if found is not None else self.arn_of(name, "*"))
        if found is None:
            raise validation_error(f"Stack with id {name} does not exist")
        return found


StackResult = Mapping[str, Any]


async def create_stack(call: StackCall) -> StackResult:
    name, params = str(call.params["StackName"]), call.params
    if _NAME.fullmatch(name) is None:
        raise validation_error(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: {_PATTERN}"
        )
    call.authorize(call.arn_of(name, "*"))
    if "TemplateBody" not in params:
        raise validation_error("Template Body must be specified: templates are not fetched from elsewhere.")
    if "DisableRollback" in params and "OnFailure" in params:
        raise validation_error("You can specify either DisableRollback or OnFailure, but not both.")
    text = str(params["TemplateBody"])
    template = parse_template(text, KINDS)
    _check_capabilities(template, tuple(params.get("Capabilities", ())))
    if call.annex.stack(name) is not None:
        raise AwsError.of("AlreadyExistsException", f"Stack [{name}] already exists")
    role_arn = str(params.get("RoleARN", ""))
    stack = ProvisionedStack(
        call.arn_of(name, call.annex.node.ports.new_id()),
        name,
        text,
        _parameters(template, params),
        _actor(call, role_arn).to_json(),
        call.facts.now_s,
        "",
        "DO_NOTHING" if params.get("DisableRollback") else str(params.get("OnFailure", "ROLLBACK")),
        role_arn=role_arn,
        capabilities=tuple(str(each) for each in params.get("Capabilities", ())),
        tags={str(tag["Key"]): str(tag["Value"]) for tag in params.get("Tags", ())},
    )
    made = await call.annex.work.change(stack, "CREATE_IN_PROGRESS", "User Initiated")
    return {"StackId": made.stack_id}


def _check_capabilities(template: StackTemplate, given: tuple[str, ...]) -> None:
    """Raises AwsError InsufficientCapabilities unless the caller says that the template may make what IAM has."""
    iam = [spec for spec in template.resources.values() if KINDS[spec.kind].is_iam]
    named = any(KINDS[spec.kind].name in spec.properties for spec in iam)
    if named and "CAPABILITY_NAMED_IAM" not in given:
        raise AwsError.of("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")
    if iam and not {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & set(given):
        raise AwsError.of("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")


def _parameters(template: StackTemplate, params: Params) -> dict[str, str]:
    given = {str(each.get("ParameterKey", "")): str(each.get("ParameterValue", "")) for each in params.get("Parameters", ())}
    unknown = [name for name in given if name not in template.defaults]
    if unknown:
        raise validation_error(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, default in template.defaults.items() if default is None and name not in given]
    if missing:
        raise validation_error(f"Parameters: [{', '.join(missing)}] must have values")
    return {name: str(default) for name, default in template.defaults.items() if default is not None} | given


def _actor(call: StackCall, role_arn: str) -> Caller:
    """Whose permissions the stack has: the caller's, or those of a role that the caller may pass; raises AwsError."""
    if not role_arn:
        return call.caller
    keys = {"iam:PassedToService": PRINCIPAL}
    call.annex.authorize(call.caller, "iam:PassRole", role_arn, call.facts, keys)
    role = find_role(call.annex.index, role_arn)
    try:
        if role is None:
            raise validation_error(f"Role {role_arn} does not exist")
        asked = RoleRequest("sts:AssumeRole", role, SESSION_NAME, call.facts)
        check_outsider(outsider("service", PRINCIPAL, call.annex.account_id), asked)
    except AwsError:
        raise validation_error(f"Role {role_arn} is invalid or cannot be assumed") from None
    now_s, account, region = call.facts.now_s, call.annex.account_id, call.annex.aws_region
    session = Session("", "", account, "assumed-role", role.arn, role.role_id, SESSION_NAME, now_s, now_s, region)
    return Caller.of_session(session, region, now_s)


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


async def delete_stack(call: StackCall) -> StackResult:
    """Begins to end a stack; one that is not there is no failure."""
    try:
        stack = call.stack()
    except AwsError as refused:
        if refused.code == "ValidationError":
            return {}
        raise
    if stack.is_gone or stack.status == "DELETE_IN_PROGRESS":
        return {}
    role_arn = str(call.params.get("RoleARN", stack.role_arn))
    await call.annex.end(StackDeletion(stack.stack_id, _actor(call, role_arn).to_json(), role_arn))
    return {}


def _described(stack: ProvisionedStack) -> dict[str, Any]:
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()]
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "CreationTime": stack.created_s,
        "DeletionTime": stack.deleted_s or None,
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


OPERATIONS: Mapping[str, Callable[[StackCall], Awaitable[StackResult]]] = {
    "CreateStack": create_stack,
    "DeleteStack": delete_stack,
    "DescribeStackEvents": describe_stack_events,
    "DescribeStackResources": describe_stack_resources,
    "DescribeStacks": describe_stacks,
    "ListStacks": list_stacks,
}


class Provisioning(AwsSurface):
    """The surface of the provisioning service. It takes calls of CloudFormation's version and leaves IAM's."""

    def __init__(self, node: Management) -> None:
        annex = node.annexes[VENDOR]
        assert isinstance(annex, ManagementAnnex), "a management node has the account and its stacks"
        super().__init__(annex, SERVICE, OPERATIONS)
        self._annex = annex

    def takes(self, request: Request) -> bool:
        return is_query_request(request) and _version_of(request) == VERSIONS[SERVICE]

    async def answer(self, request: Request, asked: AskedOperation, request_id: str) -> tuple[Response, str]:
        caller = self._annex.authenticate(request, SERVICE, (self._annex.aws_region,))
        params = asked.call().params
        call = StackCall(self._annex, caller, self._annex.facts(request), asked.operation.action, params)
        return render(asked.operation, await OPERATIONS[asked.operation.name](call) or None, request_id), ""


def _version_of(request: Request) -> str | None:
    """The version of the API that a request is for, None where it names none."""
    return {**dict(request.query_fields), **dict(request.form)}.get("Version")
