"""What became of each step, from hand-made acts."""

from __future__ import annotations

import pytest

from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.steps import Life, lives, step_results, watched_by, windows_around
from brownout.harness.record.history import Event
from support.slo_builders import (
    BASELINE,
    END,
    FAULT,
    RECOVERY,
    T0,
    act,
    document,
    experiment,
    history,
    outage,
    requests,
    whole_life,
)


def two_steps(*, bite: str = "required") -> Experiment:
    """The roll, and ten minutes later a failover that is tried."""
    roll = document()["schedule"][0]
    failover = {"name": "failover", "at": "00:30", "role": "mitigation", "fault": "route", "bite": bite}
    return experiment(schedule=[roll, failover])


def the_result(events, found=(), name="roll", plan=None):
    results = step_results(plan or experiment(), history(found, events))
    return next(result for result in results if result.name == name)


@pytest.mark.parametrize(
    ("whats", "state"),
    [
        ([], "not-reached"),
        (["planned"], "not-reached"),
        (["skipped"], "skipped"),
        (["intended", "applied", "bitten", "reverting", "reverted", "healed"], "healed"),
        (["intended", "applied", "not-bitten", "reverting", "released", "healed"], "healed"),
        (["intended", "applied", "bitten", "reverting", "stuck"], "stuck"),
        (["intended", "applied", "bitten", "reverting", "stuck", "reverting", "reverted", "healed"], "healed"),
        (["intended", "reverting", "reverted", "defended"], "defended"),
        (["intended", "failed", "reverting", "reverted", "healed"], "failed"),
        (["intended", "failed", "reverting", "stuck"], "stuck"),
        (["intended", "applied", "bitten", "reverting", "failed", "reverted", "healed"], "healed"),
        (["intended", "applied", "bitten", "lost", "reverting", "reverted", "healed"], "lost"),
        (["intended", "applied", "bitten", "lost", "reverting", "stuck"], "stuck"),
        (["intended"], "failed"),
        (["intended", "applied", "bitten"], "failed"),
    ],
)
def test_the_state_of_a_step(whats, state):
    """Stuck beats failed beats healed; a failure on the way back does not count; a cut-off step failed."""
    result = the_result([act(FAULT + n, what) for n, what in enumerate(whats)])
    assert result.state == state


def test_a_whole_life_has_all_its_times_and_words():
    """Applied, bitten and released are when the acts say, and the evidence is that of the bite."""
    result = the_result(whole_life(FAULT + 2, RECOVERY))
    assert (result.at_s, result.applied_s, result.bitten_s) == (T0 + FAULT, T0 + FAULT + 2, T0 + FAULT + 3)
    assert result.released_s == T0 + RECOVERY
    assert (result.describe, result.evidence) == ("rolls the key of sydney", "the old key is refused")


def test_the_evidence_of_a_step_is_that_of_its_end():
    """What was lost says so before the bite does; a failure may have a note alone; what did not bite says what was seen."""
    lost = [*whole_life()[:-1], act(RECOVERY, "lost", evidence="gone"), whole_life()[-1]]
    assert the_result(lost).evidence == "lost: found missing at 00:40:00: gone"
    failed = [act(FAULT, "intended"), act(FAULT, "failed", note="no such node"), act(FAULT, "healed")]
    assert the_result(failed).evidence == "no such node"
    for what in ("not-bitten", "absent"):
        quiet = [
            act(FAULT, "intended"),
            act(FAULT, "applied"),
            act(FAULT, what, evidence="all answer"),
            act(RECOVERY, "healed"),
        ]
        assert the_result(quiet).evidence == "all answer"
    assert the_result([act(FAULT, "skipped", evidence="not needed")]).evidence == "not needed"


def test_a_cut_off_step_says_so():
    """A record that ends within a step shows it as such."""
    assert "record ends" in the_result([act(FAULT, "applied")]).evidence


def test_the_failing_share_rises_with_the_fault():
    """The window before has none failing, the window after all."""
    result = the_result(whole_life(), outage())
    assert (result.before, result.after) == (0, 1)
    assert result.effect.startswith("rose: 0 % failing before, 100 % after")


def test_a_useless_mitigation_shows_no_change():
    """A failover in mid-outage has all failing before and after."""
    events = [*whole_life(), *whole_life(1800, RECOVERY, "failover")]
    result = the_result(events, outage(), "failover", two_steps())
    assert (result.before, result.after) == (1, 1)
    assert result.effect.startswith("no change")


def test_a_mitigation_that_works_makes_it_fall():
    """The share after the step is lower by more than chance."""
    events = [*whole_life(), *whole_life(1800, RECOVERY, "failover")]
    result = the_result(events, outage(FAULT, 1801), "failover", two_steps(bite="none-expected"))
    assert result.after == 0
    assert result.effect.startswith("fell, though none was expected")


@pytest.mark.parametrize(
    ("at", "before", "after"),
    [
        (RECOVERY + 600, (RECOVERY + 300, RECOVERY + 600), (RECOVERY + 600, RECOVERY + 900)),
        (BASELINE + 100, (BASELINE, BASELINE + 100), (BASELINE + 100, BASELINE + 400)),
        (END - 100, (END - 400, END - 100), (END - 100, END)),
    ],
)
def test_windows_are_within_the_phases(at, before, after):
    """From the begin of the baseline to the end of the recovery."""
    found = windows_around(experiment(), Life((act(at, "applied"),)), (), 300)
    assert found == tuple((T0 + start, T0 + end) for start, end in (before, after))


def test_windows_stop_at_the_neighbouring_step():
    """What another step did within the window is not credited to this one."""
    close = [*whole_life(), *whole_life(FAULT + 20, RECOVERY, "failover")]
    found = outage(FAULT, FAULT + 20)
    assert the_result(close, found, "roll", two_steps()).after == 1
    assert the_result(close, found, "failover", two_steps()).before == 1


def test_small_samples_are_no_change():
    """One failure after against none before is chance."""
    found = [*requests(FAULT - 5, FAULT), *requests(FAULT + 1, FAULT + 2, False), *requests(FAULT + 2, FAULT + 6)]
    assert the_result(whole_life(), found).effect.startswith("no change")


@pytest.mark.parametrize(("found", "word"), [([], "before"), (requests(BASELINE, FAULT), "after")])
def test_nothing_to_compare_is_said(found, word):
    """A window without a request gives no ratio and no claim."""
    assert the_result(whole_life(), found).effect.endswith(f"window {word}")


def test_a_defended_step_has_no_windows():
    """What was refused changed nothing; its reason is the evidence."""
    events = [act(FAULT, "intended"), act(FAULT, "defended", evidence="two nodes are not ready")]
    result = the_result(events, outage())
    assert (result.state, result.evidence, result.before) == ("defended", "two nodes are not ready", None)
    assert result.effect == "refused by the system"


def test_the_first_alert_decides_what_is_watched():
    """Without alerts the first objective does."""
    alert = {"of": {"cohorts": ["new"], "operations": ["token"]}, "target": 0.99, "long": "5m", "short": "1m"}
    assert watched_by(experiment(alerts={"a": alert})).operations == ("token",)
    assert watched_by(experiment(alerts={})).operations == ()


def test_lives_keep_steps_apart():
    """Acts are grouped by step, in the order of the record, and nothing else is taken for an act."""
    looked = Event(T0 + END, "look", "failed", "roll")  # a node may have the name of a step
    known = lives([*whole_life(), act(END, "failed", "other"), looked])
    assert set(known) == {"roll", "other"}
    assert known["roll"].acts == tuple(whole_life())
    assert known["other"].could_not_act
    assert not known["roll"].could_not_act
