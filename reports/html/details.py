"""The second half of the page: the evidence for the verdict, for checking it or repeating the run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from brownout.harness.record.history import Event
from brownout.harness.record.result import PhaseResult, Result
from brownout.reports.html.sections import badge, section
from brownout.reports.markup import Column, Html, el, join, table
from brownout.reports.units import clock, count, duration, milliseconds, percent

MOST_EVENTS = 2000


def phases(result: Result) -> Html | None:
    """The outcomes of every cohort in every phase."""
    if not result.phases:
        return None
    columns = (
        Column("Cohort"), Column("Operation"), Column("Region"), Column("Requests", "number"), Column("Good", "number"),
        Column("Refused", "number"), Column("Unknown", "number"), Column("p50", "number"), Column("p99", "number"),
        Column("Longest outage", "number"),
    )  # fmt: skip
    return section("phases", "Phases, cohort by cohort", *(_phase(phase, columns) for phase in result.phases))


def _phase(phase: PhaseResult, columns: Sequence[Column]) -> Html:
    seconds = phase.end_s - phase.start_s < 300
    span = f"{clock(phase.start_s, seconds=seconds)} – {clock(phase.end_s, seconds=seconds)}"
    title = f"{phase.name}, {span} ({duration(phase.end_s - phase.start_s)})"
    rows = [
        (s.cohort, s.operation, s.region, count(s.total), percent(s.good / s.total if s.total else None), count(s.refused),
         count(s.unknown), milliseconds(s.p50_ms), milliseconds(s.p99_ms), duration(s.longest_outage_s))
        for s in phase.shares
    ]  # fmt: skip
    content = table(title, columns, rows) if rows else el("p", "No requests in this phase.", class_="note")
    return el("details", el("summary", title), content, open=phase.name == "fault")


def gates(result: Result) -> Html:
    """The conditions under which the verdict means anything."""
    if not result.gates:
        return section("gates", "Gates", el("p", "No gate was evaluated.", class_="note"))
    rows = [(g.name, badge("passed" if g.passed else "failed"), g.reason, "–" if g.passed else g.severity.replace("-", " "))
            for g in result.gates]  # fmt: skip
    columns = (Column("Gate"), Column("Status"), Column("Measured", "prose wide"), Column("Makes the run"))
    return section("gates", "Gates: may this verdict be trusted?", table("Gates", columns, rows))


def event_log(events: Sequence[Event]) -> Html:
    """The recorded events, collapsed, with a filter where scripts run."""
    if not events:
        return section("events", "Event log", el("p", "No events were recorded.", class_="note"))
    shown = events[:MOST_EVENTS]
    left = len(events) - len(shown)
    kinds = sorted({event.kind for event in shown})
    options = [el("option", "every kind", value=""), *(el("option", kind, value=kind) for kind in kinds)]
    controls = el(
        "div",
        el("label", "Find ", el("input", type="search", id="event-text", autocomplete="off")),
        el("label", "Kind ", el("select", *options, id="event-kind")),
        el("output", id="event-count", aria_live="polite"),
        class_="controls script-only",
    )
    columns = (Column("At", "number"), Column("Kind"), Column("What"), Column("Whom", "prose"), Column("Detail", "prose wide"))
    rows = [(clock(e.at_s, seconds=True), e.kind, e.what, e.subject, _pairs(e.detail)) for e in shown]
    note = el("p", f"{count(left)} later events are in events.jsonl.", class_="note") if left else None
    log = table("Events in the order recorded", columns, rows, class_="events")
    closed = el("details", el("summary", f"{count(len(events))} events"), controls, log, note)
    return section("events", "Event log", closed)


def _pairs(detail: Mapping[str, Any]) -> Html:
    parts = (join([el("b", name), f" {_plain(value)}"]) for name, value in sorted(detail.items()) if value not in (None, ""))
    return join(parts, " · ")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def repeat(result: Result, folder: Path) -> Html:
    """The command that repeats the run, and where its raw data are."""
    command = el("div", el("pre", el("code", result.command, id="command"), tabindex=0),
                 el("button", "Copy", type="button", id="copy", class_="script-only"), class_="command")  # fmt: skip
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix in {".json", ".jsonl", ".yaml"})
    return section(
        "repeat", "Repeat this run",
        command,
        table("Identity of this run", (Column("What"), Column("Value", "prose wide")), list(_identity(result))),
        _parameters(result),
        el("p", "Raw data beside this file: ", join((el("code", name) for name in names), ", "), ".", class_="note"),
    )  # fmt: skip


def _identity(result: Result) -> Iterator[Sequence[object]]:
    yield "Seed", el("code", result.seed)
    yield "Digest of the history", el("code", result.digest)
    yield "World and clock rate", f"{result.world}, ×{result.clock_rate:g}"
    yield "Posture", result.posture
    yield "Started", result.started_at
    yield "Wall time", duration(result.wall_s)
    yield "Exit code", result.exit_code
    for name, at_s in result.alerts.items():
        yield f"Alert {name}", f"fired at {clock(at_s, seconds=True)}" if at_s is not None else "did not fire"
    for name, version in sorted(result.versions.items()):
        yield f"Version of {name}", version


def _parameters(result: Result) -> Html | None:
    if not result.parameters:
        return None
    rows = [(el("code", name), _plain(value)) for name, value in sorted(result.parameters.items())]
    columns = (Column("Parameter"), Column("Value", "prose wide"))
    return el("details", el("summary", "Parameters of the stack"), table("Parameters of the stack", columns, rows))
