"""The page of Cloudflare's R2 incident says what the code does today."""

from __future__ import annotations

from brownout.harness.experiment.loader import find, load
from brownout.harness.pytest_plugin.runs import Brownout
from brownout.suites.incidents.fidelity import PAGES, SEED, column_in, column_of
from support.docs_pages import section

NAME = "cloudflare-r2-2025-03-21"
PAGE = PAGES / f"{NAME}.md"


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables of a section."""
    lines = (line for line in section(PAGE, heading).splitlines() if line.startswith("| `"))
    return [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in lines]


def test_the_page_has_todays_figures(brownout: Brownout) -> None:
    """The simulation's column is what the code gives, of the run that the incident's own tests share."""
    run = brownout.run(NAME, posture="as-of-2025-03", world="simulation", seed=SEED).expect("breach")
    assert column_in(PAGE.read_text(encoding="utf-8"), "simulation") == column_of(run.result)


def test_the_page_lists_every_posture_with_its_verdict() -> None:
    """The table of postures is the experiment's."""
    told = {row[0]: row[2] for row in rows("The model")}
    assert told == {name: posture.expect for name, posture in load(find(NAME)).postures.items()}


def test_the_page_names_every_calibrated_parameter() -> None:
    """What was chosen to agree is said to be."""
    assert {row[0] for row in rows("What agrees because it was chosen")} == set(load(find(NAME)).calibrated)


def test_the_page_names_every_step_at_its_time() -> None:
    """The table of the evening is the schedule's."""
    page = PAGE.read_text(encoding="utf-8")
    for step in load(find(NAME)).schedule:
        at = f"{int(step.at) // 3600}:{int(step.at) % 3600 // 60:02}"
        assert any(line.startswith(f"| {at} |") and f"`{step.name}`" in line for line in page.splitlines()), step.name
