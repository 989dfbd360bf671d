"""A record on the way to a name of Entra's is removed (25 February 2025) as tests: caches decide who is well again when.

D1 to D4 were published, D5 to D7 are ours (docs/incidents/entra-dns-2025-02-25.md).
"""

from __future__ import annotations

import pytest

from brownout.harness.pytest_plugin.runs import Brownout, Run

NAME = "entra-dns-2025-02-25"


@pytest.fixture(scope="module")
def incident(brownout: Brownout) -> Run:
    """The day in the simulation: one run that the tests of this page share."""
    return brownout.run(NAME, posture="as-of-2025-02", world="simulation", seed=1)


def test_one_name_is_lost_and_nothing_else(incident: Run) -> None:
    """Clients of that name breach their objective, and those of another name for the same nodes meet theirs (D1, D4)."""
    incident.expect("breach")
    assert incident.slo("seamless-sign-ins").status == "breached"
    assert incident.slo("other-sign-ins").status == "met"
    incident.holds("D1", "D4")


def test_the_recovery_is_a_curve_by_what_caches_keep(incident: Run) -> None:
    """Each group is well within the time that its caches keep the bad answer (D5), and without caches all are at once (D6)."""
    incident.holds("D5", "D6")


def test_figures_that_were_fitted_say_so(incident: Run) -> None:
    """94 % by 18:35 (D2) and the end at 01:15 (D3) follow from the mix of caches, which was chosen for them."""
    assert {incident.claim(name).status for name in ("D2", "D3")} == {"calibrated"}


def test_a_check_that_works_keeps_the_record(incident: Run) -> None:
    """The control run's clean-up was refused, and no client failed (D7); no claim differs."""
    incident.holds("D7")
    assert [claim.id for claim in incident.result.claims if claim.status == "differs"] == []


def test_with_the_check_repaired_nothing_fails(brownout: Brownout) -> None:
    """The posture `check-repaired` refuses the act and passes."""
    day = brownout.experiment(NAME).model_copy(update={"claims": "", "controls": {}})
    run = brownout.run(day, posture="check-repaired", world="simulation", seed=1).expect("pass")
    assert run.step("clean-up").state == "defended"
