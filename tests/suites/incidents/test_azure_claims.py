"""The claims about Azure's incidents: none differs on its experiment's record, and each does on one that contradicts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest

from brownout.harness.base.entry_points import installed
from brownout.harness.experiment.loader import find, load
from brownout.harness.pytest_plugin.runs import Brownout, Run
from brownout.harness.record.history import History, RequestRecord
from brownout.harness.record.result import Result
from brownout.suites.incidents import azure_ad_2021_03_15_claims as ad
from brownout.suites.incidents import azure_mi_2026_02_claims as mi
from brownout.suites.incidents import ftvr_l9z_claims as ftvr
from brownout.suites.incidents import identity_not_found_claims as nf
from brownout.suites.incidents.evidence import TOKEN_COHORTS
from brownout.suites.incidents.published_claims import PublishedClaim
from support.thin_replays import ITSELF, THIN, Replays, recorded

Contradiction = Callable[[Replays], Replays]

# FTVR-L9Z
OUTAGE = ("00:56", "06:27")
NEW, WARM, PAIR, VISITORS = ("newly-scaled",), ("warm-machines",), ("pair-newly-scaled",), ("pair-visitors",)
CALLERS = ("management-callers",)


def _reported(seen: Replays, control: str = ITSELF, *, success: bool) -> Replays:
    """The same with another report of the roll-out."""

    def change(history: History, result: Result) -> tuple[History, Result]:
        events = tuple(
            replace(event, detail={**event.detail, "report": {**event.detail["report"], "success": success}})
            if event.subject == "roll-out" and "report" in event.detail
            else event
            for event in history.events
        )
        return replace(history, events=events), result

    return seen.changed(control, change)


def _retold(seen: Replays, old: str, new: str, cohorts: tuple[str, ...]) -> Replays:
    """The same with another word in the trails of the cohorts' answers."""
    return seen.each(("00:20", "07:00"), cohorts, change=lambda one: one._replace(trail=one.trail.replace(old, new)))


def _well_at_arm(request: RequestRecord) -> RequestRecord:
    return request._replace(outcome="happened") if request.front_end == "arm" else request


FTVR: Mapping[str, Contradiction] = {
    "C1": lambda seen: seen.times(impact_end_s=None),
    "C2": lambda seen: seen.told(OUTAGE, PAIR),
    "C3": lambda seen: seen.told(OUTAGE, TOKEN_COHORTS),
    "C4": lambda seen: seen.told(OUTAGE, WARM, control="refresh-at-expiry", ok=True),
    "C5": lambda seen: seen.told(OUTAGE, CALLERS, ok=True),
    "C6": lambda seen: seen.each(OUTAGE, CALLERS, change=_well_at_arm),
    "C7": lambda seen: seen.told(OUTAGE, ("provisioning",), "provision-plain"),
    "C8": lambda seen: seen.told(OUTAGE, ("aks-pods-new",), control="other-resources"),
    "C9": lambda seen: seen.told(OUTAGE, NEW, ok=True),
    "C10": lambda seen: seen.told(("01:05", "07:00"), NEW, control="circular", ok=True),
    "C11": lambda seen: seen.told(OUTAGE, VISITORS, control="unpinned"),
    "C12": lambda seen: _retold(seen, ";1.0;", ";2.0;", NEW),
    "C13": lambda seen: _reported(seen, success=False),
    "C14": lambda seen: seen.told(OUTAGE, CALLERS, control="long-overlap"),
    "C15": lambda seen: seen.told(OUTAGE, NEW, control="only-sydney-pinned"),
    "C16": lambda seen: seen.times(detect=181.0),
    "C18": lambda seen: seen.told(("01:20", "01:30"), NEW, ok=True),
    "C19": lambda seen: seen.told(("05:10", "05:40"), NEW, control="old-key-restored"),
    "C20": lambda seen: seen.told(("06:30", "07:00"), CALLERS),
    "C21": lambda seen: seen.never_defended("frozen"),
    "C22": lambda seen: seen.told(OUTAGE, CALLERS, control="ready"),
    "C23": lambda seen: _reported(seen, "repaired", success=True),
    "C24": lambda seen: _retold(seen, "manual-sydney-1", "managed-sydney-1", (*NEW, *VISITORS)),
    "C25": lambda seen: seen.never_defended("repaired"),
    "C26": lambda seen: seen.told(OUTAGE, TOKEN_COHORTS, control="off-peak"),
    "C28": lambda seen: seen.told(OUTAGE, VISITORS, ok=True),
}


# the others


def _told_controls(run: Run) -> Replays:
    """The surge of February 2026 with control runs made of its own record: the real ones are minutes of computing.

    They run in suites/incidents/test_azure_mi_2026_02.py, each as far as it has to.
    """
    own = run.history, run.result
    seen = Replays(run.result.experiment, {ITSELF: own, **dict.fromkeys(load(find(run.result.experiment)).controls, own)})
    for cure in ("no-retries", "jittered", "shedding"):
        seen = seen.told(mi.CURED, mi.NEW, control=cure, ok=True)
    return seen.told(("01:00", "06:55"), mi.NEW, control="nothing-done").told(
        ("05:30", "06:30"), mi.NEW, control="no-ramp", ok=True
    )


