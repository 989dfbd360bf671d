"""The public run: what it calls back, and when."""

from __future__ import annotations

from pathlib import Path

from brownout.harness.api import Options, carry_out, prepare
from brownout.harness.judge.run_folder import read_result
from support.small_day import small_day

LOAD = {"cohorts": [{"name": "warm", "model": "token", "region": "sydney", "rate_per_s": 0.02, "machines": ["web"]}]}


def test_meanwhile_is_called_between_the_run_and_its_conclusion(tmp_path: Path) -> None:
    """Once, when the run's events are written and its result is not."""
    seen: list[tuple[bool, bool]] = []

    def look() -> None:
        (folder,) = tmp_path.iterdir()
        seen.append(((folder / "events.jsonl").stat().st_size > 0, read_result(folder) is None))

    outcome = carry_out(prepare(small_day(load=LOAD, schedule=[]), Options(out=tmp_path)), meanwhile=look)
    assert seen == [(True, True)]
    assert read_result(outcome.folder) == outcome.result
