"""A rotated storage key is deployed to the wrong place (Cloudflare R2, 21 March 2025) as tests.

The story. A new key is made and deployed, but not where production runs. The old key is removed from the storage, which an
hour later forgets it. Every write fails, and every read that no cache answers. Another new key changes nothing, nor does
another deployment to the wrong place. The right one heals it at once.

R1 to R12 and R17 were published, the rest is ours (docs/incidents/cloudflare-r2-2025-03-21.md).
"""

from __future__ import annotations

import pytest

from brownout.harness.pytest_plugin.runs import Brownout, Run

NAME = "cloudflare-r2-2025-03-21"


@pytest.fixture(scope="module")
def incident(brownout: Brownout) -> Run:
    """The evening in the simulation: one run that the tests of this page share."""
    return brownout.run(NAME, posture="as-of-2025-03", world="simulation", seed=1)


def test_writes_and_reads_fail_and_metadata_does_not(incident: Run) -> None:
    """All writes (R2), about a third of the reads (R3, calibrated), nothing of what needs no key of the storage (R5)."""
    incident.expect("breach")
    told = {slo.name: slo.status for slo in incident.result.slos}
    assert told == {"reads": "breached", "writes": "breached", "metadata": "met"}
    incident.holds("R1", "R2", "R5")
    assert incident.claim("R3").status == "calibrated"


def test_a_cache_is_what_keeps_two_thirds_of_the_reads(incident: Run) -> None:
    """Reads that a cache answers go on; without caches they fail as well (R4)."""
    incident.holds("R4")


def test_nothing_shows_for_an_hour(incident: Run) -> None:
    """The removal has to propagate (R6); then an alert takes seven minutes (R8, calibrated)."""
    incident.holds("R6")
    assert incident.claim("R8").status == "calibrated"


def test_what_repeats_the_mistake_changes_nothing(incident: Run) -> None:
    """Another key (R10) and another deployment to the wrong place (R11) do nothing, though the key is good there (R16)."""
    incident.holds("R10", "R11", "R16")


def test_the_right_deployment_heals_it_at_once(incident: Run) -> None:
    """From the minute of the deployment to production nothing fails (R12)."""
    incident.holds("R12")


def test_the_repairs_would_have_shown_and_prevented_it(incident: Run) -> None:
    """The key's id in each answer tells where the new key went (R13); a key in use is kept (R14), another let go (R15)."""
    incident.holds("R13", "R14", "R15")


def test_one_claim_differs(incident: Run) -> None:
    """The decline was gradual and here it is not (R7); nothing else differs, and what no run can tell says so."""
    claims = incident.result.claims
    assert [claim.id for claim in claims] == [f"R{number}" for number in range(1, 18)]
    assert [claim.id for claim in claims if claim.status == "differs"] == ["R7"]
    assert [claim.id for claim in claims if claim.status == "not-testable"] == ["R9", "R17"]


@pytest.mark.parametrize(("posture", "removal"), [("checked-first", "defended"), ("following", "healed")])
def test_a_posture_that_must_pass_does(brownout: Brownout, posture: str, removal: str) -> None:
    """Where the key in use is looked at, its removal is refused; where production takes up keys by itself, it does no harm."""
    evening = brownout.experiment(NAME).model_copy(update={"claims": "", "controls": {}})
    run = brownout.run(evening, posture=posture, world="simulation", seed=1).expect("pass")
    assert run.step("remove-old-key").state == removal
