"""What the search finds: planted bugs by the corpus and by chance, as files that `brownout run` replays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from brownout.harness.api import Options, run
from brownout.harness.experiment.loader import load
from brownout.harness.experiment.model import Experiment
from brownout.harness.record.history import read_history
from brownout.identity.core.planted import PLANTED
from brownout.suites.search import campaign, command, findings, trial
from brownout.suites.search.allowed import ALLOWED, why_allowed
from brownout.suites.search.bugs import BUGS, Bug, hunt
from brownout.suites.search.campaign import ChunkDone, Plan, Sighting
from brownout.suites.search.corpus import CorpusCase, cases
from brownout.suites.search.executors import InThisProcess
from brownout.suites.search.findings import replayable
from brownout.suites.search.grounds import ground
from brownout.suites.search.trial import BrokenProperty, Trial, carried_out
from support.brownout_command import invoke


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_corpus_is_sound(case: CorpusCase) -> None:
    """Each schedule violates its property with the bug that it was found by, and nothing without."""
    place = ground(case.schedule.ground)
    assert carried_out(case.schedule, place).has(case.broken)
    healthy = carried_out(case.schedule.model_copy(update={"planted": ()}), place)
    assert healthy.violations == ()


def test_every_planted_bug_has_a_case_and_a_budget() -> None:
    """None is planted that the search is not measured by."""
    assert {bug.name for bug in BUGS} == set(PLANTED)
    assert {case.name for case in cases()} >= set(PLANTED)


def test_a_found_file_replays(tmp_path: Path) -> None:
    """`brownout run` of the file gives the violation and the very history that the search saw."""
    case = next(case for case in cases() if case.name == "store-key-grace")
    text, seen = replayable(case.schedule, ground(case.schedule.ground), case.broken)
    path = tmp_path / "found.yaml"
    path.write_text(text)
    outcome = run(load(path), Options(seed=case.schedule.seed, out=tmp_path))
    assert seen.result is not None
    assert outcome.result.verdict == seen.result.verdict == "breach"
    assert outcome.result.exit_code == 1
    assert seen.record is not None
    assert read_history(outcome.folder) == seen.record.history
    assert outcome.result.invariants == seen.result.invariants


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_found_file_has_room_above_the_margin(case: CorpusCase) -> None:
    """Acts last twice as long, as far as the phase goes, and clients ask four times as often."""
    place = ground(case.schedule.ground)
    text, seen = replayable(case.schedule, place, case.broken)
    assert seen.has(case.broken)
    found = Experiment.model_validate(yaml.safe_load(text))
    last_s = place.experiment.timeline.recovery
    for step, act in zip(found.schedule, case.schedule.acts, strict=True):
        assert step.until == min(step.at + 2 * act.for_s, last_s)
    rates = {cohort.name: cohort.rate_per_s for cohort in place.experiment.load.cohorts}
    assert [cohort.rate_per_s / rates[cohort.name] for cohort in found.load.cohorts] == [4.0] * len(case.schedule.cohorts)


@pytest.mark.parametrize(
    ("breaks", "for_s", "often"),
    [
        ({(128, 4.0), (128, 1.0), (64, 4.0)}, 128, 4.0),
        ({(128, 1.0), (64, 4.0)}, 128, 1.0),
        ({(64, 4.0)}, 64, 4.0),
        (set(), 64, 1.0),
    ],
)
def test_a_found_file_has_as_much_room_as_the_property_still_breaks_with(
    monkeypatch: pytest.MonkeyPatch, breaks: set[tuple[int, float]], for_s: int, often: float
) -> None:
    """A longer fault or more requests may let it hold: then the file is of the schedule as it was shrunk."""
    case = next(case for case in cases() if case.name == "store-key-grace")
    (act,) = case.schedule.acts
    assert act.for_s == 64
    place = ground(case.schedule.ground)
    rate = next(each.rate_per_s for each in place.experiment.load.cohorts if each.name == case.schedule.cohorts[0])

    def tried(experiment: Experiment, *, seed: int, kinds: tuple[str, ...]) -> Trial:
        (step,) = experiment.schedule
        asked = experiment.load.cohorts[0].rate_per_s / rate
        broken = BrokenProperty(case.broken, "it broke")
        return Trial((broken,) if ((step.until or 0) - step.at, asked) in breaks else ())

    monkeypatch.setattr(findings, "tried", tried)
    found = Experiment.model_validate(yaml.safe_load(replayable(case.schedule, place, case.broken)[0]))
    assert ((found.schedule[0].until or 0) - found.schedule[0].at, found.load.cohorts[0].rate_per_s / rate) == (for_s, often)


def test_an_interrupt_within_a_schedule_reaches_the_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation ends in order when it is interrupted, and its schedule is not taken for one that was carried out."""
    monkeypatch.setattr(trial, "simulate_in_memory", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        carried_out(cases()[0].schedule, ground(cases()[0].schedule.ground))


def test_the_search_finds_a_planted_bug() -> None:
    """By chance, within its budget."""
    (planted,) = (bug for bug in BUGS if bug.name == "publisher-gives-up")
    found = hunt(planted, shrinks=False)
    assert found.found is not None
    assert found.schedules <= found.bug.budget


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_search_finds_and_shrinks_each_planted_bug(bug: Bug) -> None:
    """Within its budget, and to no more acts than matter."""
    found = hunt(bug)
    assert found.found is not None
    assert found.minimal is not None
    assert len(found.minimal.schedule.acts) <= bug.acts


def test_what_is_allowed_is_declared_with_a_reason() -> None:
    """And only for the faults that bring it about."""
    assert all(each.reason for each in ALLOWED)
    assert why_allowed("invariant:read-your-writes", ("iam-describe-lag", "freeze"))
    assert not why_allowed("invariant:read-your-writes", ("freeze",))
    assert not why_allowed("invariant:audience-isolation", ("signing-key-roll",))


def _finding(plan: Plan, number: int) -> ChunkDone:
    """As if the first schedule of a campaign were one of the corpus, with its bug."""
    case = next(case for case in cases() if case.name == "store-key-grace")
    found = Sighting(broken=case.broken, evidence="seen", schedule=case.schedule, number=1)
    return ChunkDone(chunk=number, schedules=plan.size, cpu_s=1.0, found=(found,) if plan.planted else ())


def test_the_command_writes_what_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, the acts that matter, and a file that is checked as any other."""
    monkeypatch.setattr(campaign, "carry_out_chunk", _finding)
    folder = tmp_path / "c"
    words = ("search", "--schedules", "20", "--no-corpus")
    told = invoke(*words, "--out", str(folder), "--plant", "store-key-grace")
    assert told.exit_code == 1, told.output
    assert "invariant:no-revoked-store-key does not hold" in told.output
    (path,) = (folder / "found").glob("*.yaml")
    assert [step.fault for step in load(path).schedule] == ["key-switch"]
    again = invoke("search", "--schedules", "20", "--no-corpus", "--resume", str(folder))
    assert again.exit_code == 1


@pytest.mark.parametrize(
    ("words", "workers"),
    [
        (("--schedules", "200"), 4),
        (("--schedules", "41"), 3),
        (("--schedules", "20"), 1),
        (("--schedules", "20", "--workers", "2"), 2),
        (("--for", "0.01s"), 4),
    ],
)
def test_a_campaign_has_a_process_on_each_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], workers: int
) -> None:
    """As far as there are chunks for them, unless a number is named."""
    seen = []

    @contextmanager
    def here(address: str, at_once: int) -> Iterator[tuple[Executor, int]]:
        seen.append(at_once)
        yield InThisProcess(), 1

    monkeypatch.setattr(campaign, "carry_out_chunk", _finding)
    monkeypatch.setattr(command, "executor_of", here)
    monkeypatch.setattr(command, "usable_cores", lambda: 4)
    assert invoke("search", "--no-corpus", "--out", str(tmp_path / "c"), *words).exit_code == 0
    assert seen == [workers]


def test_the_command_says_when_nothing_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0; a bug that there is not is bad usage."""
    monkeypatch.setattr(campaign, "carry_out_chunk", _finding)
    told = invoke("search", "--schedules", "20", "--no-corpus", "--out", str(tmp_path / "c"))
    assert told.exit_code == 0, told.output
    assert "nothing was found" in told.output
    refused = invoke("search", "--plant", "gremlins", "--out", str(tmp_path / "d"))
    assert refused.exit_code == 2
    assert "publisher-gives-up" in refused.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--for", "0s"), "no time"),
        (("--resume", "c", "--seed", "3"), "began with"),
        (("--resume", "c", "--plant", "store-key-grace"), "began with"),
        (("azure-mi-2026-02", "--resume", "c"), "began with"),
        (("--executor", "foo"), "no executor"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_tried(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No campaign is begun, and what would be ignored is said to be in the way."""
    monkeypatch.chdir(tmp_path)
    refused = invoke("search", *words)
    assert refused.exit_code == 2, refused.output
    assert told in refused.output
    assert list(tmp_path.iterdir()) == []
