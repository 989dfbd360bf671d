"""The stories of AWS's two events and of the plain cut, each on thin load in the simulation, with its control runs.

What is asserted is what was published, cohort by cohort and window by window, and that a control run without the cause does
not have the effect. Runs are shared by the tests; shares that chance can turn have bounds that a hundred seeds keep.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from brownout.harness.base.durations import parse_clock_s
from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import ControlRun
from brownout.harness.judge.run_folder import read_record
from brownout.harness.record.history import History
from brownout.harness.run.header import write_run_file
from brownout.harness.run.prepare import prepare_control
from brownout.harness.run.simulated import simulate

IAM_2021, US_EAST_2025, LINK_CUT = "aws-iam-2021-08-26", "aws-us-east-1-2025-10-20", "link-cut"
THIN = {IAM_2021: 0.2, US_EAST_2025: 0.15, LINK_CUT: 0.12}  # of the load
SELDOM = {"iam_publish_interval_s": 60, "publish_interval_s": 600}  # of what is published when nothing changes
ITSELF = ""  # in place of a control's name

BEFORE, API_TROUBLE, DELAY_ONLY = ("13:12", "13:44"), ("13:45", "16:12"), ("16:13", "17:01")
DELAYED = ("13:45", "17:01")
FIRST, SIGN_IN_ONLY, BETWEEN, SECOND = ("06:52", "08:18"), ("08:20", "08:24"), ("08:26", "15:30"), ("15:32", "16:58")
CUT = ("23:33", "24:31")


@dataclass(frozen=True, slots=True)
class Replay:
    """What one run's requests came to. Windows are times of the emulated day; those of an edge are a minute off it."""

    history: History
    midnight_s: float

    def outcomes(self, cohort: str, window: tuple[str, str], *operations: str) -> Counter[str]:
        """How many of the cohort's requests got which error, "" for those that succeeded; there are some requests."""
        starts_s, ends_s = (self.midnight_s + parse_clock_s(time) for time in window)
        found = self.history.select(cohorts=[cohort], operations=operations, start_s=starts_s, end_s=ends_s)
        assert found, f"no request of {cohort} from {window[0]} to {window[1]}"
        return Counter("" if request.outcome == "happened" else request.error for request in found)

    def failed(self, cohort: str, window: tuple[str, str], *operations: str) -> float:
        """The share of the cohort's requests that did not succeed."""
        found = self.outcomes(cohort, window, *operations)
        return 1 - found[""] / found.total()

    def denied(self, cohort: str, window: tuple[str, str]) -> float:
        """The share of assumptions of a role just made that IAM denied. Where none was made there is none to assume."""
        found = self.outcomes(cohort, window, "use-new-role")
        return found["AccessDenied"] / (found.total() - found["no-new-role"])

    def errors(self, cohort: str, window: tuple[str, str]) -> set[str]:
        """What the requests that did not succeed got."""
        return set(self.outcomes(cohort, window)) - {""}


@cache
def replayed(name: str, control: str = ITSELF) -> Replay:
    """The experiment as it was, or one of its control runs, on thin load."""
    experiment = load(find(name))
    run = experiment.controls[control] if control else ControlRun(posture=experiment.posture)
    thin = run.model_copy(update={"load_scale": THIN[name], "settings": {**SELDOM, **run.settings}})
    experiment = experiment.model_copy(update={"controls": {"thin": thin}})
    prepared = prepare_control(experiment, "thin", seed=1)
    with tempfile.TemporaryDirectory() as folder:
        write_run_file(Path(folder), prepared)
        simulate(prepared, Path(folder))
        return Replay(read_record(Path(folder)).history, experiment.timeline.epoch_s())


EXISTING = ("existing-dublin", "existing-milan", "existing-capetown", "machines-milan", "machines-dublin")
ROLES_PER_ACCOUNT = 1000
NEW = ("new-in-dublin", "new-in-milan", "new-in-capetown")


@pytest.mark.parametrize("control", [ITSELF, "api-well", "propagation-well"])
def test_2021_existing_principals_are_let_in_everywhere(control: str) -> None:
    """Users, roles and machines that exist are authenticated and authorized in every region, all day: not one fails."""
    replay = replayed(IAM_2021, control)
    assert {cohort: replay.failed(cohort, ("13:12", "17:32")) for cohort in EXISTING} == dict.fromkeys(EXISTING, 0.0)


def test_2021_new_roles_fail_only_where_propagation_is_delayed() -> None:
    """A role made minutes ago is refused as AccessDenied in the delayed regions, and is good in one that is not."""
    replay = replayed(IAM_2021)
    assert replay.denied("new-in-dublin", ("13:12", "17:32")) == 0
    for cohort in NEW[1:]:
        assert replay.denied(cohort, DELAYED) > 0.9
        assert replay.denied(cohort, BEFORE) == replay.denied(cohort, ("17:03", "17:32")) == 0


def test_2021_the_api_fails_for_two_and_a_half_hours_in_every_region() -> None:
    """Calls of the IAM API fail in part while it is in trouble, and not in the 50 minutes that only propagation is delayed."""
    replay = replayed(IAM_2021)
    assert 0.15 < replay.failed("api", API_TROUBLE) < 0.45
    assert replay.failed("api", BEFORE) == replay.failed("api", DELAY_ONLY) == 0
    for cohort in NEW:
        assert 0.1 < replay.failed(cohort, API_TROUBLE, "create-role") < 0.5
        assert replay.failed(cohort, DELAY_ONLY, "create-role") == 0


