"""The claims about Cloudflare's R2 incident: each has its status on the experiment's record, and differs on a contrary one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from brownout.harness.experiment.loader import find, load
from brownout.harness.pytest_plugin.runs import Brownout
from brownout.harness.record.result import ClaimStatus
from brownout.suites.incidents import cloudflare_r2_2025_03_21_claims as r2
from brownout.suites.incidents.evidence import Counted
from support.thin_replays import ITSELF, Replays, recorded

NAME = "cloudflare-r2-2025-03-21"
Contradiction = Callable[[Replays], Replays]


@pytest.fixture(scope="module")
def replays(brownout: Brownout) -> Replays:
    """The records of the run that the experiment's own tests share."""
    return recorded(brownout.run(NAME, posture=r2.POSTURE, world="simulation", seed=1).expect("breach"))


def _no_key_told(seen: Replays) -> Replays:
    """Production's answers in the outage name the new key, as if it had been in use there."""

    def renamed(trail: str) -> str:
        return trail.replace("manual-sydney-1", "managed-sydney-1")

    return seen.each(r2.OUTAGE, r2.STORAGE, change=lambda one: one._replace(trail=renamed(one.trail)))


CONTRADICTIONS: Mapping[str, Contradiction] = {
    "R1": lambda seen: seen.times(impact_end_s=None),
    "R2": lambda seen: seen.told(("22:00", "22:10"), r2.WRITES, ok=True),
    "R3": lambda seen: seen.told(("21:39", "22:20"), r2.UNCACHED, ok=True),
    "R4": lambda seen: seen.told(r2.OUTAGE, r2.CACHED, control="no-cache", ok=True),
    "R5": lambda seen: seen.told(("22:00", "22:10"), r2.METADATA),
    "R6": lambda seen: seen.told(r2.WAITING, r2.WRITES, control="removed-at-once", ok=True),
    "R8": lambda seen: seen.times(detect=60.0),
    "R10": lambda seen: seen.told(r2.SECOND_KEY, r2.STORAGE, control="no-other-key", ok=True),
    "R11": lambda seen: seen.told(r2.SECOND_PLACE, r2.STORAGE, control="right-at-22-30"),
    "R12": lambda seen: seen.told(("23:00", "23:10"), r2.WRITES),
    "R13": _no_key_told,
    "R14": lambda seen: seen.never_defended("checked-first"),
    "R15": lambda seen: seen.told(("21:00", "23:00"), r2.UNCACHED, control="checked-and-right"),
    "R16": lambda seen: seen.told(r2.OUTAGE, r2.ELSEWHERE),
}
STATUSES: Mapping[str, ClaimStatus] = {"R3": "calibrated", "R7": "differs", "R8": "calibrated"}  # of those that do not hold


def test_every_claim_has_its_status_and_a_contradiction(replays: Replays) -> None:
    """What cannot be tested says why; R7, which differs, is contradicted below by a record in which it holds."""
    found = replays.claims()
    assert {found[claim].status for claim in found if claim not in {*CONTRADICTIONS, "R7"}} == {"not-testable"}
    assert {claim: found[claim].status for claim in (*CONTRADICTIONS, "R7")} == {
        claim: STATUSES.get(claim, "holds") for claim in (*CONTRADICTIONS, "R7")
    }
    assert all(one.how for one in found.values() if one.status != "holds")


@pytest.mark.parametrize("claim", CONTRADICTIONS)
def test_a_record_that_contradicts_a_claim_makes_it_differ(replays: Replays, claim: str) -> None:
    """The control of each claim: were this recorded, the table would say that it differs."""
    assert CONTRADICTIONS[claim](replays).claims()[claim].status == "differs"


def test_a_decline_in_steps_would_be_called_gradual(replays: Replays) -> None:
    """Where writes go on for a while after the first failure, R7 holds."""
    gradual = replays.told(("21:40", "21:46"), r2.WRITES, ok=True)
    assert gradual.claims()["R7"].status == "holds"


@pytest.mark.parametrize(
    ("bad", "total", "status"),
    [(210, 800, "not-decided"), (280, 800, "calibrated"), (345, 800, "not-decided"), (480, 800, "differs")],
)
def test_a_share_far_from_the_published_one_is_not_excused(bad: int, total: int, status: ClaimStatus) -> None:
    """About 35 % was calibrated, and differs all the same outside of its range."""
    assert r2._within(Counted(total, bad), r2.ABOUT_35_PERCENT) == status


def test_claims_are_those_of_the_incidents_posture(replays: Replays) -> None:
    """Another posture is compared with nothing published; and the experiment names its claims."""
    assert load(find(NAME)).claims == NAME
    other = replays.changed(ITSELF, lambda history, result: (history, result.model_copy(update={"posture": "following"})))
    assert other.claims() == {}
