"""Calls about change sets: an update, or a creation, that is worked out first and executed later.

Wire facts: docs/reference/aws-wire.md#updates-and-change-sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.provisioning.call import StackCall, StackResult, declared
from brownout.identity.aws.provisioning.changes import (
    AVAILABLE,
    EXECUTED,
    FAILED,
    MADE,
    UNAVAILABLE,
    ChangeSet,
    PropertyChange,
    ResourceChange,
)
from brownout.identity.aws.provisioning.records import REVIEW, ProvisionedStack, StackForm
from brownout.identity.aws.provisioning.stacks import (
    BY_USER,
    begin_update,
    changes_of,
    check_updatable,
    differs,
    is_empty,
    new_stack,
)

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


async def create_change_set(call: StackCall) -> StackResult:
    """Works an update out, at once. For a stack that is not there (type CREATE) it makes one that has nothing yet."""
    params = call.params
    given, name, kind = str(params["StackName"]), str(params["ChangeSetName"]), str(params.get("ChangeSetType", "UPDATE"))
    stack = call.annex.stack(given)
    call.authorize(stack.stack_id if stack is not None else call.arn_of(given, "*"))
    _check_kind(stack, given, name, kind)
    if stack is not None and any(each.name == name for each in call.annex.change_sets.of(stack.stack_id)):
        raise AwsError.of("AlreadyExistsException", f"ChangeSet {name} already exists")
    form, template = declared(call, stack)
    on_failure = str(params.get("OnStackFailure", "ROLLBACK"))
    if stack is None:
        empty = StackForm("", {}, form.caller)
        stack = await call.annex.work.change(new_stack(call, given, empty, on_failure), REVIEW, BY_USER)
    changes = changes_of(call, stack, form, template)
    has_changes = kind == "CREATE" or differs(call, stack, form, template, changes)
    made = ChangeSet(
        f"arn:aws:cloudformation:{call.annex.aws_region}:{call.annex.account_id}:changeSet/{name}/{call.annex.node.ports.new_id()}",
        name,
        stack.stack_id,
        stack.name,
        kind,
        form,
        call.facts.now_s,
        MADE if has_changes else FAILED,
        "" if has_changes else NO_CHANGES,
        AVAILABLE if has_changes else UNAVAILABLE,
        str(params.get("Description", "")),
        on_failure,
        changes,
    )
    await call.annex.change_sets.keep(made)
    return {"Id": made.change_set_id, "StackId": stack.stack_id}


def _check_kind(stack: ProvisionedStack | None, given: str, name: str, kind: str) -> None:
    """Raises AwsError where a change set of that type cannot be made for the stack."""
    if kind == "IMPORT":
        raise validation_error("Change sets that import resources are not supported.")
    if kind == "UPDATE":
        if stack is None:
            raise validation_error(f"Stack [{given}] does not exist")
        check_updatable(stack)
    elif stack is not None and not is_empty(stack):
        raise validation_error(f"Stack [{given}] already exists and cannot be created again with the changeSet [{name}].")


async def describe_change_set(call: StackCall) -> StackResult:
    found, with_values = call.change_set(), bool(call.params.get("IncludePropertyValues"))
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in found.form.parameters.items()]
    return _summary(found) | {
        "Parameters": parameters,
        "Capabilities": list(found.form.capabilities),
        "Tags": [{"Key": key, "Value": value} for key, value in found.form.tags.items()],
        "Changes": [{"Type": "Resource", "ResourceChange": _change(each, with_values)} for each in found.changes],
        "OnStackFailure": found.on_failure if found.kind == "CREATE" else None,
    }


async def list_change_sets(call: StackCall) -> StackResult:
    return {"Summaries": [_summary(each) for each in call.annex.change_sets.of(call.stack().stack_id)]}


async def execute_change_set(call: StackCall) -> StackResult:
    """Begins what a change set has worked out. The stack's other change sets are deleted: they fit it no more."""
    found = call.change_set()
    stack = call.annex.stack(found.stack_id)
    if found.execution != AVAILABLE or stack is None or (not is_empty(stack) and found.kind == "CREATE"):
        status = found.status if found.execution == UNAVAILABLE else found.execution
        told = f"ChangeSet [{found.change_set_id}] cannot be executed in its current status of [{status}]"
        raise AwsError.of("InvalidChangeSetStatus", told)
    stack = replace(stack, change_set_id=found.change_set_id)
    if found.kind == "CREATE":
        on_failure = "DO_NOTHING" if call.params.get("DisableRollback") else found.on_failure
        stack = replace(stack.with_form(found.form), on_failure=on_failure)
        await call.annex.work.change(stack, "CREATE_IN_PROGRESS", BY_USER)
        call.annex.wake()
    else:
        check_updatable(stack)
        await begin_update(call, stack, found.form, keeps_failure=bool(call.params.get("DisableRollback")))
    others = (each for each in call.annex.change_sets.of(stack.stack_id) if each is not found)
    await call.annex.change_sets.drop(*others)
    await call.annex.change_sets.keep(replace(found, execution=EXECUTED))
    return {}


async def delete_change_set(call: StackCall) -> StackResult:
    """One that is not there is no failure."""
    try:
        found = call.change_set()
    except AwsError as refused:
        if refused.code == "ChangeSetNotFound":
            return {}
        raise
    await call.annex.change_sets.drop(found)
    return {}


def _summary(found: ChangeSet) -> dict[str, Any]:
    return {
        "ChangeSetName": found.name,
        "ChangeSetId": found.change_set_id,
        "StackId": found.stack_id,
        "StackName": found.stack_name,
        "Description": found.description or None,
        "CreationTime": found.created_s,
        "ExecutionStatus": found.execution,
        "Status": found.status,
        "StatusReason": found.reason or None,
        "IncludeNestedStacks": False,
    }


def _change(change: ResourceChange, with_values: bool) -> Mapping[str, Any]:
    """One change; what another resource takes the place of says so."""
    told: dict[str, Any] = {
        "Action": change.action,
        "LogicalResourceId": change.logical_id,
        "PhysicalResourceId": change.name or None,
        "ResourceType": change.kind,
        "Scope": ["Properties"] if change.properties else [],
        "Details": [_detail(each, with_values) for each in change.properties],
    }
    if change.action == "Modify":
        told["Replacement"] = "True" if change.replaces else "False"
        told["PolicyAction"] = "ReplaceAndDelete" if change.replaces else None
    elif change.action == "Remove":
        told["PolicyAction"] = "Delete"
    return told


def _detail(change: PropertyChange, with_values: bool) -> Mapping[str, Any]:
    target: dict[str, Any] = {
        "Attribute": "Properties",
        "Name": change.name,
        "RequiresRecreation": "Always" if change.replaces else "Never",
    }
    if with_values:
        target |= {"BeforeValue": change.before or None, "AfterValue": change.after or None}
    evaluation = "Dynamic" if change.source == "ResourceAttribute" else "Static"
    return {"Target": target, "Evaluation": evaluation, "ChangeSource": change.source}
