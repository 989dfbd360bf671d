"""The table of docs/benchmarks.md, made from the results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import Benchmark, Report, Row, read_report

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEFORE = "before"  # a folder of the results: the same benchmarks on an earlier commit, taken in the same session
BEGIN, END = "<!-- figures: made by `python -m benchmarks table` -->", "<!-- end of figures -->"


def write_table(page: Path, benchmarks: Mapping[str, Benchmark[Any]], results: Path) -> None:
    """Puts the figures between the page's marks; raises ValueError when it has none, FileNotFoundError without results."""
    head, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no marks for the table")
    sections = "\n\n".join(section(each, results) for each in benchmarks.values() if (results / f"{each.name}.json").exists())
    if not sections:
        raise FileNotFoundError("there are no results: `python -m benchmarks` makes them")
    page.write_text(f"{head}{BEGIN}\n\n{sections}\n\n{END}{tail}", encoding="utf-8")


def section(benchmark: Benchmark[Any], results: Path) -> str:
    """One benchmark: what it is, its figures, where they were taken and how to repeat them.

    A report in the folder `before` gives its figures a column of their own, matched by what each of them measures.
    """
    name = f"{benchmark.name}.json"
    report = read_report(results / name, benchmark.figures)
    rows = benchmark.rows(report.figures)
    earlier: dict[str, str] | None = None
    if (results / BEFORE / name).exists():
        figures = read_report(results / BEFORE / name, benchmark.figures).figures
        earlier = {row.what: row.value for row in benchmark.rows(figures)}
    return f"### {benchmark.title}\n\n{benchmark.about}\n\n{_table(rows, earlier)}\n\n{_origin(report)}"


def plain(rows: Iterable[Row]) -> str:
    """The same figures for a terminal, without the Markdown."""
    listed = tuple(rows)
    width = max(len(row.what) for row in listed)
    return "\n".join(f"  {row.what:<{width}}  {row.value}{_aim(row)}" for row in listed)


def _aim(row: Row) -> str:
    return f"  [aim: {row.aim}]" if row.aim else ""


def _table(rows: Iterable[Row], earlier: Mapping[str, str] | None) -> str:
    if earlier is None:
        head = ("| figure | median (lowest to highest) | aim |", "|---|---|---|")
        return "\n".join((*head, *(f"| {_label(row)} | {row.value} | {row.aim} |" for row in rows)))
    head = ("| figure | before | now, median (lowest to highest) | aim |", "|---|---|---|---|")
    return "\n".join((*head, *(f"| {_label(row)} | {earlier.get(row.what, '')} | {row.value} | {row.aim} |" for row in rows)))


def _label(row: Row) -> str:
    return row.what.replace("- ", "&nbsp;&nbsp;", 1)


def _origin(report: Report) -> str:
    machine = report.machine
    where = f"{machine.cores} cores, {machine.system}, Python {machine.python}, load average {machine.busy_before:g} before"
    return f"`{report.command}` ({report.took_s:.0f} s; {where})"
