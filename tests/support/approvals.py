"""Judgements as rows of text, held against those that were reviewed: `tests/harness/judge/approved/*.json`.

A row has every figure of a part of the Result but those that are zero, false or empty; None is `-`, and a time is in seconds
after the start of the baseline. Of prose it has the numbers alone, so that words may change. Of a record that a twist changed
only those rows are kept which differ from the recording's own, None for one that is gone.

`PYTHONPATH=tests python -m support.approvals --write` renews them. A difference is to be reviewed, row by row, before it is
committed: these files say that a judgement is as it was, and the tests of each part that it is right.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.record.result import Result
from support.approved_runs import PLAIN, cases, names, record_of
from support.places import ROOT

APPROVED = ROOT / "tests/harness/judge/approved"
DIGITS = 9  # the C library's last digits are the machine's own
A_TIME_S = 1e9  # what is larger is a time
Rows = Mapping[str, str | None]
_PROSE = frozenset({"reason", "evidence", "text", "lost", "unchanged", "note", "notes", "reasons", "ended"})
_COPIED = frozenset(  # from the experiment, or of the code
    {"description", "describe", "sentence", "needs", "role", "fault", "name", "phases", "within_ms", "window_s"}
)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")


def approved(name: str, twist: str) -> Mapping[str, str]:
    """The rows that were approved of a recording after the twist."""
    known = kept(name)
    return {key: row for key, row in {**known[PLAIN], **known[twist]}.items() if row is not None}


def kept(name: str) -> Mapping[str, Rows]:
    """What is in the file of a recording, by twist."""
    found: Mapping[str, Rows] = json.loads((APPROVED / f"{name}.json").read_text(encoding="utf-8"))
    return found


def judged(name: str, twist: str) -> dict[str, str]:
    """The rows of a recording's judgement after the twist."""
    result = evaluate_record(record_of(name, twist))
    row = _Row(result.phases[0].start_s)
    found = list(_parts(result))
    assert len({key for key, _ in found}) == len(found), "each part has a key of its own"
    return {key: row.of(fields) for key, fields in found}


def _parts(result: Result) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that a Result says of its run, with a key for each part."""
    whole = result.model_dump(mode="json")
    yield "verdict", {key: whole[key] for key in ("verdict", "exit_code", "finished", "reasons")}
    for kind in ("slo", "gate", "invariant"):
        for fields in whole[f"{kind}s"]:
            if fields.get("status") != "not-exercised":
                yield f"{kind} {fields['name']}", fields
    for step in whole["steps"]:
        exposure = step.pop("exposure") or {"cohorts": []}
        yield f"step {step['name']}", step
        for cohort in exposure.pop("cohorts"):
            yield f"exposure {step['name']} {cohort.pop('cohort')}", cohort
        yield f"exposure {step['name']}", exposure
    for phase in whole["phases"]:
        for share in phase.pop("shares"):
            place = " ".join(share.pop(key) for key in ("cohort", "operation", "region"))
            yield f"share {phase['name']} {place}", share
        yield f"phase {phase['name']}", phase
    yield "times", whole["times"]
    yield "alerts", whole["alerts"]
    for number, canary in enumerate(whole["canaries"]):
        yield f"canary {number}", canary
    yield "subject", whole["subject"] or {}


@dataclass(frozen=True, slots=True)
class _Row:
    """Writes fields as a row of text, with times after `start_s`."""

    start_s: float

    def of(self, fields: Mapping[str, Any], *, is_prose: bool = False) -> str:
        """`key=value` of each that says something."""
        shown = {key: value for key, value in fields.items() if key not in _COPIED and (value or value is None)}
        return " ".join(f"{key}={self._value(value, is_prose or key in _PROSE)}" for key, value in shown.items())

    def _value(self, value: Any, is_prose: bool) -> str:
        if value is None:
            return "-"
        if isinstance(value, float):
            return f"{value - self.start_s:.3f}" if value > A_TIME_S else f"{round(value, 12):.{DIGITS}g}"
        if isinstance(value, dict):
            return f"{{{self.of(value, is_prose=is_prose)}}}"
        if isinstance(value, list | tuple):
            return f"[{' '.join(self._value(each, is_prose) for each in value)}]"
        return _numbers(value) if is_prose and isinstance(value, str) else str(value)


def figures(fields: Mapping[str, Any]) -> str:
    """A row of any fields, whose times are not after anything."""
    return _Row(0.0).of(fields)


def _numbers(prose: str) -> str:
    return "/".join(_NUMBER.findall(prose)) or "said"


def _everything() -> Mapping[str, Mapping[str, Rows]]:
    """All judgements as they are kept: by recording and twist."""
    found: dict[str, dict[str, Rows]] = {name: {PLAIN: judged(name, PLAIN)} for name in names()}
    for name, twist in cases():
        if twist != PLAIN:
            plain, mine = found[name][PLAIN], judged(name, twist)
            changed: dict[str, str | None] = {key: row for key, row in mine.items() if plain.get(key) != row}
            found[name][twist] = changed | {key: None for key in plain if key not in mine}
    return found


def main() -> int:
    """Renews the files; without `--write` it only says which would differ."""
    found = _everything()
    APPROVED.mkdir(exist_ok=True)
    for name, by_twist in found.items():
        path = APPROVED / f"{name}.json"
        text = json.dumps(by_twist, indent=1) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            sys.stdout.write(f"{path.relative_to(ROOT)} differs\n")
            if "--write" in sys.argv:
                path.write_text(text, encoding="utf-8")
    for path in APPROVED.glob("*.json"):
        if path.stem not in found and "--write" in sys.argv:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
