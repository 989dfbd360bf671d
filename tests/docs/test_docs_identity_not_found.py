"""The page of the second identity says what the code does today."""

from __future__ import annotations

from brownout.harness.experiment.loader import find, load
from brownout.harness.pytest_plugin.runs import Brownout
from brownout.suites.incidents.fidelity import PAGES, SEED, column_in, column_of
from support.docs_pages import section

NAME = "identity-not-found"
PAGE = PAGES / f"{NAME}.md"


def test_the_page_has_todays_figures(brownout: Brownout) -> None:
    """The simulation's column is what the code gives, and the statuses on processes are the same."""
    run = brownout.run(NAME, posture="as-of-2020-05", world="simulation", seed=SEED)
    page = PAGE.read_text(encoding="utf-8")
    assert column_in(page, "simulation") == column_of(run.result)
    told = {claim: status for claim, (_, status) in column_in(page, "processes").items()}
    assert told == {claim.id: claim.status for claim in run.result.claims}


def test_the_page_lists_every_posture_with_its_verdict() -> None:
    """The table of postures is the experiment's."""
    rows = [line.split("|")[1:-1] for line in section(PAGE, "Postures").splitlines() if line.startswith("| `")]
    told = {row[0].strip().strip("`"): row[2].strip() for row in rows}
    assert told == {name: posture.expect for name, posture in load(find(NAME)).postures.items()}
