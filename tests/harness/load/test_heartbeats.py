"""What is read of the heartbeats of a load's workers: the busiest of them, and the busiest moment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from brownout.harness.load.heartbeat import GeneratorState, Heartbeat
from brownout.harness.load.heartbeats import Beats


def beat(at_s: float, cpu_s: float, *, worker: int = 0, state: GeneratorState = "running", faults: int = 0) -> Heartbeat:
    first = "KeyError" if faults else ""
    return Heartbeat(worker, 1000.0 + at_s, at_s, state, 10, 10, 10, 0, faults, 1.0, cpu_s, first)


def beats(folder: Path, *found: Heartbeat) -> Beats:
    for one in found:
        with (folder / f"load-{one.worker}.jsonl").open("a", encoding="utf-8") as file:
            file.write(one.to_line())
    return Beats(folder)


def steady(share: float, until_s: int, *, since_s: int = 0, cpu_s: float = 0.0, worker: int = 0) -> Iterable[Heartbeat]:
    """A beat each second of a worker that takes this share of a processor, with `cpu_s` behind it at the start."""
    return [beat(at_s, cpu_s + share * (at_s - since_s), worker=worker) for at_s in range(since_s, until_s + 1)]


@pytest.mark.parametrize("until_s", [1, 4, 5, 30])
def test_a_steady_share_is_seen_however_long_it_lasts(tmp_path: Path, until_s: int) -> None:
    """Over all of a short time, and over 5 s of a longer one."""
    assert beats(tmp_path, *steady(0.6, until_s)).cpu_share() == pytest.approx(0.6)


def test_the_busiest_five_seconds_count(tmp_path: Path) -> None:
    """Calm before and after does not dilute them, and a peak of one second is not taken for them."""
    calm, busy = steady(0.1, 60), steady(0.9, 66, since_s=60, cpu_s=6.0)
    later = steady(0.1, 120, since_s=66, cpu_s=11.4)
    assert beats(tmp_path, *calm, *busy, *later).cpu_share() == pytest.approx(0.9)
    peak = tmp_path / "peak"
    peak.mkdir()
    around = (*steady(0.0, 20), beat(21, 1.0), *(beat(at_s, 1.0) for at_s in range(22, 40)))
    assert beats(peak, *around).cpu_share() == pytest.approx(0.2)


def test_the_start_of_a_worker_is_no_load(tmp_path: Path) -> None:
    """Imports take a whole processor for a moment, before the schedule begins."""
    found = beats(
        tmp_path, beat(0, 0.0, state="starting"), beat(1, 1.0, state="starting"), *steady(0.2, 9, since_s=2, cpu_s=2.0)
    )
    assert found.cpu_share() == pytest.approx(0.2)


def test_the_busiest_worker_counts(tmp_path: Path) -> None:
    """Each worker has a processor of its own to fill."""
    assert beats(tmp_path, *steady(0.3, 10), *steady(0.7, 10, worker=1)).cpu_share() == pytest.approx(0.7)
    assert Beats(tmp_path / "none").cpu_share() == 0.0


def test_a_load_is_ready_and_finished_when_all_its_workers_are(tmp_path: Path) -> None:
    """One that still starts, or still sends, holds the others up; without a heartbeat nothing is finished."""
    found = beats(tmp_path, beat(0, 0.0), beat(0, 0.0, worker=1, state="starting"))
    assert (found.ready(1), found.ready(2), found.finished()) == (False, False, False)
    beats(tmp_path, beat(1, 0.1, worker=1))
    assert (found.ready(2), found.ready(3)) == (True, False)
    beats(tmp_path, beat(2, 0.1, state="finished"))
    assert not found.finished()
    beats(tmp_path, beat(2, 0.1, worker=1, state="stopped"))
    assert found.finished()
    assert not Beats(tmp_path / "none").finished()


def test_what_was_odd_is_told(tmp_path: Path) -> None:
    """A pause from the dashboard, and faults of the generator's own with the first of them; a calm load has nothing to tell."""
    found = beats(tmp_path, beat(0, 0.0))
    assert found.oddities() == []
    beats(tmp_path, beat(1, 0.1, state="paused"), beat(2, 0.1), beat(2, 0.1, worker=1, faults=3))
    assert found.oddities() == [
        "the load was stopped from the dashboard for a while",
        "3 arrivals failed inside the generator, the first: KeyError",
    ]