def test_2021_controls_take_one_half_away_each() -> None:
    """With a well API new roles still fail in the delayed regions; with well propagation the API fails and they do not."""
    api_well, propagation_well = replayed(IAM_2021, "api-well"), replayed(IAM_2021, "propagation-well")
    assert api_well.failed("api", API_TROUBLE) == 0 < propagation_well.failed("api", API_TROUBLE)
    for cohort in NEW:
        assert api_well.failed(cohort, DELAYED, "create-role") == 0
        assert propagation_well.denied(cohort, DELAYED) == 0
    assert api_well.denied("new-in-milan", DELAYED) > 0.9


def test_2021_the_load_makes_fewer_roles_than_an_account_may_have() -> None:
    """At full load and with every call well, creations stay below the quota of roles, so none fails for another reason."""
    experiment = load(find(IAM_2021))
    span_s = experiment.timeline.end - experiment.timeline.warm_up
    made_per_s = sum(cohort.rate_per_s * cohort.mix.get("create-role", 0) for cohort in experiment.load.cohorts)
    assert 0 < made_per_s * span_s < 0.9 * ROLES_PER_ACCOUNT


AT_HOME, ELSEWHERE = ("sts-virginia", "global-virginia"), ("sts-dublin", "global-dublin", "sts-tokyo", "role-apps-dublin")


def test_2025_sts_of_the_home_region_fails_in_both_windows() -> None:
    """Every call of STS of us-east-1 fails in either window, each for its own reason, and none in the hours between."""
    replay = replayed(US_EAST_2025)
    for cohort in AT_HOME:
        assert replay.failed(cohort, FIRST) == replay.failed(cohort, SECOND) == 1
        assert replay.failed(cohort, BETWEEN) == 0
        assert (replay.errors(cohort, FIRST), replay.errors(cohort, SECOND)) == ({"empty"}, {"backend-reset"})


@pytest.mark.parametrize("control", [ITSELF, "first-window-only", "second-window-only"])
def test_2025_sts_of_other_regions_does_not_fail(control: str) -> None:
    """Neither by the regional names nor by the global one that is served locally, nor applications there: not one call."""
    replay = replayed(US_EAST_2025, control)
    assert {cohort: replay.failed(cohort, ("06:12", "17:30")) for cohort in ELSEWHERE} == dict.fromkeys(ELSEWHERE, 0.0)


def test_2025_a_hidden_call_home_takes_a_service_of_a_healthy_region_along() -> None:
    """What asks IAM at each request fails in Dublin too, for as long as the control plane does: longer than STS."""
    replay = replayed(US_EAST_2025)
    assert replay.failed("group-lookups-dublin", FIRST) == replay.failed("group-lookups-dublin", SIGN_IN_ONLY) == 1
    assert replay.failed("group-lookups-dublin", BETWEEN) == replay.failed("group-lookups-dublin", SECOND) == 0


def test_2025_sessions_carry_applications_for_a_while_only() -> None:
    """Applications of us-east-1 live on their sessions for part of a window that is longer than these last."""
    replay = replayed(US_EAST_2025)
    for window in (FIRST, SECOND):
        assert 0 < replay.failed("role-apps-virginia", window) < 1
    assert replay.failed("role-apps-virginia", BETWEEN) == 0


def test_2025_controls_have_one_window_each() -> None:
    """Without the causes of a window there is no failure in it, and the other one is as it was."""
    first, second = replayed(US_EAST_2025, "first-window-only"), replayed(US_EAST_2025, "second-window-only")
    for cohort in AT_HOME:
        assert (first.failed(cohort, FIRST), first.failed(cohort, SECOND)) == (1, 0)
        assert (second.failed(cohort, FIRST), second.failed(cohort, SECOND)) == (0, 1)
    assert second.failed("group-lookups-dublin", FIRST) == 0


def test_2025_a_global_name_that_leads_home_spreads_the_second_window() -> None:
    """Where the global name is served in us-east-1 only, clients of Dublin that use it fail with it; regional ones do not."""
    replay = replayed(US_EAST_2025, "global-name-home")
    assert replay.failed("global-dublin", SECOND) == 1
    assert replay.failed("sts-dublin", SECOND) == 0


GOES_ON = ("regional-assumers", "instances", "instance-apps", "role-apps", "home-assumers", "home-administrators")


@pytest.mark.parametrize("control", [ITSELF, "only-to-home", "only-from-home"])
def test_link_cut_takes_nothing_that_is_promised(control: str) -> None:
    """With one direction cut or both, regional STS, instances, applications and the home region go on without a failure."""
    replay = replayed(LINK_CUT, control)
    assert {cohort: replay.failed(cohort, CUT) for cohort in GOES_ON} == dict.fromkeys(GOES_ON, 0.0)


def test_link_cut_takes_changes_from_beyond_it_and_the_global_name() -> None:
    """Administrators of Melbourne reach no directory while calls to Sydney are lost; the other direction is not theirs."""
    both, to_home, from_home = (replayed(LINK_CUT, name) for name in (ITSELF, "only-to-home", "only-from-home"))
    assert both.failed("administrators", CUT) == to_home.failed("administrators", CUT) == 1
    assert from_home.failed("administrators", CUT) == 0
    assert both.failed("global-assumers", CUT) == 1
    assert replayed(LINK_CUT, "local-global-name").failed("global-assumers", CUT) == 0


def test_link_cut_with_keys_of_one_day_lets_nobody_in_after_midnight() -> None:
    """The control that must fail: a region that holds today's keys only knows no access key on the next day."""
    fragile = replayed(LINK_CUT, "fragile-keys")
    assert fragile.failed("regional-assumers", ("23:33", "24:00")) == 0
    assert fragile.failed("regional-assumers", ("24:01", "24:31")) == 1
    assert fragile.errors("regional-assumers", CUT) == {"InvalidClientTokenId"}
    assert replayed(LINK_CUT).failed("regional-assumers", ("24:01", "24:31")) == 0
