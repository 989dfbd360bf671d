"""The claims about Entra's lost record: each is as published on the day's record, and differs on one that contradicts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from brownout.suites.incidents import entra_dns_2025_02_25_claims as dns
from support.thin_replays import ITSELF, Replays, replays

pytestmark = pytest.mark.slow  # three whole nights

NAME = "entra-dns-2025-02-25"
STATUSES = {"D1": "holds", "D2": "calibrated", "D3": "calibrated", "D4": "holds", "D5": "holds", "D6": "holds", "D7": "holds"}
TAIL = ("seven-hours",)


CONTRADICTIONS: Mapping[str, Callable[[Replays], Replays]] = {
    "D1": lambda seen: seen.told(("16:30", "16:40"), dns.SEAMLESS),
    "D2": lambda seen: seen.told(("18:35", "19:00"), dns.SEAMLESS),
    "D3": lambda seen: seen.told(("23:00", "26:30"), TAIL, ok=True),
    "D4": lambda seen: seen.told(dns.DURING, dns.OTHERS),
    "D5": lambda seen: seen.told(("19:00", "20:00"), ("five-minutes",)),
    "D6": lambda seen: seen.told(dns.AFTERWARDS, dns.SEAMLESS, control="uncached"),
    "D7": lambda seen: seen.told(dns.DURING, dns.SEAMLESS, control="check-repaired"),
}


def test_every_claim_is_as_published_or_says_that_it_was_fitted() -> None:
    """On the experiment's own record nothing differs."""
    assert {claim: one.status for claim, one in replays(NAME).claims().items()} == STATUSES


@pytest.mark.parametrize("claim", CONTRADICTIONS)
def test_a_record_that_contradicts_a_claim_makes_it_differ(claim: str) -> None:
    """The control of each claim: were this recorded, the table would say that it differs."""
    assert CONTRADICTIONS[claim](replays(NAME)).claims()[claim].status == "differs"


def test_claims_are_those_of_the_days_posture() -> None:
    """Another posture is compared with nothing published."""
    other = replays(NAME).changed(ITSELF, lambda history, result: (history, result.model_copy(update={"posture": "other"})))
    assert other.claims() == {}
