"""Experiment files, mutated: `validate` says what is wrong, and what it lets through can be run and reported."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import yaml

from brownout.harness.base.files import replace_whole
from brownout.harness.errors import BrownoutError
from brownout.harness.experiment.loader import read
from brownout.harness.load.arrivals import planned_count
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from fuzz.civil import broken_promise, told_by
from fuzz.nasty import WORDS
from support.brownout_command import SMALL
from support.places import ROOT

MOST_ARRIVALS = 600  # of a mutant that is run
_VALUE = re.compile(r"(?<=[:,\[{\-] )[^\s,\[\]{}#]+|(?<=[\[{])[^\s,\[\]{}#:]+(?=[,\]}])")
_KEY = re.compile(r"[\w.-]+(?=:)")

# All that a file can say, small enough to be run in a moment.
RICH = """\
schema: brownout/experiment/v1
name: rich
title: A key rolls and a link is slow
description: >-
  Every part of a file is in this one.
timeline:
  date: 2024-07-12
  warm_up: "00:01:00"
  baseline: "00:01:00"
  fault: "00:01:10"
  recovery: "00:01:30"
  end: "00:01:40"
  edge: 2s
  rates: {processes: 2}
posture: plain
postures:
  plain: {description: as it was, expect: breach, settings: {host_refresh_fraction: 0.5, builds: {sydney: "1.0"}}}
  gated: {description: with a gate, expect: pass, settings: {readiness_gate: true, token_alg: ES256}, defends: [slow]}
