"""A run in the simulation: a whole record, the same for the same seed, also of a run that is interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from brownout.harness.experiment.model import Experiment
from brownout.harness.record.history import read_history
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.simulated import simulate
from brownout.harness.worlds.simulation.world import SimulationWorld
from support.small_day import small_day

THIN = {"cohorts": [{"name": "warm", "model": "token", "region": "sydney", "rate_per_s": 0.02, "machines": ["web"]}]}


def thin_day() -> Experiment:
    return small_day(load=THIN, gates={"steady_state": False})


def record(folder: Path, seed: int) -> tuple[bytes, bytes]:
    """The bytes of a run's history."""
    folder.mkdir()
    assert simulate(prepare(thin_day(), Options(seed=seed)), folder)
    return (folder / "events.jsonl").read_bytes(), (folder / "requests.jsonl").read_bytes()


def test_one_seed_decides_the_record(tmp_path: Path) -> None:
    """The same seed writes the same bytes, another seed asks at other times."""
    first, again, other = (record(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again
    assert first[1] != other[1]


def test_the_load_covers_the_timeline(tmp_path: Path) -> None:
    """Requests are asked from the baseline to the end, about as many as the rate makes."""
    experiment = thin_day()
    midnight_s = experiment.timeline.epoch_s()
    record(tmp_path / "run", 1)
    requests = read_history(tmp_path / "run").requests
    assert len(requests) == round(0.02 * (3 * 3600 - 600))
    assert all(600 <= request.intended_s - midnight_s < 3 * 3600 for request in requests)


def test_what_a_run_leaves_in_memory_is_what_its_files_say(tmp_path: Path) -> None:
    """The history that is judged at once equals the one that another process reads: of a copy, every line is made again."""
    record(tmp_path / "run", 1)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    own, copied = read_history(tmp_path / "run"), read_history(tmp_path / "copy")
    assert own == copied
    assert own.requests
    assert [repr(request) for request in own.requests] == [repr(request) for request in copied.requests]
    assert not any(a is b for a, b in zip(own.requests, copied.requests, strict=True))


def test_an_interrupt_leaves_a_record_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends the simulation at once: there is no stack to take down."""

    def interrupted(self: SimulationWorld, work: object) -> None:
        work.close()  # type: ignore[attr-defined]  # a coroutine that will not be run
        raise KeyboardInterrupt

    monkeypatch.setattr(SimulationWorld, "run", interrupted)
    assert simulate(prepare(thin_day(), Options()), tmp_path) is False
    (event,) = read_history(tmp_path).events
    assert (event.kind, event.what) == ("run", "interrupted")


def test_an_offset_begins_the_stack_earlier_and_moves_nothing_else(tmp_path: Path) -> None:
    """The stack's first moment is so much earlier; load and schedule keep their times."""
    for name, offset_s in (("plain", 0.0), ("earlier", 40.0)):
        folder = tmp_path / name
        folder.mkdir()
        assert simulate(prepare(thin_day(), Options(offset_s=offset_s)), folder)
    plain, earlier = (read_history(tmp_path / name) for name in ("plain", "earlier"))
    assert earlier.events[0].at_s == plain.events[0].at_s - 40
    assert [one.intended_s for one in earlier.requests] == [one.intended_s for one in plain.requests]
