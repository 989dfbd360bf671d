"""A signing key in use is withdrawn (Azure AD, 15 March 2021) as tests: caches decide who fails, when, and for how long.

A1 to A5 were published, A6 and A7 are ours (docs/incidents/azure-ad-2021-03-15.md).
"""

from __future__ import annotations

import pytest

from brownout.harness.pytest_plugin.runs import Brownout, Run

NAME = "azure-ad-2021-03-15"


@pytest.fixture(scope="module")
def incident(brownout: Brownout) -> Run:
    """The day in the simulation: one run that the tests of this page share."""
    return brownout.run(NAME, posture="as-of-2021-03", world="simulation", seed=1)


def test_good_tokens_are_refused(incident: Run) -> None:
    """The objective is breached though every token is good and no node is down."""
    incident.expect("breach")
    assert incident.slo("apps-read-secrets").status == "breached"


def test_verifiers_fail_one_by_one_as_they_refresh(incident: Run) -> None:
    """Failures begin at each verifier's refresh (A1), and those that do not refresh meanwhile never fail (A2)."""
    incident.holds("A1", "A2")


def test_the_first_mitigation_was_the_wrong_one(incident: Run) -> None:
    """Rolling the other change back changes nothing (A3)."""
    incident.holds("A3")


def test_the_recovery_is_spread_by_the_same_caches(incident: Run) -> None:
    """The key is back and verifiers go on refusing (A4), until half a day later (A5, calibrated)."""
    incident.holds("A4")
    assert incident.claim("A5").status == "calibrated"


def test_controls_differ_as_the_story_says(incident: Run) -> None:
    """Without caches all fail and heal at once (A6), and a check that the key is in use prevents it (A7)."""
    incident.holds("A6", "A7")
    assert [claim.id for claim in incident.result.claims if claim.status == "differs"] == []


def test_with_the_check_first_nothing_fails(brownout: Brownout) -> None:
    """The posture `checked-first` refuses the act and passes."""
    day = brownout.experiment(NAME).model_copy(update={"claims": "", "controls": {}})
    run = brownout.run(day, posture="checked-first", world="simulation", seed=1).expect("pass")
    assert run.step("withdraw-key").state == "defended"