settings: {publish_interval_s: 20, extra_resources: [api://a]}
machines:
  web: {region: sydney, count: 2}
  south: {region: melbourne, zone: z2, identities: [one, two@sydney]}
  fleet: {region: sydney, scale_set: true}
schedule:
  - name: slow
    at: "00:01:10"
    until: "00:01:30"
    role: fault
    fault: link-slow
    with: {link: client->sydney.host, latency: 500ms, jitter: 10ms}
  - name: deny
    at: "00:01:12"
    role: fault
    fault: imds-answer
    with: {region: sydney, status: 429, times: 3, retry_after: 1s}
    note: now and then
  - {name: roll, at: "00:01:20", role: operation, fault: key-rollover, with: {region: sydney, overlap: 5s}, needs: slow}
load:
  deadline: 2s
  primed: true
  cohorts:
    - {name: warm, model: token, region: sydney, rate_per_s: 3, machines: [web]}
    - {name: new, model: token, region: sydney, rate_per_s: 1, machines: [fleet], fresh: true}
    - {name: calls, model: management, region: sydney, rate_per_s: 1, mix: {create: 1, list: 2}, homes: {sydney: 2}}
slos:
  - name: tokens
    indicator: {ratioMetric: {total: {cohorts: [warm], regions: [sydney]}, good: {outcome: happened, within: 300ms}}}
    objectives: [{target: 0.9}]
    phases: [fault, heal]
alerts:
  machines: {of: {cohorts: [warm]}, target: 0.9, burn: 5, long: 10s, short: 2s, at_least: 2}
gates: {lag_p99: 50ms, issued_share: 0.99, generator_cpu: 0.85, steady_state: false, confidence: 0.95}
controls:
  late:
    posture: gated
    drop: [roll]
    fault: "00:01:15"
    load_scale: 0.5
    add: [{name: cut, at: "00:01:16", role: fault, fault: link-refuse, with: {link: client->sydney.host}}]
calibrated: {rate_per_s: chosen}
"""


def bases() -> tuple[str, ...]:
    """The files that are mutated: small ones that run in a moment, and the bundled one."""
    bundled = (ROOT / "suites/experiments/ftvr-l9z.yaml").read_text(encoding="utf-8")
    return (yaml.safe_dump(dict(SMALL), sort_keys=False), RICH, RICH, RICH, bundled)


def mutated(draw: random.Random, base: str) -> bytes:
    """The text with one to three changes."""
    raw = base
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        raw = draw.choice(_TEXT_CHANGES)(draw, raw)
    data = raw.encode("utf-8", "surrogatepass")
    return _bytes_changed(draw, data) if draw.random() < 0.1 else data


def _other_value(draw: random.Random, text: str) -> str:
    return _replaced(draw, text, _VALUE)


def _other_key(draw: random.Random, text: str) -> str:
    return _replaced(draw, text, _KEY)


def _replaced(draw: random.Random, text: str, what: re.Pattern[str]) -> str:
    places = list(what.finditer(text))
    if not places:
        return text
    place = draw.choice(places)
    return text[: place.start()] + draw.choice(WORDS) + text[place.end() :]


def _lines_changed(draw: random.Random, text: str) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = draw.randrange(len(lines))
    match draw.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines[at] = draw.choice(("  ", "\t", " ", "- ", "? ", ": ")) + lines[at]
        case 3:
            lines = lines[:at]
        case _:
            other = draw.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
    return "".join(lines)


def _characters_changed(draw: random.Random, text: str) -> str:
    at = draw.randrange(len(text) + 1)
    piece = draw.choice(
        (
            "\0",
            "\ufeff",
            "\x85",
            "\u2028",
            "\t",
            "'",
            '"',
            "{",
            "]",
            "#",
            ":",
            "&a ",
            "*a",
            "!!int ",
            "-",
            "\n",
            "💥",
            "\x7f",
            "\ud800",
        )
    )
    return text[:at] + piece + text[at + draw.choice((0, 0, 1, 5)) :]


_TEXT_CHANGES = (_other_value, _other_value, _other_value, _other_value, _other_key, _lines_changed, _characters_changed)


def _bytes_changed(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.randbytes(draw.choice((1, 1, 4))) + data[at + draw.choice((0, 1)) :]


def attempt(draw: random.Random, work: Path) -> tuple[bytes, str]:
    """One mutant and what was broken by it, "" for nothing."""
    data = mutated(draw, draw.choice(bases()))
    return data, broken_by(data, work)


def broken_by(data: bytes, work: Path) -> str:
    """What a file of these bytes breaks: `validate`, and the run and the report of what it lets through."""
    path = work / "mutant.yaml"
    path.write_bytes(data)
    home = work / "home"
    told = told_by(["validate", str(path)], home, work)
    if broken := broken_promise(told):
        return f"validate: {broken}"
    assert told is not None
    if told.exit_code:
        return "" if _names_place(told.stderr, path) else f"validate: no place in {told.stderr[:80]!r}"
    planning = told_by(["run", str(path), "--dry-run"], home, work)
    if planning is not None and planning.exit_code == 4 and "`ulimit -n " in planning.stderr:
        return ""  # a sound file whose clients wait so long that this machine has too few descriptors for them
    if broken := broken_promise(planning):
        return f"dry run: {broken}"
    planned = _planned(path)
    if planned is None:
        return "dry run: its arrivals cannot be counted"
    return _broken_run(path, home, work) if planned <= MOST_ARRIVALS else ""


def _names_place(said: str, path: Path) -> bool:
    """Whether a mistake has its line and column; a file that is no text at all has none."""
    return re.search(rf"{re.escape(str(path))}:\d+:\d+: ", said) is not None or "has no" in said or "bytes" in said


def _planned(path: Path) -> float | None:
    """How many arrivals a run would have; None when they cannot be counted."""
    try:
        plan = prepare(read(path).experiment, Options()).load
        return sum(planned_count(plan, cohort) for cohort in plan.cohorts)
    except (BrownoutError, ArithmeticError, ValueError):
        return None


def _broken_run(path: Path, home: Path, work: Path) -> str:
    out = work / "runs"
    before = {found.name for found in work.iterdir()}
    told = told_by(["run", str(path), "--world", "simulation", "--out", str(out), "--no-controls"], home, work)
    folders = sorted(out.iterdir()) if out.exists() else []
    strays = {found.name for found in work.iterdir()} - before - {"runs", "home"}
    broken = broken_promise(told, (0, 1, 3))
    if not broken and (len(folders) != 1 or strays):
        broken = f"left {sorted(strays)} and {len(folders)} folders"
    reported = "" if broken else broken_promise(told_by(["report", str(folders[0]), "--junit"], home, work), (0,))
    shutil.rmtree(out, ignore_errors=True)
    return f"run: {broken}" if broken else f"report: {reported}" if reported else ""


def keep(folder: Path, number: int, data: bytes) -> None:
    """Writes a found case beside others."""
    replace_whole(folder / f"{number}.yaml", data, durable=False)
