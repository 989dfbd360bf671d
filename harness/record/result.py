"""`result.json`, schema brownout/result/v1: all results of a run. Reports and scripts read this.

All times are emulated: `at_s` epoch seconds, durations seconds. Ratios are bad over total.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from brownout.harness.base.models import FrozenModel
from brownout.harness.base.stats import budget
from brownout.harness.record.attempts import Kind, MachineKind
from brownout.harness.record.verdicts import Verdict

SCHEMA: Literal["brownout/result/v1"] = "brownout/result/v1"
Severity = Literal["inconclusive", "harness-error", "unsafe"]
ClaimStatus = Literal["holds", "differs", "not-decided", "calibrated", "not-testable"]
ExposureState = Literal["met", "spared", "not-exercised"]
InvariantStatus = Literal["held", "violated", "not-exercised"]
StepState = Literal["healed", "lost", "stuck", "defended", "failed", "skipped", "not-reached"]
EXIT_CODES: Mapping[str, int] = {"pass": 0, "breach": 1, "inconclusive": 3, "harness-error": 4, "unsafe": 5}


class Interval(FrozenModel):
    """A one-sided bound on each side of a bad ratio, at the stated confidence."""

    low: float
    high: float
    confidence: float


class FaultWindow(FrozenModel):
    """An objective's requests while one step of role fault was in place, [start_s, end_s), in whatever phase."""

    step: str
    start_s: float
    end_s: float
    total: int
    bad: int

    @property
    def ratio(self) -> float | None:
        """Bad over total; None without requests."""
        return self.bad / self.total if self.total else None


class SloResult(FrozenModel):
    """`status` is met, breached or undecided; `budget` is 1 - target; `budget_spent` is bad/(budget*total).

    `total` and `bad` count the log. `doubtful` requests were late, unsent or unlogged; `interval` holds for every end that
    they could have had. `cohorts` to `homes` say which requests it is about (empty means all), `within_ms` when one is good.
    `exposure`: whether its requests met a fault, or were spared one; `at_risk` of them did or would have needed what it broke,
    at most. None when no fault was in place.
    `in_faults` has each fault's window: a short outage is little of a long run.
    """

    name: str
    description: str = ""
    target: float
    total: int
    bad: int
    ratio: float | None
    interval: Interval | None
    status: Literal["met", "breached", "undecided"]
    budget_spent: float | None
    reason: str
    phases: tuple[str, ...] = ()
    doubtful: int = 0
    cohorts: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    homes: tuple[str, ...] = ()
    within_ms: float | None = None
    exposure: ExposureState | None = None
    at_risk: int | None = None
    in_faults: tuple[FaultWindow, ...] = ()

    @property
    def missed_in(self) -> tuple[FaultWindow, ...]:
        """The windows with more bad requests than the target allows a whole run."""
        allowed = budget(self.target)
        return tuple(window for window in self.in_faults if window.ratio is not None and window.ratio > allowed)


class GateResult(FrozenModel):
    """`passed` false makes the run inconclusive (or `severity` worse); `reason` has the measured value and the limit."""

    name: str
    passed: bool
    reason: str
    severity: Severity = "inconclusive"


class Share(FrozenModel):
    """Outcomes of one cohort's operation in one phase. `good` ones happened within the limit of every objective about them."""

    cohort: str
    operation: str
    region: str
    total: int
    good: int
    happened: int
    refused: int
    unknown: int
    p50_ms: float | None
    p99_ms: float | None
    longest_outage_s: float | None


class PhaseResult(FrozenModel):
    name: str
    start_s: float
    end_s: float
    shares: tuple[Share, ...]


class CohortExposure(FrozenModel):
    """How many judged requests of a cohort met what a step broke, while it was in place.

    `total`: all of them. `met`: those whose trail shows it, or that failed and would have needed it. `from_cache`: those that
    were answered from a cache or a replica which had been filled over it. `baseline_needed` of `baseline_total` needed it in
    the baseline.
    """

    cohort: str
    state: ExposureState
    total: int
    met: int
    from_cache: int
    baseline_total: int
    baseline_needed: int


class Exposure(FrozenModel):
    """Whether any judged request met what a step broke, or was spared it; `text` says so with figures."""

    state: ExposureState
    text: str
    cohorts: tuple[CohortExposure, ...]


class StepResult(FrozenModel):
    """One step of the schedule: its state, and the failing share just before and just after it.

    `window_s` is the width of each window; `before`/`after` are bad ratios over the requests that the alerts watch. `exposure`
    is None for a step that was never in place.
    `lost` says when it was last seen in force where it was gone before it was reverted, "" where it was not.
    `unchanged` says why it asked for the state that there was already, "" where it asked for another.
    """

    name: str
    role: str
    fault: str
    describe: str
    note: str
    at_s: float
    applied_s: float | None
    bitten_s: float | None
    released_s: float | None
    state: StepState
    evidence: str
    effect: str
    before: float | None
    after: float | None
    window_s: float
    exposure: Exposure | None = None
    lost: str = ""
    unchanged: str = ""


