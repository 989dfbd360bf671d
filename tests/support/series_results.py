"""Results of runs and series of them, made without a run."""

from __future__ import annotations

from collections.abc import Sequence

from brownout.harness.record.result import GateResult, InvariantResult, Result, SloResult, Times
from brownout.harness.record.series import PlannedEpisode, SeriesPlan
from brownout.harness.record.verdicts import Verdict
from brownout.harness.series.verdict import MadeEpisode

PASSED = GateResult(name="bite", passed=True, reason="it bit")
TOTAL = 1_000


def run_result(
    bad: int = 0,
    *,
    verdict: Verdict = "pass",
    gates: Sequence[GateResult] = (PASSED,),
    total: int = TOTAL,
    target: float = 0.99,
    invariants: Sequence[InvariantResult] = (),
) -> Result:
    """The result of a run with one objective, `tokens`, of which so many requests were bad."""
    slo = SloResult(
        name="tokens", target=target, total=total, bad=bad, ratio=bad / total if total else None,
        interval=None, status="undecided", budget_spent=None, reason="made up",
    )  # fmt: skip
    return Result(
        schema="brownout/result/v1", experiment="small", title="Small", world="simulation", posture="plain", seed=1,
        versions={}, clock_rate=1.0, started_at="2024-07-12T00:00:00+00:00", finished=True, verdict=verdict,
        reasons=("made up",), exit_code=0, expected="", digest="", slos=(slo,), gates=tuple(gates), phases=(), steps=(),
        claims=(), times=Times(), alerts={}, calibrated={}, parameters={}, invariants=tuple(invariants), command="",
        wall_s=1.0,
    )  # fmt: skip


def series_plan(count: int, **changed: object) -> SeriesPlan:
    """The plan of a series with so many episodes."""
    episodes = tuple(PlannedEpisode(number=n, folder=f"episode-{n:02d}", seed=n, offset_s=0.0) for n in range(1, count + 1))
    raw = {
        "schema": "brownout/series/v1", "experiment": "small", "title": "Small", "world": "simulation", "posture": "plain",
        "posture_expects": "pass", "seed": 1, "episodes": episodes, "confidence": 0.95, "clock_rate": 1.0, "versions": {},
        "started_at": "2024-07-12T00:00:00+00:00", **changed,
    }  # fmt: skip
    return SeriesPlan.model_validate(raw)


def made(results: Sequence[Result]) -> tuple[SeriesPlan, tuple[MadeEpisode, ...]]:
    """A plan and its episodes, with these results in order."""
    plan = series_plan(len(results))
    return plan, tuple(MadeEpisode(planned, result) for planned, result in zip(plan.episodes, results, strict=True))
