"""One empty chart over the shared time axis, and what all charts put into it: marks of time, and the tooltip of a slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.core.properties import value
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    CrosshairTool,
    DatetimeTickFormatter,
    HoverTool,
    Range1d,
    WheelZoomTool,
)
from bokeh.models.annotations import BoxAnnotation, Span
from bokeh.models.glyph import Glyph
from bokeh.models.glyphs import Quad, Text
from bokeh.plotting import figure

from brownout.harness.record.result import Result
from brownout.reports import palette, story
from brownout.reports.buckets import RequestSlices
from brownout.reports.markup import text

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_LEFT, _RIGHT = 58, 22
# A tooltip lives in a shadow root that page rules do not reach, but inherits the page's variables. The outline covers the
# tooltip's own white frame.
_TIP = (
    "background:var(--paper);color:var(--ink);outline:6px solid var(--paper);padding:2px 6px;font-variant-numeric:tabular-nums"
)


def new_figure(time_range: Range1d, cursor: Span, height: int, **options: Any) -> Any:
    fig: Any = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        x_range=time_range,
        toolbar_location=None,
        tools=[
            BoxZoomTool(dimensions="width"),
            WheelZoomTool(dimensions="width", modifiers={"ctrl": True}),
            CrosshairTool(overlay=cursor),
        ],
        min_border_left=_LEFT,
        min_border_right=_RIGHT,
        min_border_top=6,
        min_border_bottom=4,
        outline_line_alpha=0.0,
        background_fill_alpha=0.0,
        border_fill_alpha=0.0,
        tags=["chart"],
        min_width=200,
        **options,
    )
    fig.toolbar.active_scroll = fig.tools[1]
    _style_axes(fig)
    return fig


def _style_axes(fig: Any) -> None:
    fig.xaxis.formatter = DatetimeTickFormatter(
        milliseconds="%H:%M:%S.%3N",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b %H:%M",
    )
    for axis in fig.axis:
        axis.tags = ["axis_line_color=line", "major_tick_line_color=line", "major_label_text_color=soft"]
        axis.minor_tick_line_alpha = 0.0
        axis.major_label_text_font = FONT
        axis.major_label_text_font_size = "12px"
    for grid in fig.grid:
        grid.tags = ["grid_line_color=line"]
    fig.xgrid.visible = False


def draw(fig: Any, source: ColumnDataSource, glyph: Glyph) -> Any:
    """Adds the glyph and nothing else.

    `fig.line` and its like add four copies of it, for states that nothing here uses; models are what a chart's time goes into.
    """
    return fig.add_glyph(source, glyph)


def add_tooltip(
    fig: Any, lines: RequestSlices, source: ColumnDataSource, column: str, span: tuple[float, float], heading: str
) -> None:
    """One tooltip for the whole slice, every cohort in it, whether or not the pointer is near a line."""
    slices = Quad(left="left", right="right", bottom=span[0], top=span[1], fill_alpha=0.0, line_alpha=0.0)
    area = draw(fig, source, slices)
    rows = "".join(
        f'<tr><td style="color:var(--{palette.cohort_style(i).colour});padding-right:6px">●</td>'
        f'<td style="padding-right:14px">{template_text(series.name)}</td>'
        f'<td style="text-align:right;white-space:nowrap">@{column}_{i}</td></tr>'
        for i, series in enumerate(lines.cohorts)
    )
    title = f'<b>@time</b> <span style="color:var(--soft)">{heading}</span>'
    tooltip = f'<div style="{_TIP}">{title}<table>{rows}</table></div>'
    fig.add_tools(
        HoverTool(
            renderers=[area],
            tooltips=tooltip,
            point_policy="follow_mouse",
            attachment="horizontal",
            show_arrow=False,
        )
    )


def template_text(name: str) -> str:
    """A name inside Bokeh's tooltip template, where `@` and `$` begin placeholders and `<` begins a tag."""
    return str(text(name)).replace("@", "&#64;").replace("$", "&#36;").replace("{", "&#123;")


def mark_time(fig: Any, result: Result, lines: RequestSlices, *, numbers_at: float | None = None) -> None:
    """Behind the data: stretches with a fault, the impact, the borders of phases, and a numbered line for each step."""
    for band in story.faults(result, lines.end_s):
        _shade(fig, band, "bad", 0.06)
    failing = story.impact(result, lines.end_s)
    if failing is not None:
        _shade(fig, failing, "bad", 0.09)
    for phase in story.phases(result)[1:]:
        _rule(fig, phase.start_s, "soft", "dotted", 0.55)
    for moment in story.moments(result):
        _rule(fig, moment.at_s, "good" if moment.kind == "recover" else "ink", "solid", 0.7)
    taken = [(n, s.applied_s) for n, s in enumerate(result.steps, 1) if s.applied_s is not None]
    for _, at_s in taken:
        _rule(fig, at_s, "act", "dashed", 0.8)
    if numbers_at is not None and taken:
        _numbers(fig, taken, numbers_at)


def _shade(fig: Any, band: story.Band, colour: str, alpha: float) -> None:
    fig.add_layout(
        BoxAnnotation(
            left=band.start_s * 1000,
            right=band.end_s * 1000,
            fill_alpha=alpha,
            line_alpha=0.0,
            level="underlay",
            tags=[f"fill_color={colour}"],
        )
    )


def _rule(fig: Any, at_s: float, colour: str, dash: str, alpha: float) -> None:
    fig.add_layout(
        Span(
            location=at_s * 1000,
            dimension="height",
            line_dash=dash,
            line_width=1,
            line_alpha=alpha,
            level="underlay",
            tags=[f"line_color={colour}"],
        )
    )


def _numbers(fig: Any, taken: Sequence[tuple[int, float]], at_y: float) -> None:
    data = {"x": [at_s * 1000 for _, at_s in taken], "n": [str(n) for n, _ in taken], "y": [at_y] * len(taken)}
    numbers = Text(
        x="x",
        y="y",
        text="n",
        text_align="center",
        text_baseline="middle",
        text_font=value(FONT),
        text_font_size="11px",
        background_fill_alpha=1.0,
        tags=["text_color=act", "background_fill_color=paper"],
    )
    numbers.update(padding=2)
    draw(fig, ColumnDataSource(data), numbers)


def add_hint(fig: Any, renderer: Any) -> None:
    """A tooltip that shows the column `hint` of what is under the pointer."""
    fig.add_tools(
        HoverTool(
            renderers=[renderer],
            tooltips=f'<div style="{_TIP}">@hint</div>',
            point_policy="follow_mouse",
            attachment="horizontal",
            show_arrow=False,
        )
    )
