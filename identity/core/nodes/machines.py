"""The machines that a management node knows, and the identities that they are given and lose.

Creating a machine with an identity of its own includes creating that identity, so it fails with it (claim C7).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from brownout.identity.core import trail
from brownout.identity.core.messages import CallFailed
from brownout.identity.core.nodes.reader import Reader
from brownout.identity.core.nodes.writer import IdentityWriter, Written
from brownout.identity.core.records import KINDS, Identity, Json, Machine, Principal
from brownout.identity.core.surface import Failure
from brownout.identity.core.topology import HOST
from brownout.identity.core.trail import Hop

HOST_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class WantedIdentities:
    """A change of a machine's identities: one of its own, resource ids to assign (True) or take away, kinds to remove."""

    own: bool = False
    assignments: tuple[tuple[str, bool], ...] = ()
    without: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        assert self.without <= KINDS, self.without


@dataclass(frozen=True, slots=True)
class Changed:
    """A machine as a change left it, and the first failure if there was one."""

    machine: Machine
    hop: Hop
    inner: str = ""
    failure: Failure | None = None


class Machines:
    """The machines of one region: those of the stack's specification and those created since."""

    def __init__(self, node: Reader, writer: IdentityWriter) -> None:
        self._node, self._writer = node, writer
        self._machines: dict[str, Machine] = {}
        self._elsewhere: dict[str, str] = {}  # resource id in lower case of other regions' first machines -> region
        known = node.stack.by_name()
        for spec in node.stack.machines:
            if spec.region != node.region:
                self._elsewhere[spec.resource_id.lower()] = spec.region
            else:
                identities = tuple(known[name] for name in spec.identities)
                machine = Machine(spec.name, spec.zone, spec.resource_id, identities, spec.scale_set, spec.scope)
                self._machines[machine.key] = machine

    def take_up(self, name: str, record: Json) -> None:
        """Takes up one durable record of a machine."""
        if record.get("deleted"):
            self._machines.pop(name, None)
        else:
            self._machines[name] = Machine.from_json(record)
            assert self._machines[name].key == name, "a machine stands under its own key"

    def find(self, resource_id: str) -> Machine | None:
        """The machine of that resource id; case does not matter."""
        return self._machines.get(resource_id.lower())

    def region_of(self, resource_id: str) -> str:
        """The region of a machine that the stack came up with, "" for any other."""
        key = resource_id.lower()
        return self._node.region if key in self._machines else self._elsewhere.get(key, "")

    def all(self) -> tuple[Machine, ...]:
        """Every machine of the region, without scale sets."""
        return tuple(machine for machine in self._machines.values() if not machine.scale_set)

    def everything(self) -> tuple[Machine, ...]:
        """Every machine and scale set of the region."""
        return tuple(self._machines.values())

    def scale_sets(self) -> tuple[Machine, ...]:
        """Every scale set of the region."""
        return tuple(machine for machine in self._machines.values() if machine.scale_set)

    def is_instance(self, name: str, scope: str) -> bool:
        """True for the name of an instance of a scale set of that scope."""
        base, _, number = name.lower().rpartition("_")
        return number.isdigit() and any(
            (known.name.lower(), known.scope.lower()) == (base, scope.lower()) for known in self.scale_sets()
        )

    def new(self, resource_id: str, name: str, scope: str, *, scale_set: bool = False) -> Machine:
        """A machine or scale set that is about to be created; `scope` is what its name is unique within."""
        return Machine(name, self._node.stack.zones[0], resource_id, scale_set=scale_set, scope=scope)

    async def change(self, machine: Machine, wanted: WantedIdentities) -> Changed:
        """Changes the machine's identities; when nothing failed the machine is durable and its host knows it.

        What a wanted kind leaves out is removed last, once the rest is in place.
        """
        changed = await self._with_identities(machine, wanted)
        if changed.failure is None:
            left = [identity for identity in changed.machine.identities if identity.kind in wanted.without]
            assert not left, "a change without failure leaves no identity of a kind that it removes"
            return replace(changed, inner=trail.joined(changed.inner, await self._keep(changed.machine)))
        return changed

    async def delete(self, machine: Machine) -> Changed:
        """Deletes the machine with its own identity; those that it shares are no longer assigned to it."""
        changed = await self._without(machine, KINDS)
        if changed.failure is None:
            assert not changed.machine.identities, "a machine that goes takes or gives up every identity"
            await self._node.ports.persist(f"machine:{machine.key}", {"deleted": True})
            self._machines.pop(machine.key, None)
            return replace(changed, inner=trail.joined(changed.inner, await self._tell_host("DELETE", machine)))
        return changed

    async def _with_identities(self, machine: Machine, wanted: WantedIdentities) -> Changed:
        hop, inner, made = self._node.hop(), "", None
        if wanted.own and not any(identity.is_system for identity in machine.identities):
            made = Principal(
                self._writer.new_identity(machine.resource_id, machine.name, "system", self._node.region),
                tags={},
                assigned=(machine.key,),
            )
            written = await self._writer.write(made)
            hop, inner = written.hop, written.inner
            if written.failure is not None:
                return Changed(machine, hop, inner, written.failure)
            machine = machine.with_identities((*machine.identities, made.identity))
        for resource_id, present in wanted.assignments:
            written, machine = await self._assign(machine, resource_id, present=present)
            hop, inner = written.hop, written.inner
            if written.failure is not None:
                if made is not None:
                    await self._writer.erase(made)  # it would belong to a machine that never was
                return Changed(machine, hop, inner, written.failure)
        if any(identity.kind in wanted.without for identity in machine.identities):
            return await self._without(machine, wanted.without)
        return Changed(machine, hop, inner)

    async def _without(self, machine: Machine, kinds: Collection[str]) -> Changed:
        """The machine without identities of these kinds: its own is deleted, shared ones are no longer assigned."""
        hop, inner, left = self._node.hop(), "", machine
        for identity in machine.identities:
            if identity.kind not in kinds:
                continue
            if identity.is_system:
                written = await self._writer.erase(Principal(identity))
            else:
                written, left = await self._assign(left, identity.resource_id, present=False)
            hop, inner = written.hop, written.inner
            if written.failure is not None:
                return Changed(left, hop, inner, written.failure)
        kept = tuple(identity for identity in left.identities if identity.kind not in kinds)
        return Changed(left.with_identities(kept), hop, inner)

    async def _assign(self, machine: Machine, resource_id: str, *, present: bool) -> tuple[Written, Machine]:
        """Writes the assignment to the identity's home store and takes it into the machine.

        Taking away succeeds for what is not there, also when the identity itself does not exist any more.
        """
        known = await self._writer.find(resource_id)
        if known is None and present:
            text = f"The linked resource '{resource_id}' was not found."
            return Written(self._node.hop(), failure=Failure("not-assignable", text)), machine
        written = Written(self._node.hop())
        if known is not None:
            written = await self._writer.assign(known.identity, machine, present=present)
        if written.failure is not None and (present or written.failure.code != "not-found"):
            return written, machine
        others = tuple(other for other in machine.identities if not _is_shared(other, resource_id))
        added = (known.identity,) if known is not None and present else ()
        return Written(written.hop, written.inner, written.effect), machine.with_identities((*others, *added))

    async def _keep(self, machine: Machine) -> str:
        """Makes the machine durable here and known to the host that runs it; the trail of the host's answer."""
        await self._node.ports.persist(f"machine:{machine.key}", machine.to_json())
        self._machines[machine.key] = machine
        return await self._tell_host("PUT", machine)

    async def _tell_host(self, method: str, machine: Machine) -> str:
        request = self._node.internal(method, "/machines", machine.to_json())
        try:
            return trail.of(await self._node.ports.call(f"{self._node.region}.{HOST}", request, timeout_s=HOST_TIMEOUT_S))
        except CallFailed:
            return ""  # the host learns of it with the next change; the record here is already durable


def _is_shared(identity: Identity, resource_id: str) -> bool:
    """True for an identity of that resource id that is not the machine's own, whose resource id is the machine's."""
    return not identity.is_system and identity.resource_id.lower() == resource_id.lower()
