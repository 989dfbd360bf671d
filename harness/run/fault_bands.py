"""The faults in force, read from the ledger, for the load's dashboard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_file import LedgerError
from brownout.harness.injection.ledger_records import FaultRecord, State
from brownout.harness.load.fault_spans import FILE_NAME, MOST_SPANS, PERIOD_S, SCHEMA, FaultSpan, FaultSpans, write_fault_spans

_BEGIN: frozenset[State] = frozenset({"applied", "bitten"})
_END: frozenset[State] = frozenset({"reverted", "healed"})


class LedgerBands:
    """Reads the faults of one stack from the ledger. `roles` maps names of steps that are no faults to their roles."""

    def __init__(self, ledger: Ledger, stack_id: str, roles: Mapping[str, Literal["fault", "operation", "mitigation"]]) -> None:
        self._ledger, self._stack_id, self._roles = ledger, stack_id, roles
        self._closed: dict[str, FaultSpan | None] = {}

    def read(self, *, now_s: float, rate: float) -> FaultSpans:
        """The faults as they are, the latest `MOST_SPANS` of them; `now_s` is emulated time now. Raises LedgerError."""
        wall_s = time.time()
        found = (self._band(fault, now_s, rate, wall_s) for fault in self._ledger.faults(self._stack_id))
        bands = tuple(band for band in found if band is not None)
        return FaultSpans(schema=SCHEMA, told_at_s=wall_s, bands=bands[-MOST_SPANS:])

    def _band(self, fault: FaultRecord, now_s: float, rate: float, wall_s: float) -> FaultSpan | None:
        """The fault's band; None when it never was in place."""
        if fault.id in self._closed:
            return self._closed[fault.id]
        began_s = ended_s = None
        for state, at_wall_s, _ in self._ledger.transitions(fault.id):
            at_s = now_s - (wall_s - at_wall_s) * rate
            if state in _BEGIN and began_s is None:
                began_s = at_s
            elif state in _END and ended_s is None:
                ended_s = at_s
        band = None if began_s is None else self._made(fault, began_s, ended_s)
        if not fault.open:
            self._closed[fault.id] = band
        return band

    def _made(self, fault: FaultRecord, from_s: float, until_s: float | None) -> FaultSpan:
        return FaultSpan(
            id=fault.id,
            name=fault.step,
            kind=fault.kind,
            target=", ".join(carrier.name for carrier in fault.carriers),
            role=self._roles.get(fault.step, "fault"),
            state=fault.state,
            from_s=round(from_s, 3),
            until_s=None if until_s is None else round(until_s, 3),
        )


class BandsFile:
    """Renews a folder's document. `tick` may be called at any rate; it writes at most every half second."""

    def __init__(self, folder: Path, source: LedgerBands) -> None:
        self._folder, self._source = folder, source
        self._next_s = 0.0

    def tick(self, *, now_s: float, rate: float) -> None:
        """Writes the document when it is due. On an error the old one stays, and its reader reports its age."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PERIOD_S
            with suppress(OSError, LedgerError):
                write_fault_spans(self._folder, self._source.read(now_s=now_s, rate=rate))

    def remove(self) -> None:
        """Removes the document."""
        (self._folder / FILE_NAME).unlink(missing_ok=True)
