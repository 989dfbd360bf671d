"""Changes of machines that a host takes and does not go by, as IMDS was seen to keep an identity that had been made anew.

What comes is durable and acknowledged as ever, so the sender does not notice. Machines that the host does not know yet
are taken in. A restart ends it for what has come by then, because the host reads its disk: that was the cure in the field
(docs/reference/azure-wire.md#a-stale-host).
"""

from __future__ import annotations

from collections.abc import Callable

from brownout.identity.core.holds import HoldSet, Switch, Value

KEEP = "keep-machines"
HeldChange = Callable[[], object]


class HeldChanges:
    """The changes that one host holds back, by the machine's resource id in lower case, the newest of each."""

    def __init__(self, holds: HoldSet) -> None:
        self._holds = holds
        self._waiting: dict[str, HeldChange] = {}
        holds.add({KEEP: Switch(self._check, self._let_go)})

    def keys(self) -> list[str]:
        """The machines of which a change waits."""
        return sorted(self._waiting)

    def make(self, key: str, change: HeldChange) -> None:
        """Carries the change of a known machine out, now or when no hold concerns the machine any more."""
        if self._concerns(key):
            self._waiting[key] = change
        else:
            change()
        assert (key in self._waiting) == self._concerns(key), "what waits is held, and what is held waits"

    def _concerns(self, key: str) -> bool:
        return any(key in value["machines"] for value in self._holds.held(KEEP))

    async def _check(self, fault_id: str, value: Value) -> Value:
        machines = value["machines"]
        if not isinstance(machines, list | tuple) or not machines:
            raise ValueError(f"machines is a list of resource ids, not {machines!r}")
        return {}

    async def _let_go(self, fault_id: str, value: Value) -> None:
        for key in [key for key in self._waiting if not self._concerns(key)]:
            self._waiting.pop(key)()
        assert all(map(self._concerns, self._waiting)), "what no hold keeps back has been done"
