"""What claims read from recorded histories: counts in windows, builds and keys from trails, steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from brownout.harness.base.durations import parse_clock_s
from brownout.harness.base.stats import exact_high, exact_low
from brownout.harness.experiment.plugins import ControlRecords
from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import Result, StepResult
from brownout.identity.core import trail

TOKEN_COHORTS = ("warm-machines", "newly-scaled")
MANAGEMENT = ("create", "delete", "assign", "update")
CONFIDENCE = 0.95
SETTLE_S = 60.0  # right at a border a request may have been on its way


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests of a selection and how many of them failed, with one-sided 95 % bounds on each side."""

    total: int
    bad: int

    @property
    def all_bad(self) -> bool:
        return self.total > 0 and self.bad == self.total

    @property
    def none_bad(self) -> bool:
        return self.total > 0 and self.bad == 0

    @property
    def low(self) -> float:
        return exact_low(self.bad, self.total, CONFIDENCE)

    @property
    def high(self) -> float:
        return exact_high(self.bad, self.total, CONFIDENCE)


@dataclass(frozen=True, slots=True)
class RollOut:
    """The deployer's report of a roll-out beside the builds that the nodes ran."""

    success: bool
    moved: str
    pins: tuple[str, ...]


def share_text(counted: Counted) -> str:
    """The failed share in per cent, with its counts."""
    if not counted.total:
        raise LookupError("no request matched")
    return f"{100 * counted.bad / counted.total:.1f} % ({counted.bad} of {counted.total})"


def interval_text(counted: Counted) -> str:
    return f"{100 * counted.low:.2f}-{100 * counted.high:.2f} %"


def clock(at_s: float) -> str:
    """Emulated UTC as HH:MM:SS."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")


class Evidence:
    """One run's record with the questions that claims ask of it."""

    def __init__(self, history: History, result: Result, controls: ControlRecords) -> None:
        self.history, self.result, self._controls = history, result, controls
        starts = {phase.name: phase.start_s for phase in result.phases}
        self.fault_s, self.recovery_s = starts["onset"], starts["heal"]
        self._end_s = result.phases[-1].end_s
        self._cohorts = frozenset(share.cohort for phase in result.phases for share in phase.shares)

    def of(self, control: str) -> Evidence:
        """The evidence of a control run; raises LookupError when it was not run."""
        history, result = self._controls[control]
        return Evidence(history, result, {})

    def outage(self, cohorts: Iterable[str], operations: Iterable[str] = (), *, front_end: str = "") -> Counted:
        """Requests between the switch and the configuration change, a minute off either border."""
        return self._count(self.fault_s + SETTLE_S, self.recovery_s - SETTLE_S, cohorts, operations, front_end)

    def between(self, start: str, end: str, cohorts: Iterable[str], operations: Iterable[str] = ()) -> Counted:
        """Requests between two times of the emulated day, `HH:MM`."""
        return self._count(self.time_s(start), self.time_s(end), cohorts, operations)

    def failures_done_within(self, span_s: float, cohorts: Iterable[str]) -> int:
        """How many requests had failed within this time of the impact's start; raises LookupError without an impact."""
        first_s = self.result.times.impact_start_s
        if first_s is None:
            raise LookupError("no impact")
        found = self.history.select(cohorts=cohorts, start_s=first_s, end_s=first_s + span_s)
        return sum(request.outcome != "happened" and request.done_s <= first_s + span_s for request in found)

    def during(self, step: str, cohorts: Iterable[str]) -> Counted:
        """Requests while a step was in place."""
        found = self.step(step)
        if found.applied_s is None or found.released_s is None:
            raise LookupError(f"step {step} was not carried out")
        return self._count(found.applied_s + SETTLE_S, found.released_s - SETTLE_S, cohorts)

    def after_step(self, step: str, duration_s: float, cohorts: Iterable[str]) -> Counted:
        """Requests in the time after a step was applied."""
        found = self.step(step)
        if found.applied_s is None:
            raise LookupError(f"step {step} was not carried out")
        return self._count(found.applied_s + SETTLE_S, found.applied_s + duration_s, cohorts)

    def _count(
        self, start_s: float, end_s: float, cohorts: Iterable[str], operations: Iterable[str] = (), front_end: str = ""
    ) -> Counted:
        cohorts = tuple(cohorts)
        if lacking := [name for name in cohorts if name not in self._cohorts]:
            raise LookupError(f"no request of {', '.join(lacking)} at all")
        if end_s > self._end_s:
            raise LookupError(f"nothing after {clock(self._end_s)}, where the run ends")
        found = self.history.select(cohorts=cohorts, operations=operations, start_s=start_s, end_s=end_s)
        kept = [r for r in found if not front_end or r.front_end == front_end]
        if not kept:
            raise LookupError(f"no request of {', '.join(cohorts)} in the window")
        return Counted(len(kept), sum(r.outcome != "happened" for r in kept))

    def time_s(self, text: str) -> float:
        """The emulated time of `HH:MM` of the day on which the fault begins."""
        midnight_s = self.fault_s - self.fault_s % 86400
        return midnight_s + parse_clock_s(text)

    def step(self, name: str) -> StepResult:
        """The step of that name; raises LookupError."""
        for found in self.result.steps:
            if found.name == name:
                return found
        raise LookupError(f"no step {name}")

    def builds_after(self, step: str) -> set[str]:
        """The builds of the token nodes that served machines without a cached token after a step."""
        after_s = self.step(step).at_s + SETTLE_S
        return {hop.build for hop in self._token_hops(after_s, float("inf"))}

    def keys_between(self, start: str, end: str) -> set[str]:
        """`id (kind)` of the store keys that token nodes used for Sydney's identities between two times."""
        return {
            f"{hop.key_id} ({hop.key_kind})" for hop in self._token_hops(self.time_s(start), self.time_s(end)) if hop.key_id
        }

    def _token_hops(self, start_s: float, end_s: float) -> list[trail.Hop]:
        requests = self.history.select(cohorts=["newly-scaled", "pair-visitors"], start_s=start_s, end_s=end_s)
        return [hop for request in requests for hop in _hops(request) if ".token." in hop.node]

    def roll_out_report(self) -> RollOut:
        """What the deployer reported of the roll-out; raises LookupError when the record has no report."""
        for event in reversed(self.history.events):
            if event.kind == "act" and event.subject == "roll-out" and "report" in event.detail:
                return _roll_out(event)
        raise LookupError("the deployer's report of the roll-out")


def _hops(request: RequestRecord) -> tuple[trail.Hop, ...]:
    return trail.parse(request.trail)


def _roll_out(event: Event) -> RollOut:
    report = event.detail["report"]
    regions = report["regions"]
    moved = [name for name, entry in regions.items() if entry["actual"] != ["1.0"]]
    pins = tuple(name for name, entry in regions.items() if str(entry["reported"]).startswith("pinned"))
    return RollOut(bool(report["success"]), ", ".join(moved) or "none", pins)
