"""Identities attached to machines, or taken off them, by holds: what an add-on does when it is enabled.

A hold keeps, machine by machine, whether the identity was there *before* any hold on it. What a machine should have follows
from the set: what its newest hold says, and without one what was before. So holds are released in any order. A release
changes a machine only while that is still as the hold left it: what another writer has changed meanwhile stays.

Every change goes the way of a client's: to the identity's home store, onto the management node's disk, to the machine's host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from brownout.identity.core.holds import HoldSet, Refused, Switch, Unreachable, Value
from brownout.identity.core.messages import CallFailed
from brownout.identity.core.nodes.machines import Machines, WantedIdentities
from brownout.identity.core.nodes.reader import Reader
from brownout.identity.core.nodes.writer import IdentityWriter, Written
from brownout.identity.core.records import Identity, Machine, Principal
from brownout.identity.core.topology import HOST

ATTACH, DETACH = "attach-identity", "detach-identity"
OWN = "system"  # in place of a resource id: the machine's own identity


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a hold wants: an identity, by its resource id or OWN, on machines or off them."""

    identity: str
    machines: tuple[str, ...]  # resource ids in lower case
    present: bool

    @classmethod
    def of(cls, switch: str, value: Value) -> Self:
        """From a hold; raises ValueError."""
        machines, identity, present = value["machines"], str(value["identity"]), switch == ATTACH
        if not isinstance(machines, list | tuple) or not machines:
            raise ValueError(f"machines is a list of resource ids, not {machines!r}")
        if not identity:
            raise ValueError("identity is the resource id of one, or `system`")
        if identity == OWN and not present:
            raise ValueError("a machine's own identity cannot be given back once it is gone: another would be made")
        return cls(identity, tuple(dict.fromkeys(str(machine).lower() for machine in machines)), present)

    def is_on(self, machine: Machine) -> bool:
        """Whether the machine has the identity now."""
        wanted = self.identity.lower()
        return any(
            known.is_system if self.identity == OWN else not known.is_system and known.resource_id.lower() == wanted
            for known in machine.identities
        )

    def change(self, *, present: bool) -> WantedIdentities:
        """What brings the identity onto a machine, or takes it off."""
        if self.identity != OWN:
            return WantedIdentities(assignments=((self.identity, present),))
        return WantedIdentities(own=True) if present else WantedIdentities(without=frozenset({"system"}))


