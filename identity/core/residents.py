"""The machines of one host, by the address under which clients reach each.

A machine's name is unique within its scope only (a vendor's resource group), so a host may have two of one name. The first has
its name as its address; any other has NAME@SCOPE, which also leads to the first, and no name may contain that sign. So no
machine that comes or goes moves another one's address. Names and scopes compare without regard to case.

A scale set stands for every machine `NAME_<digits>`; each exists from its first request on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from brownout.identity.core.records import Machine

SCALE_SET_DIGITS = 9


class Residents:
    """The machines that live on one host."""

    def __init__(self, zones: Sequence[str]) -> None:
        self._zones = zones
        self._by_address: dict[str, Machine] = {}
        self._by_key: dict[str, str] = {}  # resource id in lower case -> address
        self._folded: dict[str, str] = {}  # addresses and NAME@SCOPE of each, in lower case -> address
        self._sets: dict[str, Machine] = {}

    def __len__(self) -> int:
        return len(self._by_address)

    def first(self) -> str:
        """The address that is meant where a client names none: the first machine's or a scale set's instance 0, "" for none."""
        return next(iter(self._by_address), "") or next((f"{name}_0" for name in self._sets), "")

    def newcomer(self, number: int) -> Machine | None:
        """A machine that no node has seen before: instance `number`, counted from the end, of the first scale set.

        In a region without scale sets it is one of the machines, in turn; None where there are none.
        """
        assert number >= 0, number
        for name in self._sets:
            return self.find(f"{name}_{10**SCALE_SET_DIGITS - 1 - number}")
        addresses = tuple(self._by_address)
        return self.find(addresses[number % len(addresses)]) if addresses else None

    def add_scale_set(self, machines: Machine) -> None:
        """Takes a scale set in, in place of the one of its name; its machines have its identities from now on."""
        assert machines.scale_set, machines.name
        self._sets[machines.name] = machines

    def remove_scale_set(self, name: str) -> None:
        """Forgets the scale set, and with it every instance; there may be none."""
        self._sets.pop(name, None)
        assert name not in self._sets, name

    def add(self, machine: Machine) -> Machine:
        """Takes the machine in, in place of itself if it is here; returns it with its address."""
        address = machine.address or self._by_key.get(machine.key) or self._free_address(machine)
        placed = replace(machine, address=address)
        self._by_address[address] = placed
        self._by_key[machine.key] = address
        self._folded |= {address.lower(): address, _scoped(placed): address}
        assert self.find(address) == placed, "a machine is found under its address"
        return placed

    def remove(self, address: str) -> None:
        """Forgets the machine of that address; none may be there."""
        known = self._by_address.pop(address, None)
        if known is not None:
            del self._by_key[known.key]
            self._folded.pop(_scoped(known), None)
            self._folded.pop(address.lower(), None)
        assert address not in self._by_address, address

    def find(self, address: str) -> Machine | None:
        """The machine of that address, or the instance of a scale set; None if there is none."""
        found = self._by_address.get(address)
        if found is None:
            found = self._instance(address)
        if found is None:
            found = self._by_address.get(self._folded.get(address.lower(), ""))
        return found

    def by_resource(self, key: str) -> Machine | None:
        """The machine of that resource id in lower case; None if there is none."""
        return self._by_address.get(self._by_key.get(key, ""))

    def _free_address(self, machine: Machine) -> str:
        taken = machine.name.lower() in self._folded or self._instance(machine.name) is not None
        return f"{machine.name}@{machine.scope}" if taken else machine.name

    def _instance(self, address: str) -> Machine | None:
        name, _, scope = address.partition("@") if "@" in address else (address, "", "")
        base, _, number = name.rpartition("_")
        found = self._sets.get(base)
        if found is None or not (number.isascii() and number.isdigit()) or len(number) > SCALE_SET_DIGITS:
            return None
        if scope and scope.lower() != found.scope.lower():
            return None
        zone = self._zones[int(number) % len(self._zones)]
        return Machine(name, zone, found.resource_id, found.identities, False, found.scope, name, found.details)


def _scoped(machine: Machine) -> str:
    return f"{machine.name}@{machine.scope}".lower()
