"""`python -m benchmarks.early_stops`: how often and how soon a run is stopped in its baseline, over simulated baselines.

Each is 60 s of 200 requests a second against a target of 99.5 %, looked at once a second, as a run does. The requests of a row
are bad by chance, each for itself, or in bursts of a second in which three of twenty are. A stop is wrong where the baseline as
a whole would have passed its gate.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from brownout.harness.base.stats import budget, is_above
from brownout.harness.judge.early.rules import BaselineRule
from brownout.harness.judge.early.sequential import is_worse

TARGET, LENGTH_S, PER_S, RUNS, SEED = 0.995, 60, 200, 400, 1
BURST_S, BURST_BAD = 1.0, 0.15
ROWS = (("each", 0.0025), ("each", 0.005), ("each", 0.01), ("each", 0.02), ("each", 0.05), ("each", 0.5), ("each", 1.0))
BURSTS = (("bursts", 0.0025), ("bursts", 0.005), ("bursts", 0.01), ("bursts", 0.02))


@dataclass(frozen=True, slots=True)
class Watched:
    """One baseline: whether the whole of it passes its gate, and when each rule would have ended the run (s), if ever."""

    passes: bool
    rule_s: int | None
    test_s: int | None
    bound_s: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """Shares of the runs of one kind. `stopped_s` is the median time of a stop, None without any."""

    how: str
    ratio: float
    gate_fails: float
    by_bound: float
    by_test: float
    by_test_wrongly: float
    stopped: float
    wrongly: float
    stopped_s: float | None


def row(how: str, ratio: float, runs: int = RUNS) -> Row:
    """All runs of that kind; the seed decides them."""
    chance = random.Random(f"{SEED} {how} {ratio}")
    found = [watched(tuple(bad_each_second(how, ratio, chance))) for _ in range(runs)]
    stops = [one.rule_s for one in found if one.rule_s is not None]
    return Row(
        how,
        ratio,
        gate_fails=sum(not one.passes for one in found) / runs,
        by_bound=sum(one.bound_s is not None for one in found) / runs,
        by_test=sum(one.test_s is not None for one in found) / runs,
        by_test_wrongly=sum(one.passes and one.test_s is not None for one in found) / runs,
        stopped=len(stops) / runs,
        wrongly=sum(one.passes and one.rule_s is not None for one in found) / runs,
        stopped_s=median(stops) if stops else None,
    )


def watched(bad: Sequence[int]) -> Watched:
    """The baseline with so many bad requests in each second."""
    rule, allowed = BaselineRule("x", TARGET, LENGTH_S), budget(TARGET)
    firsts: dict[str, int] = {}
    for second, number in enumerate(bad, 1):
        rule.total, rule.bad = rule.total + PER_S, rule.bad + number
        says = {
            "rule": bool(rule.broken(second)),
            "test": is_worse(rule.bad, rule.total, allowed),
            "bound": is_above(rule.bad, rule.total, allowed, 0.95),
        }
        for name, stops in says.items():
            if stops:
                firsts.setdefault(name, second)
    return Watched(rule.bad / rule.total <= allowed, firsts.get("rule"), firsts.get("test"), firsts.get("bound"))


def bad_each_second(how: str, ratio: float, chance: random.Random) -> Iterator[int]:
    if how == "each":
        yield from (_drawn(PER_S, ratio, chance) for _ in range(LENGTH_S))
        return
    within, began = ratio / BURST_BAD, False
    for _ in range(LENGTH_S):
        share = within / (BURST_S * (1 - within)) if not began else 1 - 1 / BURST_S
        began = chance.random() < share
        yield _drawn(PER_S, BURST_BAD, chance) if began else 0


def _drawn(total: int, ratio: float, chance: random.Random) -> int:
    """A binomial number: the gaps between two bad requests are drawn, of which there are few."""
    if ratio >= 1:
        return total
    at = number = 0
    while (at := at + 1 + int(math.log(1 - chance.random()) / math.log1p(-ratio))) <= total:
        number += 1
    return number


def table(runs: int = RUNS) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| bad requests | gate fails | 95 % bound each second | the test alone | wrongly | run stopped | wrongly | after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for how, ratio in (*ROWS, *BURSTS):
        seen = row(how, ratio, runs)
        told = (seen.gate_fails, seen.by_bound, seen.by_test, seen.by_test_wrongly, seen.stopped, seen.wrongly)
        shares = " | ".join(f"{100 * share:.1f} %" for share in told)
        after = "–" if seen.stopped_s is None else f"{seen.stopped_s:g} s"
        what = f"{100 * ratio:g} %" + (", in bursts" if how == "bursts" else "")
        lines.append(f"| {what} | {shares} | {after} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