AD_HIT, AD_SPARED = (tuple(ad._cohorts(regions)) for regions in (ad.HIT, ad.SPARED))
AD: Mapping[str, Contradiction] = {
    "A1": lambda seen: seen.told(("19:00", "21:05"), AD_HIT, ok=True),
    "A2": lambda seen: seen.told(("19:10", "33:00"), AD_SPARED),
    "A3": lambda seen: seen.told(("19:51", "20:14"), ("apps-sydney",), ok=True),
    "A4": lambda seen: seen.told(("21:20", "23:00"), AD_HIT, ok=True),
    "A5": lambda seen: seen.told(("28:00", "34:00"), AD_HIT, ok=True),
    "A6": lambda seen: seen.told(("21:20", "23:00"), AD_HIT, control="uncached"),
    "A7": lambda seen: seen.never_defended("checked-first"),
}
MI: Mapping[str, Contradiction] = {
    "M1": lambda seen: seen.times(impact_start_s=None),
    "M2": lambda seen: seen.times(detect=60.0),
    "M3": lambda seen: seen.told(mi.AFTER_SCALE_UP, mi.WEST, ok=True),
    "M4": lambda seen: seen.told(("00:51", "01:30"), mi.NEW, ok=True),
    "M5": lambda seen: seen.told(mi.CURED, mi.NEW, control="no-retries"),
    "M6": lambda seen: seen.told(("02:00", "06:00"), mi.NEW, control="nothing-done", ok=True),
    "M7": lambda seen: seen.told(("06:10", "06:50"), mi.NEW),
    "M8": lambda seen: seen.told(("05:40", "06:20"), mi.NEW, control="no-ramp"),
    "M9": lambda seen: seen.told(mi.CURED, mi.NEW, control="shedding"),
}
NODES = nf.UNNAMED
NOT_FOUND: Mapping[str, Contradiction] = {
    "D1": lambda seen: seen.told(("06:10", "06:50"), NODES),
    "D2": lambda seen: seen.told(nf.AT_LAST, ("machines",), ok=True),
    "D3": lambda seen: seen.told(nf.AT_LAST, NODES, error="unauthorized_client"),
    "D5": lambda seen: seen.told(nf.AT_LAST, NODES, ok=True),
    "D6": lambda seen: seen.told(nf.HEALED, NODES),
    "D7": lambda seen: seen.told(("08:00", "30:00"), ("pods-naming",)),
    "D8": lambda seen: seen.told(("07:05", "07:25"), NODES, control="no-host-cache", ok=True),
    "D9": lambda seen: seen.told(nf.AT_LAST, NODES, control="another-add-on", ok=True),
    "D11": lambda seen: seen.told(("08:00", "30:00"), ("machines",), control="own-identity"),
    "D12": lambda seen: seen.told(("07:30", "08:30"), NODES),
    "D13": lambda seen: seen.never_defended("checked-first"),
}
CONTRADICTIONS = {"ftvr-l9z": FTVR, "azure-ad-2021-03-15": AD, "azure-mi-2026-02": MI, "identity-not-found": NOT_FOUND}
CLAIMS = {
    "ftvr-l9z": ftvr.CLAIMS,
    "azure-ad-2021-03-15": ad.CLAIMS,
    "azure-mi-2026-02": mi.CLAIMS,
    "identity-not-found": nf.CLAIMS,
}
OF_THEIR_OWN = {*THIN, "cloudflare-r2-2025-03-21", "entra-dns-2025-02-25"}  # files of tests
CASES = [
    pytest.param(name, claim, id=f"{name}-{claim.id}")
    for name, found in CONTRADICTIONS.items()
    for claim in CLAIMS[name]
    if claim.id in found
]


@pytest.fixture(scope="module")
def replays(brownout: Brownout) -> Callable[[str], Replays]:
    """By experiment the records of the run that its own tests share."""

    @cache
    def found(name: str) -> Replays:
        posture = load(find(name)).posture
        if name == "azure-mi-2026-02":
            return _told_controls(brownout.run(name, posture=posture, world="simulation", seed=1, controls=False))
        return recorded(brownout.run(name, posture=posture, world="simulation", seed=1))

    return found


def test_every_table_of_claims_has_contradictions() -> None:
    """A table of claims that is installed without them is refused here."""
    assert {entry.name for entry in installed("brownout.claims")} == {*CONTRADICTIONS, *OF_THEIR_OWN}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_every_claim_that_can_be_tested_has_a_contradiction(replays: Callable[[str], Replays], name: str) -> None:
    """None of them differs on the experiment's own record, and what cannot be tested says why."""
    found = replays(name).claims()
    assert {claim for claim in found if found[claim].status != "not-testable"} == set(CONTRADICTIONS[name])
    assert {found[claim].status for claim in CONTRADICTIONS[name]} == {"holds", "calibrated"}
    assert all(one.how for one in found.values() if one.status != "holds")


@pytest.mark.parametrize(("name", "claim"), CASES)
def test_a_record_that_contradicts_a_claim_makes_it_differ(
    replays: Callable[[str], Replays], name: str, claim: PublishedClaim
) -> None:
    """The control of each claim: were this recorded, the table would say that it differs."""
    assert CONTRADICTIONS[name][claim.id](replays(name)).status(claim) == "differs"
