"""The claims of FTVR-L9Z: what turns a status, and that chance does not."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from brownout.harness.experiment.loader import find, load
from brownout.harness.record.result import ClaimStatus
from brownout.suites.incidents import claims_over_seeds
from brownout.suites.incidents import ftvr_l9z_claims as ftvr
from brownout.suites.incidents.claims_over_seeds import Statuses, scaled, statuses, table
from brownout.suites.incidents.evidence import Counted
from brownout.suites.incidents.published_claims import status_of

SEEDS = range(1, 17)
THIN = 0.12  # of the load: chance turns figures of few requests most, and the run is over sooner


@pytest.mark.parametrize(
    ("bad", "total", "status"),
    [
        (0, 9000, "differs"),
        (150, 9000, "differs"),
        (200, 9000, "not-decided"),
        (264, 9000, "calibrated"),
        (360, 9000, "not-decided"),
        (400, 9000, "differs"),
        (2700, 9000, "differs"),
        (3, 100, "not-decided"),
    ],
)
def test_a_calibrated_claim_differs_outside_its_range(bad: int, total: int, status: ClaimStatus) -> None:
    """A share far from the published 3 % is not excused by the parameter that was chosen for it."""
    assert ftvr._in_range(Counted(total, bad), ftvr.AROUND_3_PERCENT) == status


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [(250, 250, "holds"), (250, 300, "holds"), (225, 325, "not-decided"), (50, 450, "differs"), (450, 50, "differs")],
)
def test_shares_are_alike_within_a_margin(one: int, other: int, status: ClaimStatus) -> None:
    """The bounds of both decide; a margin between them keeps chance from telling equal shares apart."""
    assert ftvr._alike(Counted(500, one), Counted(500, other)) == status
    assert ftvr._alike(Counted(20, 10), Counted(20, 10)) == "not-decided"


@pytest.mark.parametrize(
    ("total", "bad", "all_bad", "none_bad"), [(0, 0, False, False), (2, 0, False, True), (2, 2, True, False)]
)
def test_of_no_request_nothing_is_said(total: int, bad: int, all_bad: bool, none_bad: bool) -> None:
    """Neither that all failed nor that none did."""
    found = Counted(total, bad)
    assert (found.all_bad, found.none_bad) == (all_bad, none_bad)


def test_the_alert_of_the_detection_claim_is_the_experiments() -> None:
    """The claim waits for as many failures as the alert does, of the same cohorts."""
    alert = load(find("ftvr-l9z")).alerts["identity-service"]
    assert (tuple(alert.of.cohorts), alert.at_least) == (ftvr.WATCHED, ftvr.FAILURES_NEEDED)


@pytest.mark.slow
def test_no_seed_turns_a_claim() -> None:
    """No claim differs by chance: each holds, or says that it is not decided. The command does it over a thousand seeds."""
    thin = scaled(load(find("ftvr-l9z")), THIN)
    found = sum((statuses(thin, seed) for seed in SEEDS), Counter())
    assert found.total() == len(ftvr.CLAIMS) * len(SEEDS), "each claim has one status in each run"
    assert sum(count for (_, status), count in found.items() if status == "holds") > found.total() / 4, "few are undecided"
    assert not [claim for claim in found if claim[1] == "differs"], found


def test_the_table_over_seeds_counts_each_claim() -> None:
    """One row for a claim, in their order, with each of its statuses."""
    found: Statuses = Counter({("C10", "holds"): 2, ("C2", "holds"): 1, ("C2", "differs"): 1})
    assert table(found).splitlines()[2:] == ["| C2 | differs: 1, holds: 1 |", "| C10 | holds: 2 |"]


def test_a_claim_that_differs_fails_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its exit code is 1, and the table names the claim."""
    for status, code in (("holds", 0), ("differs", 1)):
        monkeypatch.setattr(claims_over_seeds, "over_seeds", lambda *_, status=status, **__: Counter({("C5", status): 3}))
        assert claims_over_seeds.main(["--seeds", "3"]) == code
        assert f"| C5 | {status}: 3 |" in capsys.readouterr().out


class _Failovers:
    """Evidence of two runs in which new machines were moved to the paired region: how many of ten requests failed."""

    def __init__(self, here: int, elsewhere: int = 0) -> None:
        self._here, self._elsewhere = here, elsewhere

    def of(self, control: str) -> _Failovers:
        assert control == "only-sydney-pinned"
        return _Failovers(self._elsewhere)

    def during(self, step: str, cohorts: list[str]) -> Counted:
        assert (step, cohorts) == ("fail-over-region", ["newly-scaled"])
        return Counted(10, self._here)


@pytest.mark.parametrize(
    ("here", "elsewhere", "status"), [(10, 0, "holds"), (9, 0, "differs"), (0, 0, "differs"), (10, 1, "differs")]
)
def test_the_pair_used_the_old_key_too_or_did_not(here: int, elsewhere: int, status: ClaimStatus) -> None:
    """C15 holds where all failed in the pair and none would have with one region pinned, and differs otherwise."""
    seen: Any = _Failovers(here, elsewhere)
    assert ftvr._pair(seen).status == status


def test_a_claim_that_is_not_so_differs() -> None:
    """The two statuses that are measured are told apart."""
    assert (status_of(True), status_of(False)) == ("holds", "differs")