class CanaryResult(FrozenModel):
    """The attempts of one real SDK at one operation, on one kind of machine, in one phase.

    An attempt belongs to the phase in which it started. `longest_s` is real time; `errors` counts failures by class.
    """

    client: Kind
    operation: str = "token"
    machine: MachineKind
    phase: str
    attempts: int
    failed: int
    unfinished: int
    longest_s: float
    errors: Mapping[str, int]


class ClaimResult(FrozenModel):
    """One published claim beside what was measured."""

    id: str
    text: str
    published: str
    measured: str
    interval: str = ""
    status: ClaimStatus
    how: str = ""


class InvariantResult(FrozenModel):
    """What must hold in any run, whatever breaks: on how many occasions it could have been violated, and on how many it was.

    `status` is not-exercised where there was no occasion: that run says nothing about it. `evidence` is the first violation,
    `needs` what of the record it was judged by.
    """

    name: str
    sentence: str
    needs: str = ""
    status: InvariantStatus
    exercised: int = Field(ge=0)
    violations: int = Field(ge=0)
    evidence: str = ""
    note: str = ""


class Times(FrozenModel):
    """Seconds from the first effect (`detect`, `mitigate`) and from the end of the fault (`recover`); None is not known.

    `longest_outage` is the longest time without a good request, of the cohort or objective that has the longest. The first
    effect, the last and the recovery are at `impact_start_s`, `impact_end_s` and `recovered_s`. `notes` say by name why a
    time is not known, or that it was longer than the record shows.
    """

    detect: float | None = None
    mitigate: float | None = None
    recover: float | None = None
    longest_outage: float | None = None
    impact_start_s: float | None = None
    impact_end_s: float | None = None
    detect_by: str = ""
    recovered_s: float | None = None
    notes: Mapping[str, str] = Field(default_factory=dict)


class SubjectResult(FrozenModel):
    """The application that a run was about. `machine` is the one that it stood for, "" for none; `cohorts` are its clients.

    `ended` says how and when it ended by itself, "" for one that ran until the run was over. `files` of the run folder have
    what it printed.
    """

    command: str
    machine: str = ""
    cohorts: tuple[str, ...] = ()
    ended: str = ""
    files: tuple[str, ...] = ()

    def judges(self, slo: SloResult) -> bool:
        """Whether an objective is about the subject's clients alone."""
        return bool(slo.cohorts) and set(slo.cohorts) <= set(self.cohorts)


class Result(BaseModel):
    """The whole of `result.json`.

    `expected` is the verdict that the command named, "" for none; `posture_expects` is the one in the experiment's file.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_: Literal["brownout/result/v1"] = Field(SCHEMA, alias="schema")
    experiment: str
    title: str
    description: str = ""
    world: str
    posture: str
    posture_description: str = ""
    seed: int
    versions: Mapping[str, str]
    clock_rate: float
    started_at: str
    finished: bool
    verdict: Verdict
    reasons: tuple[str, ...]
    exit_code: int
    expected: str
    posture_expects: str = ""
    digest: str
    slos: tuple[SloResult, ...]
    gates: tuple[GateResult, ...]
    phases: tuple[PhaseResult, ...]
    steps: tuple[StepResult, ...]
    claims: tuple[ClaimResult, ...]
    times: Times
    alerts: Mapping[str, float | None]
    calibrated: Mapping[str, str]
    parameters: Mapping[str, Any]
    canaries: tuple[CanaryResult, ...] = ()
    invariants: tuple[InvariantResult, ...] = ()
    command: str
    wall_s: float = Field(ge=0, allow_inf_nan=False)
    subject: SubjectResult | None = None

    @property
    def unexpected(self) -> bool:
        """Whether another verdict was expected, by the command or, where it named none, by the posture."""
        wanted = self.expected or self.posture_expects
        return bool(wanted) and wanted != self.verdict

    @property
    def expectation(self) -> str:
        """How the verdict stands to the expected one, in words; "" for a pass that only the posture expects."""
        return expectation(self.verdict, self.expected, posture=self.posture, expects=self.posture_expects)


def expectation(verdict: str, expected: str, *, posture: str, expects: str) -> str:
    """How a verdict stands to the `expected` one, or to that which the posture `expects`; "" for a pass as that expects."""
    if expected:
        return "as expected" if verdict == expected else f"{expected} was expected"
    if expects and verdict != expects:
        return f"posture {posture} was expected to give {expects}"
    return "" if expects in ("", "pass") else f"as expected of posture {posture}"
