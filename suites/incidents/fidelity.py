"""Writes the fidelity table of an incident's page: published figures beside measured ones, by world.

    python -m brownout.suites.incidents.fidelity                              the simulation's column, from a fresh run
    python -m brownout.suites.incidents.fidelity --world processes RUN_DIR    another world's column, from a run that you made

Both take `--experiment NAME` for another incident than FTVR-L9Z.

The table is between two markers in the page; nothing else is changed. Each command renews one column and the wording of the
claims; the other columns are read back from the page. The same code with the same seed gives the same bytes.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from brownout.harness.api import Options, run
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.experiment.loader import find, load
from brownout.harness.judge.run_folder import read_result
from brownout.harness.record.result import ClaimResult, Result
from brownout.harness.worlds.catalog import SIMULATION, WORLDS

EXPERIMENT = "ftvr-l9z"
SEED = 1
PAGES = Path(__file__).resolve().parents[2] / "docs" / "incidents"
PAGE = PAGES / f"{EXPERIMENT}.md"
BEGIN, END = "<!-- fidelity: begin -->", "<!-- fidelity: end -->"
HEAD = ("claim", "what was published", "published", *(word for world in WORLDS for word in (world, "status")))
NOTES_HEAD = "How each was measured (figures of the simulation):"
NOT_RUN = ("not run", "–")
_CELL = re.compile(r"(?<!\\)\|")
_CLAIM = re.compile(r"\| [A-Z][\d.]+ \|")
_NOTE = re.compile(r"- [A-Z][\d.]+: ")
_SUMMARY = re.compile(rf"^- ({'|'.join(WORLDS)}): (.*)$", re.MULTILINE)

WorldColumn = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """The table as data. Columns map a claim's id to its measured text and status; summaries are a line per world."""

    claims: tuple[ClaimResult, ...]
    columns: Mapping[str, WorldColumn]
    summaries: Mapping[str, str]


def simulate(experiment: str = EXPERIMENT) -> Result:
    """The experiment in the simulation with its own posture, all control runs included."""
    with tempfile.TemporaryDirectory(prefix="brownout-fidelity-") as folder:
        options = Options(world=SIMULATION, seed=SEED, out=Path(folder))
        return run(load(find(experiment)), options).result


def recorded(folder: Path, world: str, experiment: str = EXPERIMENT) -> Result:
    """The result of a run folder; raises UsageError unless it is a finished run of this experiment in that world."""
    result = read_result(folder)
    if result is None:
        raise UsageError(f"{folder} has no result.json", hint="name the folder that a run printed")
    if (result.experiment, result.world) != (experiment, world):
        raise UsageError(f"{folder} is a run of {result.experiment} in {result.world}, not of {experiment} in {world}")
    if not result.claims:
        raise UsageError(f"{folder} has no claims", hint="they are checked for a finished run of the incident's posture")
    return result


def column_of(result: Result) -> WorldColumn:
    """A result's column, as the page shows it."""
    return {claim.id: (_cell(_measured(claim)), claim.status) for claim in result.claims}


def _measured(claim: ClaimResult) -> str:
    return f"{claim.measured}, bounds {claim.interval}" if claim.interval else claim.measured


def column_in(page: str, world: str) -> WorldColumn:
    """A world's column as the page has it; empty when the page has none."""
    found = _between(page)
    head = next((tuple(map(str.strip, line.split("|")[1:-1])) for line in found.splitlines() if line.startswith("| claim")), ())
    if world not in head:
        return {}
    at = head.index(world)
    return {row[0]: (row[at], row[at + 1]) for row in _rows(found, len(head))}


def renewed(page: str, result: Result) -> str:
    """The page with the column of the result's world renewed."""
    inside = _between(page)
    table = Table(
        claims=result.claims,
        columns={world: column_in(page, world) for world in WORLDS} | {result.world: column_of(result)},
        summaries=dict(_SUMMARY.findall(inside)) | {result.world: _summary(result)},
    )
    notes = _notes(result.claims) if result.world == SIMULATION else _notes_in(inside)
    return _with(page, _table_lines(table), notes)


def _between(page: str) -> str:
    """The text between the markers; raises UsageError without them."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise UsageError(f"the page needs one line {BEGIN} and one line {END}")
    return page.partition(BEGIN)[2].partition(END)[0]


def _with(page: str, lines: Sequence[str], notes: Sequence[str]) -> str:
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return "\n".join((f"{before}{BEGIN}", *lines, "", *notes, f"{END}{after}"))


def _rows(text: str, width: int) -> Iterable[tuple[str, ...]]:
    for line in text.splitlines():
        if _CLAIM.match(line):
            cells = tuple(cell.strip() for cell in _CELL.split(line)[1:-1])
            if len(cells) == width:
                yield cells


def _summary(result: Result) -> str:
    holds = sum(claim.status == "holds" for claim in result.claims)
    differs = sum(claim.status == "differs" for claim in result.claims)
    return (
        f"seed {result.seed}, clock rate {result.clock_rate:g}, verdict {result.verdict}; "
        f"of {len(result.claims)} claims {holds} hold and {differs} differ"
    )


def _table_lines(table: Table) -> list[str]:
    summaries = [f"- {world}: {table.summaries.get(world, 'not run')}" for world in WORLDS]
    head = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    return [*summaries, "", *head, *(_row(claim, table.columns) for claim in table.claims)]


def _row(claim: ClaimResult, columns: Mapping[str, WorldColumn]) -> str:
    measured = [text for world in WORLDS for text in columns[world].get(claim.id, NOT_RUN)]
    return f"| {' | '.join((claim.id, _cell(claim.text), _cell(claim.published), *measured))} |"


def _notes(claims: Iterable[ClaimResult]) -> list[str]:
    return [NOTES_HEAD, "", *(f"- {claim.id}: {_cell(claim.how)}" for claim in claims if claim.how)]


def _notes_in(inside: str) -> list[str]:
    """The notes of the page. They quote figures of the simulation."""
    found = [line for line in inside.splitlines() if _NOTE.match(line)]
    return [NOTES_HEAD, "", *found] if found else []


def _cell(text: str) -> str:
    """Text escaped for a cell of a Markdown table."""
    plain = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    return " ".join(plain.split())


@click.command()
@click.option("--world", type=click.Choice(WORLDS), default="simulation", show_default=True)
@click.option("--experiment", default=EXPERIMENT, show_default=True, help="The incident.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), default=None, help="The page to write into.")
@click.argument("run_dir", required=False, type=click.Path(path_type=Path))
def main(world: str, experiment: str, page: Path | None, run_dir: Path | None) -> None:
    """Renew one column of the fidelity table: from RUN_DIR, or for the simulation from a fresh run when none is named."""
    try:
        if run_dir is None and world != "simulation":
            raise UsageError("name the folder of a run", hint=f"brownout run {experiment} --world {world}")
        page = page or PAGES / f"{experiment}.md"
        result = simulate(experiment) if run_dir is None else recorded(run_dir, world, experiment)
        page.write_text(renewed(page.read_text(encoding="utf-8"), result), encoding="utf-8")
    except BrownoutError as error:
        click.echo(f"{error}", err=True)
        sys.exit(error.exit_code)
    click.echo(f"{page.name}, {world}: {_summary(result)}")


if __name__ == "__main__":
    main()
