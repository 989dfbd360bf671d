"""AWS's part of a management node: the region's account, and the stacks that were provisioned through it."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from brownout.identity.aws.errors import validation_error
from brownout.identity.aws.provisioning.changes import CHANGE_SET, ChangeSets
from brownout.identity.aws.provisioning.records import ProvisionedStack, StackDeletion
from brownout.identity.aws.provisioning.updates import StackUpdates
from brownout.identity.aws.provisioning.work import StackWork
from brownout.identity.aws.regional.annex import VENDOR, RegionalAnnex
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Signal
from brownout.identity.core.records import Json

RECORD, DELETION = "stack/", "stack-deletion/"
ROUND_S = 5.0  # between two tries at stacks whose next step has to wait


class ManagementAnnex(RegionalAnnex):
    """The account and the stacks of one management node. Stacks are regional: no other region knows them."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._stacks: dict[str, ProvisionedStack] = {}  # by id, oldest first
        self._ending: dict[str, StackDeletion] = {}  # by id: what the work is to end when it next looks
        self.change_sets = ChangeSets(node)
        self.work = StackWork(self, self.keep, self._stacks.__getitem__)
        self.updates = StackUpdates(self.work)
        self._protected: dict[str, bool] = {}  # by id: what was said since the node began, also while its work goes on
        self._changing: set[str] = set()
        self._idle: Signal | None = None  # what the work waits for
        self._is_called = self._sleeps = False

    def take_up(self, name: str, record: Json) -> None:
        if name.startswith(RECORD):
            stack = ProvisionedStack.from_json(record)
            self._stacks[stack.stack_id] = stack
        elif name.startswith(DELETION):
            deletion = StackDeletion.from_json(record)
            self._ending[deletion.stack_id] = deletion
        elif name.startswith(CHANGE_SET):
            self.change_sets.take_up(record)
        else:
            super().take_up(name, record)

    async def start(self) -> None:
        await super().start()
        known = sorted(self._stacks.values(), key=lambda stack: stack.created_s)
        self._stacks.clear()
        self._stacks.update((stack.stack_id, stack) for stack in known)

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (*super().background(), self._work_for_ever())

    def state(self) -> Json:
        return {**super().state(), "stacks": len(self._stacks)}

    def stacks(self) -> tuple[ProvisionedStack, ...]:
        """All stacks, those that were deleted too, oldest first."""
        return tuple(map(self._shown, self._stacks.values()))

    def stack(self, name: str) -> ProvisionedStack | None:
        """The stack of that id, or the one of that name that was not deleted; None where there is none."""
        found = self._stacks.get(name)
        if found is None:
            found = next((each for each in self._stacks.values() if each.name == name and not each.is_gone), None)
        return None if found is None else self._shown(found)

    def _shown(self, stack: ProvisionedStack) -> ProvisionedStack:
        return replace(stack, status="DELETE_IN_PROGRESS") if stack.stack_id in self._ending else stack

    async def keep(self, stack: ProvisionedStack) -> None:
        """Makes a stack durable as it is now."""
        stack = replace(stack, is_protected=self._protected.get(stack.stack_id, stack.is_protected))
        await self.node.ports.persist(f"{VENDOR}:{RECORD}{_unique(stack.stack_id)}", stack.to_json())
        self._stacks[stack.stack_id] = stack
        assert self._stacks[stack.stack_id].name == stack.name, "a stack keeps its name"

    async def end(self, deletion: StackDeletion) -> None:
        """Has the work end a stack, whatever it is doing with it."""
        assert deletion.stack_id in self._stacks, "only what is there is ended"
        await self.node.ports.persist(f"{VENDOR}:{DELETION}{_unique(deletion.stack_id)}", deletion.to_json())
        self._ending[deletion.stack_id] = deletion
        self.wake()

    async def protect(self, stack_id: str, is_protected: bool) -> None:
        """Says whether a stack may be deleted, whatever the work is doing with it."""
        self._protected[stack_id] = is_protected
        await self.keep(self._stacks[stack_id])

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """Holds a stack's name for one request that changes it; raises AwsError ValidationError while another one does."""
        if name in self._changing:
            raise validation_error(f"Stack [{name}] is being changed by another request.")
        self._changing.add(name)
        try:
            yield
        finally:
            self._changing.remove(name)

    def wake(self) -> None:
        """Has the work look at the stacks now, or once more where it is looking at them."""
        self._is_called = True
        if self._idle is not None:
            idle, self._idle = self._idle, None
            idle.give()

    async def _wake_later(self) -> None:
        await self.node.ports.sleep(ROUND_S)
        self._sleeps = False
        self.wake()

    async def _work_for_ever(self) -> None:
        """Works whenever it is woken; work that has to wait wakes it after a while."""
        while True:
            self._is_called = False
            if self.ready:
                await self.advance()
            if self._is_called:
                continue
            if not self._sleeps and (not self.ready or any(stack.is_busy for stack in self._stacks.values())):
                self._sleeps = True
                self.node.ports.spawn(self._wake_later())
            self._idle = self.node.ports.signal()
            await self._idle.wait()

    async def advance(self) -> None:
        """Works on every stack that has work left; deletions that were asked for come first."""
        for deletion in tuple(self._ending.values()):
            stack = replace(self._stacks[deletion.stack_id], caller=deletion.caller, role_arn=deletion.role_arn)
            await self.work.change(stack, "DELETE_IN_PROGRESS", "User Initiated")
            await self.node.ports.persist(f"{VENDOR}:{DELETION}{_unique(deletion.stack_id)}", None)
            del self._ending[deletion.stack_id]
        for stack in tuple(self._stacks.values()):
            if stack.is_busy:
                await (self.work if stack.update is None else self.updates).advance(stack)
        assert all(stack_id in self._stacks for stack_id in self._ending), "what is to be ended is known"


def _unique(stack_id: str) -> str:
    return stack_id.rpartition("/")[2]
