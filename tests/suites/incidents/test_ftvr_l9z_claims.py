"""The claims of FTVR-L9Z: what turns a status, and that chance does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import ControlRun, Experiment
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import read_record
from brownout.harness.record.result import ClaimStatus
from brownout.harness.run.header import write_run_file
from brownout.harness.run.prepare import prepare_control
from brownout.harness.run.simulated import simulate
from brownout.suites.incidents import ftvr_l9z_claims as ftvr
from brownout.suites.incidents.evidence import Counted

SEEDS = range(1, 101)
BLOCKS = 4  # so that two workers share them
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


def test_the_alert_of_the_detection_claim_is_the_experiments() -> None:
    """The claim waits for as many failures as the alert does, of the same cohorts."""
    alert = load(find("ftvr-l9z")).alerts["identity-service"]
    assert (tuple(alert.of.cohorts), alert.at_least) == (ftvr.WATCHED, ftvr.FAILURES_NEEDED)


@pytest.fixture(scope="module")
def thin() -> Experiment:
    """The incident with a control run that is the run itself under a thinner load."""
    incident = load(find("ftvr-l9z"))
    control = ControlRun(posture=incident.posture, load_scale=THIN)
    return incident.model_copy(update={"controls": {"thin": control}})


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_seed_turns_a_claim(thin: Experiment, tmp_path: Path, block: int) -> None:
    """Over a hundred seeds no claim differs: each holds, or says that it is not decided."""
    found: Counter[tuple[str, ClaimStatus]] = Counter()
    for seed in SEEDS[block::BLOCKS]:
        folder = tmp_path / str(seed)
        run = prepare_control(thin, "thin", seed=seed)
        write_run_file(folder, run)
        simulate(run, folder)
        record = read_record(folder)
        found.update((claim.id, claim.status) for claim in ftvr.claims(record.history, evaluate_record(record), {}))
    assert not [claim for claim in found if claim[1] == "differs"], found
    decided = {claim for claim, status in found if status in ("holds", "calibrated")}
    assert {"C1", "C2", "C7", "C9", "C12", "C13", "C16", "C18", "C20", "C24", "C28"} <= decided
