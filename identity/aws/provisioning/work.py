"""The work on one stack: its resources made in order, or ended in the opposite one, as far as it goes without waiting.

What an update does with them is in brownout.identity.aws.provisioning.updates, which makes and ends single ones as this does.

A call that the control plane does not answer is tried again for a while, as handlers of the real service do; so is the use of
a role that the region does not know yet. Then the resource fails, and what follows is the stack's own choice.
Wire facts: docs/reference/aws-wire.md#provisioning-with-templates.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.iam.desk import IamDesk
from brownout.identity.aws.policy.context import RequestFacts
from brownout.identity.aws.provisioning.records import ProvisionedResource, ProvisionedStack, StackChange
from brownout.identity.aws.provisioning.resources import KINDS, IamStep, new_name
from brownout.identity.aws.provisioning.template import (
    NO_VALUE,
    ResourceSpec,
    StackTemplate,
    TemplateScope,
    parse_template,
    resolve,
)
from brownout.identity.aws.regional.annex import RegionalAnnex
from brownout.identity.aws.sts.trust import RoleRequest, check_outsider, find_role, outsider

CALL_PATIENCE_S = 120.0  # for a control plane that does not answer
ROLE_PATIENCE_S = 60.0  # for a role that the region cannot assume yet
STACK_KIND = "AWS::CloudFormation::Stack"
_STARTED = "Resource creation Initiated"
_AFTER_FAILURE = {  # by what the stack wants: its next state, and what its reason says of that
    "DO_NOTHING": ("CREATE_FAILED", ""),
    "DELETE": ("DELETE_IN_PROGRESS", " Delete requested by user."),
    "ROLLBACK": ("ROLLBACK_IN_PROGRESS", " Rollback requested by user."),
}
Keep = Callable[[ProvisionedStack], Awaitable[None]]


class NotYet(Exception):
    """The next step has to wait; the work goes on in the next round."""


class StackWork:
    """Work on stacks of one management node. `keep` makes a stack durable, `latest` finds what was kept last by id."""

    def __init__(self, annex: RegionalAnnex, keep: Keep, latest: Callable[[str], ProvisionedStack]) -> None:
        self._annex, self.keep, self.latest = annex, keep, latest
        self._desk = IamDesk(annex)

    def now_s(self) -> float:
        return self._annex.node.ports.now()

    async def advance(self, stack: ProvisionedStack) -> None:
        """Does all that can be done now. Only one at a time may work on a stack."""
        assert stack.is_busy, "only a stack with work left is worked on"
        with suppress(NotYet):
            await (self._create(stack) if stack.status == "CREATE_IN_PROGRESS" else self._end(stack))

    async def change(self, stack: ProvisionedStack, status: str, reason: str = "") -> ProvisionedStack:
        """The stack in a new state, durably and with an event."""
        event = self._event(stack.name, STACK_KIND, stack.stack_id, status, reason)
        deleted_s = self.now_s() if status == "DELETE_COMPLETE" else stack.deleted_s
        changed = replace(stack, status=status, reason=reason, deleted_s=deleted_s, events=(*stack.events, event))
        await self.keep(changed)
        return changed

    async def note(
        self, stack: ProvisionedStack, resource: ProvisionedResource, status: str, reason: str = ""
    ) -> ProvisionedStack:
        """The stack with its resource in a new state, durably and with an event."""
        changed = replace(resource, status=status, reason=reason, changed_s=self.now_s())
        return await self.told(stack.with_resource(changed), changed)

    async def told(self, stack: ProvisionedStack, resource: ProvisionedResource) -> ProvisionedStack:
        """The stack with an event for the state of a resource, which may be one that it has no more."""
        event = self._event(resource.logical_id, resource.kind, resource.name, resource.status, resource.reason)
        noted = replace(stack, events=(*stack.events, event))
        await self.keep(noted)
        return noted

    def _event(self, logical_id: str, kind: str, physical_id: str, status: str, reason: str) -> StackChange:
        ports = self._annex.node.ports
        return StackChange(ports.new_id(), ports.now(), logical_id, kind, physical_id, status, reason)

    def scope(self, stack: ProvisionedStack) -> TemplateScope:
        """What references of the stack's template mean by now."""
        values = {
            "AWS::AccountId": self._annex.account_id,
            "AWS::Partition": "aws",
            "AWS::Region": self._annex.aws_region,
            "AWS::StackId": stack.stack_id,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
            NO_VALUE: "",
            **stack.parameters,
        }
        attributes = {}
        for made in stack.resources:
            arn = KINDS[made.kind].arn(self._annex.account_id, self._annex.aws_region, made.name, made.properties)
            attributes[made.logical_id] = {"Ref": made.name, "Arn": arn}
        return TemplateScope(values, attributes)

    async def _create(self, stack: ProvisionedStack) -> None:
        template = parse_template(stack.template, KINDS)
        for logical_id in template.order():
            known = stack.resource(logical_id)
            if known is not None and known.status == "CREATE_COMPLETE":
                continue
            try:
                if known is None:
                    stack = await self.begin(stack, template.resources[logical_id])
                stack = await self.make(stack, logical_id)
            except AwsError as refused:
                await self._fail(self.latest(stack.stack_id), template.resources[logical_id], refused)
                return
        try:
            outputs = self.outputs(stack, template)
        except AwsError as refused:
            await self.change(stack, _AFTER_FAILURE[stack.on_failure][0], refused.message)
        else:
            await self.change(replace(stack, outputs=outputs), "CREATE_COMPLETE")

    def outputs(self, stack: ProvisionedStack, template: StackTemplate) -> dict[str, str]:
        """The outputs of a stack whose resources are there; raises AwsError for one that cannot be."""
        scope = self.scope(stack)
        return {name: str(resolve(value, scope)) for name, value in template.outputs.items()}

    async def begin(self, stack: ProvisionedStack, spec: ResourceSpec, verb: str = "CREATE") -> ProvisionedStack:
        """Settles name and properties of a new resource, before anything is made; raises AwsError for a bad reference."""
        kind, properties = KINDS[spec.kind], resolve(spec.properties, self.scope(stack))
        named = properties.get(kind.name) if kind.name else None
        name = str(named) if named else new_name(stack.name, spec.logical_id, self._annex.node.ports.new_id())
        begun = ProvisionedResource(spec.logical_id, spec.kind, name, properties, since_s=self.now_s())
        return await self.note(stack, begun, f"{verb}_IN_PROGRESS", _STARTED)

    async def make(self, stack: ProvisionedStack, logical_id: str, status: str = "CREATE_COMPLETE") -> ProvisionedStack:
        """The stack with one more resource; raises AwsError when it cannot be made, NotYet when it has to wait."""
        made = stack.resource(logical_id)
        assert made is not None, "a resource is begun before it is made"
        kind = KINDS[made.kind]
        self.check_role(made)
        return await self.run(stack, made, kind.create(made.name, made.properties), status)

    async def run(
        self, stack: ProvisionedStack, made: ProvisionedResource, steps: Iterator[IamStep], status: str, *, again: bool = False
    ) -> ProvisionedStack:
        """The stack once the steps of a resource that are left are done, and the resource is in that state.

        `again` says that they may have been done before, in part. Raises AwsError and NotYet.
        """
        for step in tuple(_steps(steps))[made.steps :]:
            was_unsure, made = made.is_unsure, replace(made, is_unsure=True)
            await self.keep(stack.with_resource(made))
            try:
                await self._call(stack, made, step.action, step.params)
            except AwsError as refused:
                if refused.sender and not was_unsure:
                    await self.keep(stack.with_resource(replace(made, is_unsure=False)))
                if not _was_done(step, refused.code, again=again or was_unsure):
                    raise
            made = replace(made, steps=made.steps + 1, is_unsure=False)
            stack = stack.with_resource(made)
            await self.keep(stack)
        return await self.note(stack, made, status)

    def check_role(self, made: ProvisionedResource) -> None:
        """Raises NotYet, and AwsError in the end, while the region cannot assume the role that the resource uses."""
        kind = KINDS[made.kind]
        if not kind.needs_role:
            return
        role = find_role(self._annex.index, str(made.properties.get(kind.needs_role, "")))
        if role is not None:
            facts = RequestFacts(self.now_s(), self._annex.aws_region)
            asked = RoleRequest("sts:AssumeRole", role, made.name[:64], facts)
            with suppress(AwsError):
                check_outsider(outsider("service", kind.service, self._annex.account_id), asked)
                return
        if self.now_s() - made.since_s < ROLE_PATIENCE_S:
            raise NotYet
        raise AwsError.of("InvalidParameterValueException", "The role defined for the function cannot be assumed by Lambda.")

    async def _call(self, stack: ProvisionedStack, resource: ProvisionedResource, action: str, params: Any) -> None:
        """One call of IAM as the stack's caller; raises AwsError, and NotYet while the control plane is away."""
        facts = RequestFacts(self.now_s(), self._annex.aws_region)
        try:
            await self._desk.do(action, params, Caller.from_json(stack.caller), facts)
        except AwsError as refused:
            if refused.sender or self.now_s() - resource.since_s >= CALL_PATIENCE_S:
                raise
            raise NotYet from None

    async def _fail(self, stack: ProvisionedStack, spec: ResourceSpec, refused: AwsError) -> None:
        """What follows when a resource could not be made."""
        known = stack.resource(spec.logical_id) or ProvisionedResource(spec.logical_id, spec.kind)
        stack = await self.note(stack, known, "CREATE_FAILED", told_by_handler(spec.kind, refused))
        why = f"The following resource(s) failed to create: [{spec.logical_id}]."
        status, more = _AFTER_FAILURE[stack.on_failure]
        await self.change(stack, status, f"{why}{more}")

    async def _end(self, stack: ProvisionedStack) -> None:
        """Ends resources, the newest first."""
        verb = stack.status.partition("_")[0]
        for made in reversed(stack.resources):
            if made.status == "DELETE_COMPLETE" or not made.may_exist:
                continue
            if made.status != "DELETE_IN_PROGRESS":
                made = replace(made, since_s=self.now_s())
                stack = await self.note(stack, made, "DELETE_IN_PROGRESS")
            try:
                await self.unmake(stack, made)
            except AwsError as refused:
                stack = await self.note(stack, made, "DELETE_FAILED", refused.message)
                why = f"The following resource(s) failed to delete: [{made.logical_id}]."
                await self.change(stack, f"{verb}_FAILED", why)
                return
            stack = await self.note(stack, made, "DELETE_COMPLETE")
        await self.change(stack, f"{verb}_COMPLETE")

    async def unmake(self, stack: ProvisionedStack, made: ProvisionedResource) -> None:
        """Ends one resource; what is not there any more is no failure. Raises AwsError and NotYet."""
        for step in _steps(KINDS[made.kind].delete(made.name, made.properties)):
            try:
                await self._call(stack, made, step.action, step.params)
            except AwsError as refused:
                if refused.code != "NoSuchEntity":
                    raise


def told_by_handler(kind: str, refused: AwsError) -> str:
    """The reason of a resource that failed, as events have it."""
    told = f"{refused.message} (Service: {KINDS[kind].handler}, Status Code: {refused.status})"
    return f'Resource handler returned message: "{told}"'


def _was_done(step: IamStep, code: str, *, again: bool) -> bool:
    """True when a refusal shows that what a step is for is so already.

    What it takes away is gone; or, where the step may have been done before, what it makes is there.
    """
    if step.action.startswith(("Delete", "Detach", "Remove")):
        return code == "NoSuchEntity"
    return again and code == ("LimitExceeded" if step.action == "AddRoleToInstanceProfile" else "EntityAlreadyExists")


def _steps(steps: Any) -> Any:
    """The steps; raises AwsError for properties that they cannot be made of."""
    try:
        yield from steps
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise AwsError.of("InvalidRequest", f"Model validation failed ({type(wrong).__name__}: {wrong})") from None
