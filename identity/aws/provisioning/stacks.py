"""Calls that make, change and end stacks. The work is done later; a call says only that it was accepted.

Wire facts: docs/reference/aws-wire.md#provisioning-with-templates and #updates-and-change-sets.
"""

from __future__ import annotations

import re
from dataclasses import replace

from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.provisioning.call import StackCall, StackResult, acting, declared
from brownout.identity.aws.provisioning.changes import ResourceChange, planned
from brownout.identity.aws.provisioning.records import REVIEW, ProvisionedStack, StackDeletion, StackForm
from brownout.identity.aws.provisioning.resources import KINDS
from brownout.identity.aws.provisioning.template import StackTemplate, parse_template, resolve
from brownout.identity.aws.provisioning.updates import REVERTING, UPDATING, begun_update

NO_UPDATES = "No updates are to be performed."
BY_USER = "User Initiated"
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"


async def create_stack(call: StackCall) -> StackResult:
    name, params = str(call.params["StackName"]), call.params
    if _NAME.fullmatch(name) is None:
        raise validation_error(
            f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: {_PATTERN}"
        )
    call.authorize(call.arn_of(name, "*"))
    if "DisableRollback" in params and "OnFailure" in params:
        raise validation_error("You can specify either DisableRollback or OnFailure, but not both.")
    form, _ = declared(call)
    if call.annex.stack(name) is not None:
        raise AwsError.of("AlreadyExistsException", f"Stack [{name}] already exists")
    on_failure = "DO_NOTHING" if params.get("DisableRollback") else str(params.get("OnFailure", "ROLLBACK"))
    stack = replace(new_stack(call, name, form, on_failure), is_protected=bool(params.get("EnableTerminationProtection")))
    made = await call.annex.work.change(stack, "CREATE_IN_PROGRESS", BY_USER)
    call.annex.wake()
    return {"StackId": made.stack_id}


def new_stack(call: StackCall, name: str, form: StackForm, on_failure: str) -> ProvisionedStack:
    """A stack of that name that has no state yet."""
    stack_id = call.arn_of(name, call.annex.node.ports.new_id())
    bare = ProvisionedStack(stack_id, name, "", {}, {}, call.facts.now_s, "", on_failure)
    return bare.with_form(form)


async def update_stack(call: StackCall) -> StackResult:
    stack = call.stack()
    check_updatable(stack)
    form, template = declared(call, stack)
    if not differs(call, stack, form, template, changes_of(call, stack, form, template)):
        raise validation_error(NO_UPDATES)
    await begin_update(call, stack, form, keeps_failure=bool(call.params.get("DisableRollback")))
    await call.annex.change_sets.drop(*call.annex.change_sets.of(stack.stack_id))
    return {"StackId": stack.stack_id}


def check_updatable(stack: ProvisionedStack) -> None:
    """Raises AwsError unless the stack is in a state from which it can be updated."""
    if stack.status not in _UPDATABLE:
        raise validation_error(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")


def changes_of(
    call: StackCall, stack: ProvisionedStack, form: StackForm, template: StackTemplate
) -> tuple[ResourceChange, ...]:
    """What would become of the stack's resources; raises AwsError for what cannot be."""
    other = [name for name, spec in template.resources.items() if (has := stack.resource(name)) and has.kind != spec.kind]
    if other:
        raise validation_error(
            "Update of resource type is not permitted. The new template modifies resource type of the following resources:"
            f" [{', '.join(other)}]"
        )
    old = parse_template(stack.template, KINDS) if stack.template else None
    return planned(stack, template, old, call.annex.work.scope(stack.with_form(form)))


def differs(
    call: StackCall,
    stack: ProvisionedStack,
    form: StackForm,
    template: StackTemplate,
    changes: tuple[ResourceChange, ...],
) -> bool:
    """True when an update to that form would change resources, outputs, tags or the role of the stack."""
    if changes or form.tags != stack.tags or form.role_arn != stack.role_arn:
        return True
    scope = call.annex.work.scope(stack.with_form(form))
    return {name: str(resolve(value, scope)) for name, value in template.outputs.items()} != dict(stack.outputs)


async def begin_update(call: StackCall, stack: ProvisionedStack, form: StackForm, *, keeps_failure: bool) -> None:
    begun = begun_update(stack, form, keeps_failure=keeps_failure, now_s=call.facts.now_s)
    await call.annex.work.change(begun, UPDATING, BY_USER)
    call.annex.wake()


async def continue_update_rollback(call: StackCall) -> StackResult:
    """Tries once more to put a stack back; resources that are skipped count as put back."""
    stack = call.stack()
    if stack.status != "UPDATE_ROLLBACK_FAILED" or stack.update is None:
        raise validation_error(f"Stack:{stack.stack_id} is in {stack.status} state and can not continue an update rollback.")
    skipped = tuple(str(each) for each in call.params.get("ResourcesToSkip", ()))
    for each in skipped:
        known = stack.resource(each)
        if known is None or known.status != "UPDATE_FAILED":
            raise validation_error(f"Resource {each} is not in UPDATE_FAILED state and can not be skipped.")
    role_arn = str(call.params.get("RoleARN", stack.role_arn))
    update = replace(stack.update, done=(*stack.update.done, *skipped), current="")
    stack = replace(stack, caller=acting(call, role_arn).to_json(), update=update)
    await call.annex.work.change(stack, REVERTING, BY_USER)
    call.annex.wake()
    return {}


async def rollback_stack(call: StackCall) -> StackResult:
    """Puts a stack back that was left as it failed: its update, or what its creation has made."""
    stack = call.stack()
    after = {"UPDATE_FAILED": REVERTING, "CREATE_FAILED": "ROLLBACK_IN_PROGRESS"}.get(stack.status)
    if after is None:
        raise validation_error(f"Stack:{stack.stack_id} is in {stack.status} state and can not be rolled back.")
    role_arn = str(call.params.get("RoleARN", stack.role_arn))
    await call.annex.work.change(replace(stack, caller=acting(call, role_arn).to_json()), after, BY_USER)
    call.annex.wake()
    return {"StackId": stack.stack_id}


async def update_termination_protection(call: StackCall) -> StackResult:
    stack = call.stack()
    if stack.is_gone:
        raise validation_error(f"Stack [{stack.name}] does not exist")
    await call.annex.protect(stack.stack_id, bool(call.params["EnableTerminationProtection"]))
    return {"StackId": stack.stack_id}


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
    if stack.is_protected:
        raise validation_error(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
    role_arn = str(call.params.get("RoleARN", stack.role_arn))
    await call.annex.end(StackDeletion(stack.stack_id, acting(call, role_arn).to_json(), role_arn))
    await call.annex.change_sets.drop(*call.annex.change_sets.of(stack.stack_id))
    return {}


def is_empty(stack: ProvisionedStack) -> bool:
    """True for a stack that waits for its first change set."""
    return stack.status == REVIEW
