"""`python -m benchmarks.wrong_verdicts`: how often an objective gets a wrong status when the truth is right on its budget.

Every possible number of bad requests is judged and weighed with its probability, so the shares are those of endlessly many
simulated runs. Where the true ratio is the budget, `breached` is an error, and so is `met` if it is above it by a hair.
Wilson's score bounds, which the verdicts used once, stand beside the exact ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from brownout.harness.base.stats import budget, exact_high, exact_low, percent

CONFIDENCE = 0.95
CASES = ((192, 0.999), (223, 0.999), (1_000, 0.999), (3_000, 0.999), (300, 0.99), (600, 0.995), (12_000, 0.995))
Bound = Callable[[int, int, float], float]


@dataclass(frozen=True, slots=True)
class Errors:
    """The shares of runs that are called breached and met."""

    breached: float
    met: float


def errors(total: int, target: float, low: Bound, high: Bound, confidence: float = CONFIDENCE) -> Errors:
    """The errors over every run of `total` requests whose true bad ratio is the target's budget."""
    allowed = budget(target)
    breached = met = 0.0
    for bad in range(total + 1):
        share = _probability(bad, total, allowed)
        if share < 1e-15 and bad > allowed * total:
            break  # what is left adds nothing that would be printed
        breached += share * (low(bad, total, confidence) > allowed)
        met += share * (high(bad, total, confidence) <= allowed)
    return Errors(breached, met)


def _probability(bad: int, total: int, ratio: float) -> float:
    ways = math.lgamma(total + 1) - math.lgamma(bad + 1) - math.lgamma(total - bad + 1)
    return math.exp(ways + bad * math.log(ratio) + (total - bad) * math.log1p(-ratio))


def wilson_low(bad: int, total: int, confidence: float) -> float:
    centre, spread = _wilson(bad, total, confidence)
    return 0.0 if bad == 0 else centre - spread


def wilson_high(bad: int, total: int, confidence: float) -> float:
    centre, spread = _wilson(bad, total, confidence)
    return 1.0 if bad == total else centre + spread


def _wilson(bad: int, total: int, confidence: float) -> tuple[float, float]:
    z, ratio = NormalDist().inv_cdf(confidence), bad / total
    shrink = 1 + z * z / total
    spread = z * math.sqrt(ratio * (1 - ratio) / total + z * z / (4 * total * total))
    return (ratio + z * z / (2 * total)) / shrink, spread / shrink


def table(cases: Sequence[tuple[int, float]] = CASES) -> str:
    """The errors as a table in Markdown."""
    lines = [
        "| requests | target | false breach: Wilson | exact | false pass: Wilson | exact |",
        "|---|---|---|---|---|---|",
    ]
    for total, target in cases:
        old, new = errors(total, target, wilson_low, wilson_high), errors(total, target, exact_low, exact_high)
        shares = (old.breached, new.breached, old.met, new.met)
        lines.append(f"| {total:,} | {percent(target)} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