class Attachments:
    """The switches `attach-identity` and `detach-identity` of one management node."""

    def __init__(self, node: Reader, machines: Machines, writer: IdentityWriter) -> None:
        self._node, self._holds = node, node.holds
        self._machines, self._writer = machines, writer
        _add(self._holds, ATTACH, self)
        _add(self._holds, DETACH, self)

    async def engage(self, fault_id: str, wanted: Attachment) -> Value:
        """Raises ValueError for a machine or identity that there is not, Refused and Unreachable."""
        machines = [self._known(key) for key in wanted.machines]
        if wanted.present and self._node.settings.attach_checks_callers:
            await self._check_callers(machines, wanted)
        before = {machine.key: self._before(fault_id, wanted, machine) for machine in machines}
        made = wanted.present and wanted.identity != OWN and await self._writer.find(wanted.identity) is None
        await self._holds.decide(fault_id, before=before, made=made)  # first: what is half done is undone by this
        try:
            if made:
                _whole(await self._writer.write(self._new(wanted.identity)))
            for key in wanted.machines:
                await self._set(key, wanted, present=wanted.present)
        except (Unreachable, ValueError):
            await self.disengage(fault_id, wanted, {"before": before, "made": made})
            raise
        return {"machines": len(machines), "changed": [key for key, was in before.items() if was != wanted.present]}

    async def disengage(self, fault_id: str, wanted: Attachment, decided: Mapping[str, object]) -> None:
        """Gives each machine what the other holds say, else what it had before; raises Unreachable."""
        before = decided.get("before")
        for key, was in before.items() if isinstance(before, Mapping) else ():
            others = [other.present for _, other in self._others(fault_id, wanted) if key in other.machines]
            machine = self._machines.find(key)
            if machine is not None and wanted.is_on(machine) == wanted.present:  # else another writer has changed it
                await self._set(key, wanted, present=others[-1] if others else bool(was))
        if decided.get("made"):
            await self._unmake(fault_id, wanted)

    async def _unmake(self, fault_id: str, wanted: Attachment) -> None:
        """Deletes the identity that a hold made, or leaves it to another hold of it, or to a machine that uses it by now."""
        for other_id, _ in self._others(fault_id, wanted):
            await self._holds.decide(other_id, made=True)
            return
        known = await self._writer.find(wanted.identity)
        if known is not None and not any(wanted.is_on(machine) for machine in self._machines.everything()):
            _whole(await self._writer.erase(known))

    def _others(self, fault_id: str, wanted: Attachment) -> Iterator[tuple[str, Attachment]]:
        """The other holds about this identity, oldest first."""
        for other_id, hold in self._holds.items():
            if other_id != fault_id and hold.switch in (ATTACH, DETACH) and hold.decided:
                other = Attachment.of(hold.switch, hold.value)
                if other.identity.lower() == wanted.identity.lower():
                    yield other_id, other

    def _before(self, fault_id: str, wanted: Attachment, machine: Machine) -> bool:
        """Whether the machine had the identity before any hold."""
        for other_id, _ in self._others(fault_id, wanted):
            known = self._holds[other_id].decided.get("before", {})
            if machine.key in known:
                return bool(known[machine.key])
        return wanted.is_on(machine)

    def _known(self, key: str) -> Machine:
        machine = self._machines.find(key)
        if machine is None:
            raise ValueError(f"{self._node.region} has no machine {key}")
        return machine

    def _new(self, resource_id: str) -> Principal:
        name = resource_id.rpartition("/")[2]
        return Principal(self._writer.new_identity(resource_id, name, "user", self._node.region))

    async def _set(self, key: str, wanted: Attachment, *, present: bool) -> None:
        machine = self._known(key)
        if wanted.is_on(machine) == present:
            return
        changed = await self._machines.change(machine, wanted.change(present=present))
        failure = changed.failure
        if failure is not None and failure.is_outage:
            raise Unreachable(f"{machine.name}: {failure.message}")
        if failure is not None:
            raise ValueError(f"{machine.name}: {failure.message}")
        assert wanted.is_on(self._known(key)) == present, "a change without failure is done"

    async def _check_callers(self, machines: list[Machine], wanted: Attachment) -> None:
        """Raises Refused where callers name no identity and would be refused once the new one is there too."""
        known = await self._writer.find(wanted.identity)
        added = known.identity if known is not None else self._new(wanted.identity).identity
        for machine in machines:
            missed = await self._who_would_miss(machine, added)
            if missed:
                callers = f"callers on {len(missed)} machines ({', '.join(missed[:3])}) name no identity"
                raise Refused(f"{callers}, and with '{added.name}' beside theirs nothing says which one they mean")

    async def _who_would_miss(self, machine: Machine, added: Identity) -> list[str]:
        after = machine.with_identities((*machine.identities, added))
        request = self._node.internal("POST", "/defaults", after.to_json())
        host = f"{self._node.region}.{HOST}"
        try:
            answer = await self._node.ports.call(host, request, timeout_s=self._node.call_timeout_s)
        except CallFailed as failed:
            raise Unreachable(f"{host} does not say who names no identity: {failed.failure}") from None
        return [str(address) for address in (answer.body or {}).get("machines", ())]


def _add(holds: HoldSet, switch: str, attachments: Attachments) -> None:
    async def engage(fault_id: str, value: Value) -> Value:
        return await attachments.engage(fault_id, Attachment.of(switch, value))

    async def disengage(fault_id: str, value: Value) -> None:
        await attachments.disengage(fault_id, Attachment.of(switch, value), value)

    holds.add({switch: Switch(engage, disengage)})


def _whole(written: Written) -> None:
    """Raises Unreachable for a change of an identity that was not carried out."""
    if written.failure is not None:
        raise Unreachable(f"the identity was not changed: {written.failure.message}")
