"""The top chart as a Bokeh figure: a labelled row for the phases, then one for each lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.core.properties import value
from bokeh.models import ColumnDataSource, Range1d
from bokeh.models.annotations import Span
from bokeh.models.glyphs import HBar, Scatter, Text

from brownout.harness.record.result import Result
from brownout.reports import story
from brownout.reports.buckets import RequestSlices
from brownout.reports.html.canvas import FONT, add_hint, draw, new_figure
from brownout.reports.html.lanes import Lane, lanes
from brownout.reports.units import clock

_ROW_PX = 22
_NARROWEST_NAMED_PHASE = 0.03
_PX_A_LETTER = 6.4
_LONG_ENOUGH_TO_WRITE_ON = 0.4


def lanes_figure(result: Result, lines: RequestSlices, time_range: Range1d, cursor: Span) -> Any:
    """The chart: the phases in the first row, then a row per lane."""
    rows = lanes(result, lines)
    fig = new_figure(time_range, cursor, 36 + _ROW_PX * (len(rows) + 1), y_range=Range1d(start=len(rows) + 0.6, end=-0.6))
    fig.yaxis.visible = False
    fig.ygrid.visible = False
    _phase_row(fig, result, lines)
    numbered = list(enumerate(rows, 1))
    for colour in sorted({lane.colour for lane in rows}):
        same = [(y, lane) for y, lane in numbered if lane.colour == colour]
        _bars(fig, [(y, lane) for y, lane in same if lane.end_s > lane.start_s], colour)
        _points(fig, [(y, lane) for y, lane in same if lane.end_s <= lane.start_s], colour)
    _labels(fig, numbered, lines)
    return fig


def _phase_row(fig: Any, result: Result, lines: RequestSlices) -> None:
    """Phases side by side; the name only where it has room."""
    span_s = lines.end_s - lines.start_s
    for index, phase in enumerate(story.phases(result)):
        source = _phase_source(phase, lines)
        alpha = (0.16, 0.32)[index % 2]
        tags = ["fill_color=soft", "line_color=paper"]
        bar = HBar(y="y", left="left", right="right", height=0.8, line_width=1, fill_alpha=alpha, tags=tags)
        add_hint(fig, draw(fig, source, bar))
        if phase.end_s - phase.start_s >= _NARROWEST_NAMED_PHASE * span_s:
            name = Text(x="mid", y="y", text="name", text_align="center", text_baseline="middle",
                        text_font=value(FONT), text_font_size="11px", tags=["text_color=ink"])  # fmt: skip
            share = (phase.end_s - phase.start_s) / span_s
            draw(fig, source, name).tags = [f"needs-px:{round((_PX_A_LETTER * len(phase.label) + 8) / share)}"]


def _phase_source(phase: story.Band, lines: RequestSlices) -> ColumnDataSource:
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
    return ColumnDataSource({name: [content] for name, content in columns.items()})


def _source(rows: Sequence[tuple[int, Lane]]) -> ColumnDataSource:
    return ColumnDataSource(
        {
            "left": [lane.start_s * 1000 for _, lane in rows],
            "right": [lane.end_s * 1000 for _, lane in rows],
            "y": [y for y, _ in rows],
            "hint": [lane.hint for _, lane in rows],
            "label": [lane.label for _, lane in rows],
        }
    )


def _bars(fig: Any, rows: Sequence[tuple[int, Lane]], colour: str) -> None:
    if rows:
        tags = [f"fill_color={colour}", f"line_color={colour}"]
        bars = HBar(y="y", left="left", right="right", height=0.66, fill_alpha=0.22, line_width=1, tags=tags)
        add_hint(fig, draw(fig, _source(rows), bars))


def _points(fig: Any, rows: Sequence[tuple[int, Lane]], colour: str) -> None:
    if rows:
        tags = [f"fill_color={colour}", f"line_color={colour}"]
        points = Scatter(x="left", y="y", marker="diamond", size=11, line_width=1, tags=tags)
        add_hint(fig, draw(fig, _source(rows), points))


def _labels(fig: Any, rows: Sequence[tuple[int, Lane]], lines: RequestSlices) -> None:
    """Each name on its bar; beside it where the bar is short, on the side that has more room."""
    for name, align, offset in (("left", "left", 8), ("right", "left", 8), ("left", "right", -8)):
        side = [(y, lane) for y, lane in rows if _label_place(lane, lines) == (name, align)]
        if side:
            names = Text(
                x=name,
                y="y",
                text="label",
                text_align=align,
                x_offset=offset,
                text_baseline="middle",
                text_font=value(FONT),
                text_font_size="12px",
                tags=["text_color=ink"],
            )
            draw(fig, _source(side), names)


def _label_place(lane: Lane, lines: RequestSlices) -> tuple[str, str]:
    """Which end of the bar the name is tied to, and how it is aligned there."""
    span_s = lines.end_s - lines.start_s
    long = lane.end_s - lane.start_s > _LONG_ENOUGH_TO_WRITE_ON * span_s
    early = lane.start_s <= (lines.start_s + lines.end_s) / 2
    if early:
        return ("left" if long else "right"), "left"
    return ("left", "left") if long else ("left", "right")
