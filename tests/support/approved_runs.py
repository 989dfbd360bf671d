"""Recorded runs whose whole judgements are held against approved ones, and what is done to their records beside.

A recording is a simulated run of seven emulated minutes, in one file: `run.json`, the events, the requests. It is judged as it
is, and once more for each twist that is its turn, which changes the record as no simulation would.

`PYTHONPATH=tests python -m support.approved_runs` carries out the recorded experiments anew, with the seeds that they have: for
a record that the judge can no longer read. Every approval is then to be reviewed again.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from functools import cache
from pathlib import Path

from brownout.harness.judge.run_folder import Record, RunHeader, read_header, read_record
from brownout.harness.run.header import write_run_file
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.simulated import simulate
from support.approved_twists import OF_SOME, TWISTS
from support.places import ROOT

RECORDED = ROOT / "tests/harness/judge/recorded"
PLAIN = "as-recorded"
RUNS_OF_A_TWIST = 3
_FILES = ("run.json", "events.jsonl", "requests.jsonl")


def names() -> tuple[str, ...]:
    """The recordings."""
    return tuple(sorted(path.name.removesuffix(".json.gz") for path in RECORDED.glob("*.json.gz")))


def cases() -> tuple[tuple[str, str], ...]:
    """Each recording with the name of what is done to it: all as they are, then each twist of some of them."""
    known = names()
    apart = len(known) // RUNS_OF_A_TWIST
    turns = [
        (known[(number + turn * apart) % len(known)], twist)
        for number, twist in enumerate(TWISTS)
        for turn in range(RUNS_OF_A_TWIST)
    ]
    some = [(name, twist) for twist, (_, mine) in OF_SOME.items() for name in mine]
    return (*((name, PLAIN) for name in known), *turns, *some)


def record_of(name: str, twist: str) -> Record:
    """The record of a recording after the twist."""
    plain = _recorded(name)
    if twist == PLAIN:
        return plain
    return TWISTS[twist](plain) if twist in TWISTS else OF_SOME[twist][0](plain)


@cache
def _recorded(name: str) -> Record:
    files = json.loads(gzip.decompress((RECORDED / f"{name}.json.gz").read_bytes()))
    with tempfile.TemporaryDirectory() as folder:
        for file in _FILES:
            (Path(folder) / file).write_text(files[file], encoding="utf-8")
        return read_record(Path(folder))


def record(name: str, header: RunHeader) -> None:
    """Carries out the header's experiment with its seed and keeps the record under the name."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepared = prepare(header.experiment, Options(seed=header.seed, posture=header.posture, controls=False))
        write_run_file(folder, prepared)
        simulate(prepared, folder)
        kept = read_header(folder).model_copy(update={"versions": {}, "started_at": "", "command": ""})
        files = {file: (folder / file).read_text(encoding="utf-8") for file in _FILES}
        files["run.json"] = kept.model_dump_json(by_alias=True)
    RECORDED.mkdir(exist_ok=True)
    packed = gzip.compress(json.dumps(files).encode(), compresslevel=9, mtime=0)
    (RECORDED / f"{name}.json.gz").write_bytes(packed)


def main() -> int:
    """Records every run anew."""
    for name in names():
        record(name, _recorded(name).header)
        sys.stdout.write(f"recorded {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
