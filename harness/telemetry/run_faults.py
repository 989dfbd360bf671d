"""Which faults of a run are in place, followed by its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from brownout.harness.record.history import Event
from brownout.harness.telemetry.samples import FaultSeries, merged, target_of

IN_PLACE, BITTEN = "applied", "bitten"
GONE = frozenset({"released", "healed", "lost", "defended"})


class RunFaults:
    """The faults that were in place at some time of a run, each with what the last event said of it."""

    def __init__(self) -> None:
        self._by_id: dict[str, FaultSeries] = {}

    def event(self, event: Event) -> None:
        """Takes an event of the history; those that are not about a fault's life change nothing."""
        fault_id = str(event.detail.get("fault_id", ""))
        if event.kind != "act" or not fault_id:
            return
        if event.what == IN_PLACE:
            self._by_id[fault_id] = _placed(event.subject, event.detail)
        known = self._by_id.get(fault_id)
        if known is None:
            return
        if event.what == BITTEN:
            self._by_id[fault_id] = replace(known, bitten=True)
        elif event.what in GONE:
            self._by_id[fault_id] = replace(known, active=False)

    def series(self) -> tuple[FaultSeries, ...]:
        return merged(tuple(self._by_id.values()))


def _placed(step: str, detail: Mapping[str, object]) -> FaultSeries:
    role = detail.get("role")
    carriers = detail.get("carriers")
    names = [str(carrier).partition(":")[2] for carrier in carriers] if isinstance(carriers, list) else []
    return FaultSeries(
        fault=str(detail.get("fault", "")),
        step=step,
        target=target_of(names),
        role=role if role in ("operation", "mitigation") else "fault",
        active=True,
        bitten=False,
    )
