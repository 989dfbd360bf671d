"""The incident's page says what the code does today, and the command that writes its table keeps to its part."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from brownout.harness.pytest_plugin.runs import Brownout, Run
from brownout.suites.incidents.fidelity import (
    BEGIN,
    END,
    EXPERIMENT,
    PAGE,
    PAGES,
    SEED,
    column_in,
    column_of,
    main,
    renewed,
)
from support.docs_pages import DOCS, keys_in, section

CLAIMS_OF = {
    "aws-iam-2021-08-26": "aws_iam_2021_claims",
    "aws-us-east-1-2025-10-20": "aws_us_east_1_2025_claims",
    "link-cut": "link_cut_claims",
}


@pytest.fixture(scope="module")
def incident(brownout: Brownout) -> Run:
    """The incident in the simulation, shared with the incident's own tests."""
    return brownout.run(EXPERIMENT, posture="as-of-2024-07", world="simulation", seed=SEED)


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_has_todays_figures(incident: Run) -> None:
    """The simulation's column is what the code gives (`python -m brownout.suites.incidents.fidelity` renews it)."""
    assert column_in(page(), "simulation") == column_of(incident.result)


@pytest.mark.slow  # with all their control runs: a minute and a half of a processor
@pytest.mark.parametrize("name", CLAIMS_OF)
def test_the_pages_of_aws_have_todays_figures(name: str, brownout: Brownout) -> None:
    """The same of AWS's events, each with its control runs."""
    result = brownout.run(name, world="simulation", seed=SEED).result
    assert column_in((PAGES / f"{name}.md").read_text(encoding="utf-8"), "simulation") == column_of(result)
    assert not [claim.id for claim in result.claims if claim.status == "differs"]


@pytest.mark.parametrize("name", CLAIMS_OF)
def test_the_pages_of_aws_name_every_claim(name: str) -> None:
    """No claim is left out of a page, and none is there that the code does not check."""
    module = import_module(f"brownout.suites.incidents.{CLAIMS_OF[name]}")
    assert [*column_in((PAGES / f"{name}.md").read_text(encoding="utf-8"), "simulation")] == [
        claim.id for claim in module.CLAIMS
    ]


@pytest.mark.parametrize("world", ["processes", "compose"])
def test_the_page_has_a_run_in_every_world(incident: Run, world: str) -> None:
    """The other columns are filled, and their statuses are the simulation's: no claim holds in one world only."""
    column = column_in(page(), world)
    assert {claim: status for claim, (_, status) in column.items()} == {
        claim.id: claim.status for claim in incident.result.claims
    }


def test_renewing_a_column_leaves_the_rest_as_it_is(incident: Run) -> None:
    """The same result gives the same page; one of the other world changes that world's column and nothing else."""
    fresh = renewed(page(), incident.result)
    assert renewed(fresh, incident.result) == fresh
    first, *others = incident.result.claims
    changed = (first.model_copy(update={"measured": "a | b", "status": "differs"}), *others)
    elsewhere = renewed(fresh, incident.result.model_copy(update={"world": "processes", "claims": changed}))
    assert column_in(elsewhere, "simulation") == column_in(fresh, "simulation")
    assert column_in(elsewhere, "processes")["C1"] == ("a \\| b", "differs")
    assert elsewhere.partition(BEGIN)[0] == page().partition(BEGIN)[0]
    assert elsewhere.partition(END)[2] == page().partition(END)[2]


def test_the_command_fills_an_empty_page_from_a_run_folder(incident: Run, tmp_path: Path) -> None:
    """Between the markers comes the table, with a column that says `not run`; what is around them stays."""
    empty = tmp_path / "page.md"
    empty.write_text(f"before\n\n{BEGIN}\n{END}\n\nafter\n", encoding="utf-8")
    main.main(["--page", str(empty), str(incident.folder)], standalone_mode=False)
    told = empty.read_text(encoding="utf-8")
    assert told.startswith(f"before\n\n{BEGIN}\n")
    assert told.endswith(f"{END}\n\nafter\n")
    assert column_in(told, "simulation") == column_of(incident.result)
    assert set(column_in(told, "processes").values()) == {("not run", "–")}


def test_the_command_refuses_what_it_cannot_use(incident: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No run folder, one of another world and a page without markers are bad usage, and no page is touched."""
    bare = tmp_path / "bare.md"
    bare.write_text("no markers\n", encoding="utf-8")
    before = PAGE.read_bytes()
    wrong = (
        ["--world", "processes"],
        [str(tmp_path)],
        ["--world", "processes", str(incident.folder)],
        ["--page", str(bare), str(incident.folder)],
    )
    for arguments in wrong:
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        assert ended.value.code == 2, arguments
        assert capsys.readouterr().err, arguments
    assert PAGE.read_bytes() == before
    assert bare.read_text(encoding="utf-8") == "no markers\n"


def test_every_gate_is_explained(incident: Run) -> None:
    """Each gate that a run has is a row of the table."""
    known = keys_in(section(DOCS / "reading-a-verdict.md", "Gates"))
    assert {gate.name for gate in incident.result.gates} <= known
