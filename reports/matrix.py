"""The matrix as text: a table for the terminal, and the page of the docs.

Both turn it on its side, because there are more calls than events: a line for each call, a column for each event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from brownout.harness.errors import UsageError
from brownout.harness.record.matrix import Matrix, MatrixCell, MatrixRow
from brownout.reports.terminal import console_on

BEGIN, END = "<!-- matrix: begin -->", "<!-- matrix: end -->"
WORKS, UNMEASURED = "ok", "?"
_BETWEEN = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)


def table(matrix: Matrix, stream: TextIO) -> None:
    """Prints the matrix of each region's clients, then each call that does not work, with all that is known (entry point)."""
    out = console_on(stream)
    for region in matrix.regions:
        out.print(_overview(matrix, region))
        out.print()
    for number, row in enumerate(matrix.rows):
        out.print(Text(f"{number}  {row.event}: {row.title}", style="bold"), soft_wrap=True)
        if not row.in_force:
            out.print(Text(f"   not measured, it was not in force: {'; '.join(row.evidence)}", style="yellow"), soft_wrap=True)
        for cell in row.cells:
            if cell.outcome != "works":
                out.print(Text(f"   {cell.region:<10} {cell.call:<25} {told(cell)}"), soft_wrap=True)


def _overview(matrix: Matrix, region: str) -> Table:
    found = Table(title=f"clients in {region}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("call \\ event", no_wrap=True)
    for number, _ in enumerate(matrix.rows):
        found.add_column(str(number), no_wrap=True)
    for call in matrix.calls:
        cells = (matrix.cell(row.event, call, region) for row in matrix.rows)
        found.add_row(call, *(Text(mark(cell), style=_style(cell)) for cell in cells))
    return found


def _style(cell: MatrixCell | None) -> str:
    return "yellow" if cell is None else "green" if cell.outcome == "works" else "bold red"


def mark(cell: MatrixCell | None) -> str:
    """A cell in a word: `ok`, the status of a refusal, what a client met that got no answer, `?` for what was not measured."""
    if cell is None:
        return UNMEASURED
    return WORKS if cell.outcome == "works" else str(cell.status) if cell.status else _short(cell.error)


def _short(error: str) -> str:
    return {"nxdomain": "name", "timeout": "late"}.get(error, error)


def told(cell: MatrixCell) -> str:
    """A cell in full: the answer, attempts, time, who served it, whether it had an effect."""
    answer = f"{cell.status} {cell.error}".strip() if cell.status else f"no answer: {cell.error}"
    tries = f"{cell.attempts} attempts in {_seconds(cell)} s" if cell.attempts > 1 else f"{_seconds(cell)} s"
    served = f", by {' > '.join(cell.served_by)}" if cell.served_by else ""
    return f"{answer}, {tries}{served}{', and it had taken effect' if cell.took_effect else ''}"


def _seconds(cell: MatrixCell) -> str:
    """As exact as is of use: a page of a seed stays as it is when nodes take a millisecond more."""
    took_s = cell.latency_ms / 1000
    return "<0.1" if took_s < 0.1 else f"{took_s:.1f}" if took_s < 10 else f"{took_s:.0f}"


class MatrixPage:
    """A page of Markdown with a place for the matrix (entry point); raises UsageError for a text without the two markers."""

    def __init__(self, text: str) -> None:
        if _BETWEEN.search(text) is None:
            raise UsageError("the page has no place for the matrix", hint=f"two lines, {BEGIN} and {END}")
        self._text = text

    def with_matrix(self, matrix: Matrix) -> str:
        """The page with this matrix in its place."""
        return _BETWEEN.sub(lambda _: "\n".join([BEGIN, "", *_markdown(matrix), END]), self._text)


def _markdown(matrix: Matrix) -> Iterator[str]:
    """The lines of all tables."""
    yield f"Seed {matrix.seed}, control plane in {matrix.home}, up to {matrix.attempts} attempts of a call."
    yield ""
    for number, row in enumerate(matrix.rows):
        yield f"- **{number}** `{row.event}`: {row.title}"
    for region in matrix.regions:
        yield from ("", f"### Clients in {region}", "")
        yield f"| call | {' | '.join(str(number) for number, _ in enumerate(matrix.rows))} |"
        yield f"|---|{'---|' * len(matrix.rows)}"
        for call, title in matrix.calls.items():
            marks = (mark(matrix.cell(row.event, call, region)) for row in matrix.rows)
            yield f"| {title} | {' | '.join(marks)} |"
    for number, row in enumerate(matrix.rows):
        yield from ("", f"### {number}: {row.title}", "")
        yield from _row(matrix, row)
    yield ""


def _row(matrix: Matrix, row: MatrixRow) -> Iterator[str]:
    """One event: its faults, and every cell."""
    for fault, seen in zip(row.faults, row.evidence, strict=True):
        yield f"- {fault}. Seen: {seen.partition(' (')[0]}"
    if row.faults:
        yield ""
    if not row.in_force:
        yield "Not in force, so not measured."
        return
    yield "| call | clients in | answer | attempts | seconds | served by |"
    yield "|---|---|---|---|---|---|"
    for cell in row.cells:
        answer = f"{cell.status} {cell.error}".strip() if cell.status else f"none: {cell.error}"
        answer += {None: "", True: "; it had taken effect", False: "; it had no effect"}[cell.took_effect]
        served = " > ".join(map(_without_zone, cell.served_by)) or "-"
        yield f"| {matrix.calls[cell.call]} | {cell.region} | {answer} | {cell.attempts} | {_seconds(cell)} | {served} |"


def _without_zone(node: str) -> str:
    """Nodes of the zones of a region take turns, so that which of them it was is chance."""
    return ".".join(node.split(".")[:2])
