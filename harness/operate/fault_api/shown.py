"""A row of the ledger as the API shows it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.injection.hold_watch import IN_PLACE
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import FaultRecord
from brownout.harness.operate.fault_api.messages import FaultOrder, ShownFault
from brownout.harness.operate.fault_args import named_fault


def shown(ledger: Ledger, record: FaultRecord) -> ShownFault:
    """The fault as it is in the ledger now."""
    steps = ledger.transitions(record.id)
    begun_s = {state: wall_s for state, wall_s, _ in steps}
    left_s = record.deadline_s - time.monotonic() if record.by_hand and record.state in IN_PLACE else None
    try:
        fault = plugins.fault(record.kind, record.params)
        target, describe = _target(record), fault.describe()
    except UsageError:
        target, describe = "", f"{record.kind}, whose code is not installed"
    return ShownFault(
        name=record.step,
        id=record.id,
        fault=record.kind,
        target=target,
        parameters=record.params,
        describe=describe,
        state=record.state,
        evidence=next((evidence for _, _, evidence in reversed(steps) if evidence), ""),
        since=_utc(begun_s.get("applied", begun_s["intended"])),
        lease_until=None if left_s is None else _utc(time.time() + left_s),
        lease_left_s=None if left_s is None else round(max(0.0, left_s), 1),
    )


def not_in_ledger(name: str, order: FaultOrder) -> ShownFault:
    """A fault that is about to be put in place, of an order that is right."""
    fault = named_fault(order.fault, order.target, order.parameters)
    return ShownFault(
        name=name,
        id="",
        fault=order.fault,
        target=order.target or "",
        parameters=fault.model_dump(mode="json"),
        describe=fault.describe(),
        state="pending",
        evidence="",
    )


def _target(record: FaultRecord) -> str:
    words = (record.params.get(name) for name in plugins.fault_class(record.kind).target)
    return ".".join(str(word) for word in words if word is not None)


def _utc(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")
