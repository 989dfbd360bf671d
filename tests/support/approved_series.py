"""What series say of a system and comparisons of two, for many made-up episodes: held against what was reviewed.

`PYTHONPATH=tests python -m support.approved_series --write` renews `tests/harness/series/approved/*.json`. A difference is to
be reviewed, row by row, before it is committed: these files say that a claim is as it was, and the tests of bounds and verdicts
that it is right.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from brownout.harness.judge.run_folder import RunHeader
from brownout.harness.record.result import GateResult, InvariantResult, Result, Times
from brownout.harness.series.compare import compare
from brownout.harness.series.sides import RecordedRun, Side
from brownout.harness.series.verdict import judge_series
from support.approvals import figures
from support.approved_rows import renew
from support.places import ROOT
from support.series_results import made, run_result
from support.small_day import DAY, small_day

APPROVED = ROOT / "tests/harness/series/approved"
BADS: Mapping[str, tuple[int, ...]] = {  # of a thousand requests, again and again
    "none": (0,),
    "few": (1, 0, 2),
    "at-the-target": (10,),
    "spread": (3, 9, 40, 1, 7, 12),
    "one-outage": (0, 0, 400, 0, 0),
    "tenth": (80, 100, 90, 120, 95),  # the one that is surely a breach
    "most": (900, 980, 1000),
}
LAGGED = GateResult(name="generator-lag", passed=False, reason="late")
SHORT = GateResult(name="samples", passed=False, reason="few")
CUT = GateResult(name="finished", passed=False, reason="cut")
UNSTEADY = GateResult(name="steady-state", passed=False, reason="unsteady")
VIOLATED = InvariantResult(name="kept", sentence="", status="violated", exercised=2, violations=1, evidence="seen")


def _spoilt(result: Result, **changes: Any) -> Result:
    return result.model_copy(update=changes)


def _some(kind: str, number: int) -> list[Result]:
    bads = BADS[kind]
    return [run_result(bads[index % len(bads)]) for index in range(number)]


def _episodes(results: list[Result], spoiling: str) -> list[Result]:
    """The results, of which the first or the first two are what the word says."""
    first, *rest = results
    changed: Mapping[str, list[Result]] = {
        "": results,
        "one-lagged": [_spoilt(first, verdict="inconclusive", gates=(LAGGED,)), *rest],
        "two-lagged": [_spoilt(one, verdict="inconclusive", gates=(LAGGED, SHORT)) for one in results[:2]] + results[2:],
        "one-short": [_spoilt(first, verdict="inconclusive", gates=(SHORT,)), *rest],
        "one-cut": [_spoilt(first, verdict="inconclusive", gates=(LAGGED, CUT, UNSTEADY)), *rest],
        "one-unsafe": [_spoilt(first, verdict="unsafe"), *rest],
        "one-error": [_spoilt(first, verdict="harness-error", gates=(LAGGED,)), *rest],
        "one-violated": [_spoilt(first, verdict="breach", invariants=(VIOLATED,)), *rest],
        "violated-and-lagged": [_spoilt(first, verdict="inconclusive", gates=(LAGGED,), invariants=(VIOLATED,)), *rest],
        "one-empty": [run_result(0, total=0), *rest],
        "doubtful": [_spoilt(one, slos=tuple(slo.model_copy(update={"doubtful": 30}) for slo in one.slos)) for one in results],
    }
    return changed[spoiling]


SPOILINGS = (
    "", "one-lagged", "two-lagged", "one-short", "one-cut", "one-unsafe", "one-error", "one-violated", "violated-and-lagged",
    "one-empty", "doubtful",
)  # fmt: skip


def series_rows() -> Iterator[tuple[str, str]]:
    """What a series says, by how many episodes it has, how many requests were bad, and what is wrong with some."""
    for number, kind, spoiling in product((1, 4, 5, 6, 10, 11), BADS, SPOILINGS):
        plan, episodes = made(_episodes(_some(kind, number), spoiling))
        for cut_short in ("", "ended") if number == 6 and not spoiling else ("",):
            found = judge_series(plan, episodes, cut_short=cut_short).model_dump(mode="json")
            wanted = {key: found[key] for key in ("verdict", "exit_code", "reasons", "objectives", "cut_short")}
            for objective in wanted["objectives"]:
                del objective["target"]
            counted = sum(one["counts"] for one in found["episodes"])
            yield " ".join((str(number), kind, spoiling, cut_short)).strip(), figures({**wanted, "counted": counted})


def _header(**changed: Any) -> RunHeader:
    own = {key: changed.pop(key) for key in ("world", "clock_rate") if key in changed}
    slo = {**DAY["slos"][0], "name": "tokens", **changed.pop("slo", {})}
    base: dict[str, Any] = {"world": "simulation", "posture": "fragile", "seed": 1, "clock_rate": 1.0}
    return RunHeader(experiment=small_day(slos=[slo], **changed), versions={}, started_at="", command="", **{**base, **own})


def _side(name: str, results: Sequence[Result], header: RunHeader) -> Side:
    return Side(name, tuple(RecordedRun(Path(f"/{name}/{n}"), header, result) for n, result in enumerate(results)))


def _timed(results: Sequence[Result], seconds: Sequence[float | None], *, impact: bool = True) -> list[Result]:
    return [
        _spoilt(one, times=Times(recover=at, longest_outage=at, impact_start_s=5.0 if impact else None))
        for one, at in zip(results, (seconds[n % len(seconds)] for n in range(len(results))), strict=True)
    ]


def comparison_rows() -> Iterator[tuple[str, str]]:
    """What a comparison says, by the shares of both sides, the times, and how the sides differ."""
    usual = _header()
    for numbers, before, after in product(((1, 1), (4, 5), (5, 5), (5, 9)), BADS, BADS):
        sides = [_side(name, _some(kind, n), usual) for name, kind, n in zip("BA", (before, after), numbers, strict=True)]
        yield f"{numbers} {before} {after}", _told(*sides)
    few = [_side(name, _timed(_some("few", 4), (60.0, 80.0)), usual) for name in "BA"]
    yield "times of four", _told(*few)
    for margin in (0.0, 0.1, 5.0, 20.0):
        sides = [_side("B", _some("spread", 6), usual), _side("A", _some("few", 6), usual)]
        yield f"margin {margin}", _told(*sides, margin=margin)
    seconds: Mapping[str, tuple[float | None, ...]] = {
        "short": (60.0, 62.0, 58.0),
        "same": (60.0,),
        "long": (90.0, 95.0, 88.0, 92.0),
        "unknown": (90.0, None),
        "never": (None,),
    }
    for number, before, after, impact in product((5, 7), seconds, seconds, (True, False)):
        one = _timed(_some("few", number), seconds[before])
        two = _timed(_some("few", number), seconds[after], impact=impact)
        yield (
            f"times {number} {before} {after} {impact}",
            _told(_side("B", one, usual), _side("A", two, usual), only_times=True),
        )
    limit = {"indicator": {"ratioMetric": {"total": {"cohorts": ["warm"]}, "good": {"within": "300ms"}}}}
    others: Mapping[str, tuple[RunHeader, RunHeader]] = {
        "another world": (usual, _header(world="processes")),
        "a limit in another world": (_header(slo=limit), _header(slo=limit, world="processes")),
        "a limit": (_header(slo=limit), _header(slo=limit)),
        "another rate": (_header(world="processes"), _header(world="processes", clock_rate=2.0)),
        "another rate of simulations": (usual, _header(clock_rate=2.0)),
        "a limit in processes": (_header(slo=limit, world="processes"), _header(slo=limit, world="processes")),
        "another objective": (usual, _header(slo={"name": "others"})),
        "a rule of its own": (usual, _header(slo=limit)),
        "other phases": (usual, _header(slo={"phases": ["recovery"]})),
    }
    for what, (one_header, other_header) in others.items():
        one, two = (_timed(_some("few", 5), (60.0, 61.0)) for _ in range(2))
        yield what, _told(_side("B", one, one_header), _side("A", two, other_header))
    for spoiling in SPOILINGS[1:]:
        sides = [_side(name, _episodes(_some("few", 6), spoiling), usual) for name in "BA"]
        yield f"both {spoiling}", _told(*sides)
        yield f"after {spoiling}", _told(_side("C", _some("few", 6), usual), sides[1])


def _told(before: Side, after: Side, *, margin: float = 0.25, only_times: bool = False) -> str:
    found = compare(before, after, margin=margin).model_dump(mode="json")
    rows = [row for row in found["rows"] if row["kind"] == "time" or not only_times]
    sides = {key: found[key]["episodes"] for key in ("before", "after")}
    wanted = {key: found[key] for key in ("scope", "verdict", "exit_code", "reasons")}
    return figures({**wanted, **sides, "rows": rows, "notes": len(found["notes"])})


ROWS = {"series": series_rows, "comparisons": comparison_rows}


def approved(what: str) -> Mapping[str, str]:
    """The rows that were reviewed."""
    found: Mapping[str, str] = json.loads((APPROVED / f"{what}.json").read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Renews the files; without `--write` it only says which would differ."""
    for what, rows in ROWS.items():
        renew(APPROVED / f"{what}.json", dict(rows()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
