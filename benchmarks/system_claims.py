"""How often a claim about the system is wrong: series made up with a known truth, judged and compared as real ones are.

The bad share differs from episode to episode by a stated coefficient of variation (CV), as a gamma variable: a skewed one, as
outages are. `false pass` and `false breach` are taken with the truth right on the budget, where either claim is an error. The
A/A comparisons have the same truth on both sides, so every regression is a false alarm; A/B has twice the bad share after.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from benchmarks.report import Benchmark, Figures, Part, Row, rounded
from brownout.harness.base.keyed_random import keyed_stream
from brownout.harness.series.intervals import EpisodeTally, clustered_bounds, share_difference, shared_confidence

BUDGET, REQUESTS, CONFIDENCE, ROWS = 0.005, 6_000, 0.95, 4


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """How many series of each kind; the numbers of episodes; how much the bad share varies between them."""

    series: int
    episodes: tuple[int, ...] = (5, 8, 20)
    variations: tuple[float, ...] = (0.3, 1.0)
    seed: int = 1


class ClaimErrors(Part):
    """Shares of the series that were called something, by what their truth was."""

    false_pass: float
    false_breach: float
    pass_at_a_quarter: float
    breach_at_twice: float
    false_regression: float
    regression_at_twice: float
    false_regression_of_single_runs: float


class SystemClaims(Figures):
    """By `k episodes, CV c`."""

    by_kind: Mapping[str, ClaimErrors]


def measure(settings: ClaimSettings) -> SystemClaims:
    kinds = [(k, cv) for cv in settings.variations for k in settings.episodes]
    return SystemClaims(by_kind={f"{k} episodes, CV {cv:g}": claim_errors(k, cv, settings) for k, cv in kinds})


def claim_errors(k: int, cv: float, settings: ClaimSettings) -> ClaimErrors:
    """The errors over `settings.series` series of `k` episodes."""
    draw = keyed_stream(settings.seed, "claims", k, str(cv))
    bounds = {
        truth: [clustered_bounds(series(draw, k, truth * BUDGET, cv), CONFIDENCE) for _ in range(settings.series)]
        for truth in (0.25, 1.0, 2.0)
    }

    def share(found: list[bool]) -> float:
        return rounded(sum(found) / len(found))

    return ClaimErrors(
        false_pass=share([one.high <= BUDGET for one in bounds[1.0]]),
        false_breach=share([one.low > BUDGET for one in bounds[1.0]]),
        pass_at_a_quarter=share([one.high <= BUDGET for one in bounds[0.25]]),
        breach_at_twice=share([one.low > BUDGET for one in bounds[2.0]]),
        false_regression=share([_regresses(draw, k, 1.0, cv) for _ in range(settings.series)]),
        regression_at_twice=share([_regresses(draw, k, 2.0, cv, rows=1) for _ in range(settings.series)]),
        false_regression_of_single_runs=share([_regresses(draw, 1, 1.0, cv) for _ in range(settings.series)]),
    )


def series(draw: Random, k: int, ratio: float, cv: float) -> list[EpisodeTally]:
    """A series of `k` episodes of one truth."""
    return [EpisodeTally(REQUESTS, _failures(draw, draw.gammavariate(1 / cv**2, ratio * cv**2))) for _ in range(k)]


def _regresses(draw: Random, k: int, factor: float, cv: float, *, rows: int = ROWS) -> bool:
    """Whether a comparison of so many objectives finds any worse, at half the budget before and `factor` times that after."""
    confidence = shared_confidence(rows, CONFIDENCE)
    half = BUDGET / 2
    sides = ((series(draw, k, half, cv), series(draw, k, half * factor, cv)) for _ in range(rows))
    return any(share_difference(before, after, confidence).low > 0 for before, after in sides)


def _failures(draw: Random, ratio: float) -> int:
    """How many of an episode's requests fail: Poisson, by multiplying uniform draws until they fall below e^-mean."""
    limit, product, count = math.exp(-min(REQUESTS * ratio, 700.0)), draw.random(), 0
    while product > limit and count < REQUESTS:
        product *= draw.random()
        count += 1
    return count


def rows(figures: SystemClaims) -> tuple[Row, ...]:
    found = []
    for kind, one in figures.by_kind.items():
        found += [
            Row(f"false pass / false breach, truth on the budget, {kind}", _pair(one.false_pass, one.false_breach), "≤ 5 %"),
            Row(
                f"- pass at a quarter of the budget / breach at twice, {kind}",
                _pair(one.pass_at_a_quarter, one.breach_at_twice),
            ),
            Row(f"- comparison A/A of {ROWS} objectives: false regression, {kind}", _percent(one.false_regression), "≤ 5 %"),
            Row(f"- comparison A/B of one objective, twice as bad: regression, {kind}", _percent(one.regression_at_twice)),
        ]
    for kind, one in figures.by_kind.items():
        if kind.startswith(next(iter(figures.by_kind)).split(",", maxsplit=1)[0]):
            cv = kind.partition("CV ")[2]
            found.append(
                Row(
                    f"A/A of single runs, which says nothing of the system: false regression, CV {cv}",
                    _percent(one.false_regression_of_single_runs),
                )
            )
    return tuple(found)


def _pair(one: float, other: float) -> str:
    return f"{_percent(one)} / {_percent(other)}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


BENCHMARK = Benchmark(
    name="system_claims",
    title="Claims about the system from made-up series",
    about=f"{REQUESTS:,} requests an episode, budget {BUDGET:.1%}, confidence {CONFIDENCE:.0%}; the truth is known.",
    figures=SystemClaims,
    measure=measure,
    rows=rows,
    full=ClaimSettings(series=2_000),
    tiny=ClaimSettings(series=10, episodes=(5,), variations=(1.0,)),
)
