"""The top chart: a labelled row for the phases, then one for each lane."""

from __future__ import annotations

from collections.abc import Sequence

from brownout.harness.record.result import Result
from brownout.reports import story
from brownout.reports.buckets import RequestSlices
from brownout.reports.html.bokeh_document import Model, field, source, value
from brownout.reports.html.canvas import Figure, add_hint, hidden_axis, written
from brownout.reports.html.lanes import Lane, lanes
from brownout.reports.units import clock

_ROW_PX = 22
_NARROWEST_NAMED_PHASE = 0.03
_PX_A_LETTER = 6.4
_LONG_ENOUGH_TO_WRITE_ON = 0.4


def lanes_figure(result: Result, lines: RequestSlices, time_range: Model, cursor: Model) -> Figure:
    """The chart: the phases in the first row, then a row per lane."""
    rows = lanes(result, lines)
    y_range = Model("Range1d", start=len(rows) + 0.6, end=-0.6)
    fig = Figure(time_range, cursor, 36 + _ROW_PX * (len(rows) + 1), y_range, hidden_axis())
    _phase_row(fig, result, lines)
    numbered = list(enumerate(rows, 1))
    for colour in sorted({lane.colour for lane in rows}):
        same = [(y, lane) for y, lane in numbered if lane.colour == colour]
        _bars(fig, [(y, lane) for y, lane in same if lane.end_s > lane.start_s], colour)
        _points(fig, [(y, lane) for y, lane in same if lane.end_s <= lane.start_s], colour)
    _labels(fig, numbered, lines)
    return fig


def _phase_row(fig: Figure, result: Result, lines: RequestSlices) -> None:
    """Phases side by side; the name only where it has room."""
    span_s = lines.end_s - lines.start_s
    for index, phase in enumerate(story.phases(result)):
        rows = _phase_source(phase, lines)
        alpha = (0.16, 0.32)[index % 2]
        tags = ["fill_color=soft", "line_color=paper"]
        add_hint(fig, fig.draw(rows, _bar(0.8, alpha, tags)))
        if phase.end_s - phase.start_s >= _NARROWEST_NAMED_PHASE * span_s:
            share = (phase.end_s - phase.start_s) / span_s
            needed = f"needs-px:{round((_PX_A_LETTER * len(phase.label) + 8) / share)}"
            fig.draw(rows, written("mid", "name", "11px", tags=["text_color=ink"]), tags=[needed])


def _bar(height: float, alpha: float, tags: list[str]) -> Model:
    """A bar from the column `left` to `right` in the row `y`."""
    sides = {"left": field("left"), "right": field("right")}
    return Model("HBar", tags=tags, y=field("y"), height=value(height), fill_alpha=value(alpha), **sides)


def _phase_source(phase: story.Band, lines: RequestSlices) -> Model:
    start_s, end_s = max(phase.start_s, lines.start_s), min(phase.end_s, lines.end_s)
    hint = f"phase {phase.label}, {clock(phase.start_s)} – {clock(phase.end_s)}"
    columns = {
        "left": start_s * 1000,
        "right": end_s * 1000,
        "mid": (start_s + end_s) * 500,
        "y": 0,
        "name": phase.label,
        "hint": hint,
    }
    return source({name: [content] for name, content in columns.items()})


def _source(rows: Sequence[tuple[int, Lane]]) -> Model:
    return source(
        {
            "left": [lane.start_s * 1000 for _, lane in rows],
            "right": [lane.end_s * 1000 for _, lane in rows],
            "y": [y for y, _ in rows],
            "hint": [lane.hint for _, lane in rows],
            "label": [lane.label for _, lane in rows],
        }
    )


def _bars(fig: Figure, rows: Sequence[tuple[int, Lane]], colour: str) -> None:
    if rows:
        tags = [f"fill_color={colour}", f"line_color={colour}"]
        add_hint(fig, fig.draw(_source(rows), _bar(0.66, 0.22, tags)))


def _points(fig: Figure, rows: Sequence[tuple[int, Lane]], colour: str) -> None:
    if rows:
        tags = [f"fill_color={colour}", f"line_color={colour}"]
        points = Model("Scatter", tags=tags, x=field("left"), y=field("y"), size=value(11), marker=value("diamond"))
        add_hint(fig, fig.draw(_source(rows), points))


def _labels(fig: Figure, rows: Sequence[tuple[int, Lane]], lines: RequestSlices) -> None:
    """Each name on its bar; beside it where the bar is short, on the side that has more room."""
    for name, align, offset in (("left", "left", 8), ("right", "left", 8), ("left", "right", -8)):
        side = [(y, lane) for y, lane in rows if _label_place(lane, lines) == (name, align)]
        if side:
            names = written(name, "label", "12px", align=align, x_offset=value(offset), tags=["text_color=ink"])
            fig.draw(_source(side), names)


def _label_place(lane: Lane, lines: RequestSlices) -> tuple[str, str]:
    """Which end of the bar the name is tied to, and how it is aligned there."""
    span_s = lines.end_s - lines.start_s
    long = lane.end_s - lane.start_s > _LONG_ENOUGH_TO_WRITE_ON * span_s
    early = lane.start_s <= (lines.start_s + lines.end_s) / 2
    if early:
        return ("left" if long else "right"), "left"
    return ("left", "left") if long else ("left", "right")
