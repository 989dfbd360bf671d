"""The work on an update of a stack: resources made, changed and replaced in order, then what is old ended; or all put back.

A resource is changed in place where its kind allows that. Otherwise another one is made, those that refer to it follow, and
the first is ended last of all. A failure puts the stack back to what it was, by the same means. Each step is durable before
the next, so a node that was killed goes on. Wire facts: docs/reference/aws-wire.md#updates-and-change-sets.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.provisioning.records import ProvisionedResource, ProvisionedStack, StackForm, StackUpdate
from brownout.identity.aws.provisioning.resources import KINDS
from brownout.identity.aws.provisioning.template import ResourceSpec, parse_template, resolve
from brownout.identity.aws.provisioning.work import NotYet, StackWork, told_by_handler

UPDATING, REVERTING = "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"
_REPLACES = "Requested update requires the creation of a new physical resource; hence creating one."
_CLEANUP = "_COMPLETE_CLEANUP_IN_PROGRESS"


def begun_update(stack: ProvisionedStack, form: StackForm, *, keeps_failure: bool, now_s: float) -> ProvisionedStack:
    """The stack as its update to `form` begins; the work puts it into its new state."""
    assert stack.update is None, "one update at a time"
    update = StackUpdate(stack.form, stack.resources, keeps_failure)
    return replace(stack.with_form(form), update=update, updated_s=now_s)


class StackUpdates:
    """Work on updates, of which single resources are `work`'s."""

    def __init__(self, work: StackWork) -> None:
        self._work = work

    async def advance(self, stack: ProvisionedStack) -> None:
        """Does all that can be done now. Only one at a time may work on a stack."""
        assert stack.update is not None, "only a stack with an update is worked on"
        with suppress(NotYet):
            if stack.status == UPDATING:
                await self._update(stack)
            elif stack.status == REVERTING:
                await self._revert(stack)
            elif stack.status.endswith(_CLEANUP):
                await self._clean(stack)
            else:
                await self._end(stack)

    async def _update(self, stack: ProvisionedStack) -> None:
        template = parse_template(stack.template, KINDS)
        for logical_id in template.order():
            if logical_id in _update_of(stack).done:
                continue
            try:
                stack = await self._settle(stack, template.resources[logical_id])
            except AwsError as refused:
                await self._fail(self._work.latest(stack.stack_id), template.resources[logical_id], refused)
                return
        try:
            outputs = self._work.outputs(stack, template)
        except AwsError as refused:
            await self._give_up(stack, refused.message)
            return
        kept = tuple(each for each in stack.resources if each.logical_id in template.resources)
        removed = tuple(each for each in stack.resources if each.logical_id not in template.resources)
        update = replace(_update_of(stack), old=(*_update_of(stack).old, *removed))
        stack = replace(stack, outputs=outputs, resources=kept, update=update)
        await self._clean(await self._work.change(stack, f"UPDATE{_CLEANUP}"))

    async def _settle(self, stack: ProvisionedStack, spec: ResourceSpec) -> ProvisionedStack:
        """The stack with that resource as the template has it; raises AwsError and NotYet."""
        known = stack.resource(spec.logical_id)
        if _update_of(stack).current != spec.logical_id:
            if known is not None and resolve(spec.properties, self._work.scope(stack)) == known.properties:
                return await self._done(stack, spec.logical_id)
            stack = await self._begin(stack, spec, known)
        made, before = stack.resource(spec.logical_id), _update_of(stack).earlier(spec.logical_id)
        assert made is not None, "a resource is begun before it is worked on"
        if before is None:
            stack = await self._work.make(stack, spec.logical_id)
        elif before.name != made.name:
            stack = await self._work.make(stack, spec.logical_id, "UPDATE_COMPLETE")
        else:
            self._work.check_role(made)
            steps = KINDS[made.kind].update(made.name, before.properties, made.properties)
            stack = await self._work.run(stack, made, steps, "UPDATE_COMPLETE")
        return await self._done(stack, spec.logical_id)

    async def _begin(self, stack: ProvisionedStack, spec: ResourceSpec, known: ProvisionedResource | None) -> ProvisionedStack:
        """Settles what becomes of a resource that is new or differs, before anything is done; raises AwsError."""
        update = replace(_update_of(stack), current=spec.logical_id)
        if known is None:
            return await self._work.begin(replace(stack, update=update), spec)
        kind, properties = KINDS[spec.kind], resolve(spec.properties, self._work.scope(stack))
        replacing = kind.replacing(known.properties, properties)
        if not replacing:
            begun = replace(known, properties=properties, steps=0, is_unsure=False, since_s=self._work.now_s())
            return await self._work.note(replace(stack, update=update), begun, UPDATING)
        if properties.get(kind.name) == known.name:
            raise validation_error(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing."
                f" Rename {known.name} and update the stack again."
            )
        stack = await self._work.note(stack, known, UPDATING, _REPLACES)
        update = replace(update, old=(*update.old, known))
        return await self._work.begin(replace(stack, update=update), spec, "UPDATE")

    async def _done(self, stack: ProvisionedStack, logical_id: str) -> ProvisionedStack:
        update = _update_of(stack)
        done = replace(stack, update=replace(update, done=(*update.done, logical_id), current=""))
        await self._work.keep(done)
        return done

    async def _fail(self, stack: ProvisionedStack, spec: ResourceSpec, refused: AwsError) -> None:
        """What follows when a resource could not be made or changed."""
        known = stack.resource(spec.logical_id) or ProvisionedResource(spec.logical_id, spec.kind)
        verb = "UPDATE" if _update_of(stack).earlier(spec.logical_id) is not None else "CREATE"
        stack = await self._work.note(stack, known, f"{verb}_FAILED", told_by_handler(spec.kind, refused))
        await self._give_up(stack, f"The following resource(s) failed to {verb.lower()}: [{spec.logical_id}]. ")

    async def _give_up(self, stack: ProvisionedStack, why: str) -> None:
        update = _update_of(stack)
        stack = replace(stack, update=replace(update, done=(), current=""))
        await self._work.change(stack, "UPDATE_FAILED" if update.keeps_failure else REVERTING, why)

    async def _revert(self, stack: ProvisionedStack) -> None:
        """Puts every resource back that the update had got at, and the stack with them."""
        for logical_id in parse_template(_update_of(stack).before.template, KINDS).order():
            if logical_id in _update_of(stack).done:
                continue
            try:
                stack = await self._put_back(stack, logical_id)
            except AwsError as refused:
                stack = self._work.latest(stack.stack_id)
                left = stack.resource(logical_id)
                assert left is not None, "no resource goes before an update is through"
                stack = await self._work.note(stack, left, "UPDATE_FAILED", told_by_handler(left.kind, refused))
                why = f"The following resource(s) failed to update: [{logical_id}]. "
                await self._work.change(stack, "UPDATE_ROLLBACK_FAILED", why)
                return
        update = _update_of(stack)
        added = tuple(each for each in stack.resources if update.earlier(each.logical_id) is None)
        kept = tuple(each for each in stack.resources if each not in added)
        update = replace(update, old=(*update.old, *(each for each in added if each.may_exist)))
        stack = replace(stack.with_form(update.before), resources=kept, update=update)
        await self._clean(await self._work.change(stack, f"UPDATE_ROLLBACK{_CLEANUP}"))

    async def _put_back(self, stack: ProvisionedStack, logical_id: str) -> ProvisionedStack:
        """The stack with one resource as it was before the update; raises AwsError and NotYet."""
        update = _update_of(stack)
        before, made = update.earlier(logical_id), stack.resource(logical_id)
        assert before is not None, "only what was there before is put back"
        assert made is not None, "what was there before is there until the update is through"
        if made.name != before.name:  # it was being replaced: the first one was not touched
            left = tuple(each for each in update.old if each.name != before.name)
            update = replace(update, old=(*left, made) if made.may_exist else left)
            stack = await self._work.note(replace(stack, update=update), before, "UPDATE_COMPLETE")
        elif made.properties == before.properties:
            stack = stack.with_resource(before)
        else:
            if update.current != logical_id:
                made = replace(made, steps=0, is_unsure=False, since_s=self._work.now_s())
                update = replace(update, current=logical_id)
                stack = await self._work.note(replace(stack, update=update), made, UPDATING)
            steps = KINDS[made.kind].update(made.name, made.properties, before.properties)
            stack = await self._work.run(stack, made, steps, "UPDATE_COMPLETE", again=True)
            put_back = replace(before, status="UPDATE_COMPLETE", changed_s=self._work.now_s())
            stack = stack.with_resource(put_back)
        return await self._done(stack, logical_id)

    async def _clean(self, stack: ProvisionedStack) -> None:
        """Ends what the update left behind. What cannot be ended stays, and the stack is done all the same."""
        stack, _ = await self._end_old(stack)
        await self._work.change(replace(stack, update=None), stack.status.removesuffix(_CLEANUP) + "_COMPLETE")

    async def _end(self, stack: ProvisionedStack) -> None:
        """A deletion in the middle of an update: what the update would have ended goes first, then the stack."""
        stack, failed = await self._end_old(stack)
        if failed:
            why = f"The following resource(s) failed to delete: [{', '.join(each.logical_id for each in failed)}]."
            await self._work.change(_with_old(stack, failed), "DELETE_FAILED", why)
            return
        stack = replace(stack, update=None)
        await self._work.keep(stack)
        await self._work.advance(stack)

    async def _end_old(self, stack: ProvisionedStack) -> tuple[ProvisionedStack, tuple[ProvisionedResource, ...]]:
        """The stack without the old resources of its update, the newest ended first, and those that could not be ended.

        Raises NotYet.
        """
        failed: list[ProvisionedResource] = []
        while (update := _update_of(stack)).old:
            ended = update.old[-1]
            if ended.status != "DELETE_IN_PROGRESS":
                ended = replace(ended, status="DELETE_IN_PROGRESS", since_s=self._work.now_s())
                stack = await self._work.told(_with_old(stack, (*update.old[:-1], ended)), ended)
            try:
                await self._work.unmake(stack, ended)
            except AwsError as refused:
                over = replace(ended, status="DELETE_FAILED", reason=refused.message)
                failed.append(over)
            else:
                over = replace(ended, status="DELETE_COMPLETE")
            stack = await self._work.told(_with_old(stack, update.old[:-1]), over)
        return stack, tuple(failed)


def _update_of(stack: ProvisionedStack) -> StackUpdate:
    assert stack.update is not None, "a stack under update has one"
    return stack.update


def _with_old(stack: ProvisionedStack, old: tuple[ProvisionedResource, ...]) -> ProvisionedStack:
    return replace(stack, update=replace(_update_of(stack), old=old))
