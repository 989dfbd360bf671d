"""One empty chart over the shared time axis, and what all charts put into it: marks of time, and the tooltip of a slice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brownout.harness.record.result import Result
from brownout.reports import palette, story
from brownout.reports.buckets import RequestSlices
from brownout.reports.html.bokeh_document import Model, field, mapping, source, value
from brownout.reports.markup import text

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_LEFT, _RIGHT = 58, 22
_SIDES = ("left", "right", "top", "bottom")
# A tooltip lives in a shadow root that page rules do not reach, but inherits the page's variables. The outline covers the
# tooltip's own white frame.
_TIP = (
    "background:var(--paper);color:var(--ink);outline:6px solid var(--paper);padding:2px 6px;font-variant-numeric:tabular-nums"
)


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart: Bokeh's model, and what else a figure has because of it."""

    model: Model
    scale: Model
    grid: Model


def _axis(class_name: str, scale: str, ticker: Model, formatter: Model, *, grid: Mapping[str, Any], **own: Any) -> Axis:
    tags = ["axis_line_color=line", "major_tick_line_color=line", "major_label_text_color=soft"]
    model = Model(
        class_name,
        tags=tags,
        ticker=ticker,
        formatter=formatter,
        major_label_policy=Model("AllLabels"),
        major_label_text_font=FONT,
        major_label_text_font_size="12px",
        minor_tick_line_alpha=0.0,
        **own,
    )
    return Axis(model, Model(scale), Model("Grid", tags=["grid_line_color=line"], axis=model, **grid))


def linear_axis(ticker: Model, formatter: Model) -> Axis:
    """An axis at the side, with lines across the chart."""
    return _axis("LinearAxis", "LinearScale", ticker, formatter, grid={"dimension": 1})


def hidden_axis() -> Axis:
    """An axis at the side that is not shown, nor are its lines."""
    ticker, hidden = Model("BasicTicker", mantissas=[1, 2, 5]), {"visible": False}
    return _axis("LinearAxis", "LinearScale", ticker, Model("BasicTickFormatter"), grid={"dimension": 1, **hidden}, **hidden)


def log_axis(labels: Mapping[float, str]) -> Axis:
    """An axis at the side by powers of ten, with these labels at their values."""
    ticker = Model("LogTicker", num_minor_ticks=10, mantissas=[1, 5])
    named = mapping(labels)
    return _axis("LogAxis", "LogScale", ticker, Model("LogTickFormatter"), grid={"dimension": 1}, major_label_overrides=named)


def _time_axis() -> Axis:
    formatter = Model(
        "DatetimeTickFormatter",
        milliseconds="%H:%M:%S.%3N",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hours="%H:%M",
        days="%d %b %H:%M",
    )
    return _axis("DatetimeAxis", "LinearScale", _time_ticker(), formatter, grid={"visible": False})


def _time_ticker() -> Model:
    """Whole parts of a second, of a minute and of a day, then days, months and years, of which BokehJS takes what fits."""
    adaptive: list[dict[str, Any]] = [
        {"mantissas": [1, 2, 5], "max_interval": 500.0},
        {"mantissas": [1, 2, 5, 10, 15, 20, 30], "base": 60, "min_interval": 1000.0, "max_interval": 1_800_000.0},
        {"mantissas": [1, 2, 4, 6, 8, 12], "base": 24, "min_interval": 3_600_000.0, "max_interval": 43_200_000.0},
    ]
    days, months = ([*range(1, 32)], [*range(1, 31, 3)], [1, 8, 15, 22], [1, 15]), (1, 2, 4, 6)
    tickers = [Model("AdaptiveTicker", num_minor_ticks=0, **each) for each in adaptive]
    tickers += [Model("DaysTicker", days=each) for each in days]
    tickers += [Model("MonthsTicker", months=[*range(0, 12, step)]) for step in months]
    return Model("DatetimeTicker", num_minor_ticks=5, tickers=[*tickers, Model("YearsTicker")])


class Figure:
    """A chart over the shared time axis, to be filled; `model` is what it has come to."""

    def __init__(self, time_range: Model, cursor: Model, height: int, y_range: Model, y_axis: Axis) -> None:
        zoom = Model("WheelZoomTool", dimensions="width", renderers="auto", modifiers=mapping({"ctrl": True}))
        self._tools = [_box_zoom(), zoom, Model("CrosshairTool", overlay=cursor)]
        time = _time_axis()
        self._renderers: list[Model] = []
        self._center = [time.grid, y_axis.grid]
        self.model = Model(
            "Figure",
            tags=["chart"],
            height=height,
            min_width=200,
            sizing_mode="stretch_width",
            x_range=time_range,
            y_range=y_range,
            x_scale=time.scale,
            y_scale=y_axis.scale,
            title=Model("Title"),
            outline_line_alpha=0.0,
            renderers=self._renderers,
            toolbar=Model("Toolbar", tools=self._tools, active_scroll=zoom),
            toolbar_location=None,
            left=[y_axis.model],
            below=[time.model],
            center=self._center,
            background_fill_alpha=0.0,
            border_fill_alpha=0.0,
            min_border_top=6,
            min_border_bottom=4,
            min_border_left=_LEFT,
            min_border_right=_RIGHT,
        )

    def draw(self, rows: Model, glyph: Model, **properties: Any) -> Model:
        """Adds the glyph for each of the rows; returns what draws it."""
        view = Model("CDSView", filter=Model("AllIndices"))
        renderer = Model("GlyphRenderer", data_source=rows, view=view, glyph=glyph, **properties)
        self._renderers.append(renderer)
        return renderer

    def annotate(self, annotation: Model) -> None:
        """Adds what stands behind or over the data and is no data."""
        self._center.append(annotation)

    def tip(self, renderer: Model, tooltip: str) -> None:
        """Shows a tooltip where the pointer is on what is drawn."""
        self._tools.append(
            Model(
                "HoverTool",
                renderers=[renderer],
                tooltips=tooltip,
                sort_by=None,
                point_policy="follow_mouse",
                show_arrow=False,
            )
        )


def _box_zoom() -> Model:
    """Zooms to the stretch that is dragged over, which it shows meanwhile."""
    overlay = Model(
        "BoxAnnotation",
        syncable=False,
        line_color="black",
        line_alpha=1.0,
        line_width=2,
        line_dash=[4, 4],
        fill_color="lightgrey",
        fill_alpha=0.5,
        level="overlay",
        visible=False,
        **dict.fromkeys(_SIDES, math.nan),
        **{f"{side}_units": "canvas" for side in _SIDES},
        handles=_handles(),
    )
    return Model("BoxZoomTool", dimensions="width", overlay=overlay)


def _handles() -> Model:
    return Model("BoxInteractionHandles", all=Model("AreaVisuals", fill_color="white", hover_fill_color="lightgray"))


def add_tooltip(fig: Figure, lines: RequestSlices, rows: Model, column: str, span: tuple[float, float], heading: str) -> None:
    """One tooltip for the whole slice, every cohort in it, whether or not the pointer is near a line."""
    none, bottom, top = value(0.0), value(span[0]), value(span[1])
    slices = Model("Quad", left=field("left"), right=field("right"), bottom=bottom, top=top, line_alpha=none, fill_alpha=none)
    cells = "".join(
        f'<tr><td style="color:var(--{palette.cohort_style(i).colour});padding-right:6px">●</td>'
        f'<td style="padding-right:14px">{template_text(series.name)}</td>'
        f'<td style="text-align:right;white-space:nowrap">@{column}_{i}</td></tr>'
        for i, series in enumerate(lines.cohorts)
    )
    title = f'<b>@time</b> <span style="color:var(--soft)">{heading}</span>'
    fig.tip(fig.draw(rows, slices), f'<div style="{_TIP}">{title}<table>{cells}</table></div>')


def template_text(name: str) -> str:
    """A name inside Bokeh's tooltip template, where `@` and `$` begin placeholders and `<` begins a tag."""
    return str(text(name)).replace("@", "&#64;").replace("$", "&#36;").replace("{", "&#123;")


def mark_time(fig: Figure, result: Result, lines: RequestSlices, *, numbers_at: float | None = None) -> None:
    """Behind the data: stretches with a fault, the impact, the borders of phases, and a numbered line for each step."""
    for band in story.faults(result, lines.end_s):
        _shade(fig, band, "bad", 0.06)
    failing = story.impact(result, lines.end_s)
    if failing is not None:
        _shade(fig, failing, "bad", 0.09)
    for phase in story.phases(result)[1:]:
        _rule(fig, phase.start_s, "soft", [2, 4], 0.55)
    for moment in story.moments(result):
        _rule(fig, moment.at_s, "good" if moment.kind == "recover" else "ink", [], 0.7)
    taken = [(n, s.applied_s) for n, s in enumerate(result.steps, 1) if s.applied_s is not None]
    for _, at_s in taken:
        _rule(fig, at_s, "act", [6], 0.8)
    if numbers_at is not None and taken:
        _numbers(fig, taken, numbers_at)


def _shade(fig: Figure, band: story.Band, colour: str, alpha: float) -> None:
    fig.annotate(
        Model(
            "BoxAnnotation",
            tags=[f"fill_color={colour}"],
            line_alpha=0.0,
            fill_alpha=alpha,
            level="underlay",
            left=band.start_s * 1000,
            right=band.end_s * 1000,
            top=Model("Node", target="frame", symbol="top"),
            bottom=Model("Node", target="frame", symbol="bottom"),
            handles=_handles(),
        )
    )


def _rule(fig: Figure, at_s: float, colour: str, dash: list[int], alpha: float) -> None:
    fig.annotate(
        Model(
            "Span",
            tags=[f"line_color={colour}"],
            level="underlay",
            location=at_s * 1000,
            dimension="height",
            line_alpha=alpha,
            **({"line_dash": dash} if dash else {}),
        )
    )


def _numbers(fig: Figure, taken: Sequence[tuple[int, float]], at_y: float) -> None:
    rows = source({"x": [at_s * 1000 for _, at_s in taken], "n": [str(n) for n, _ in taken], "y": [at_y] * len(taken)})
    fig.draw(rows, written("x", "n", "11px", tags=["text_color=act", "background_fill_color=paper"], padding=2))


def written(x: str, column: str, size: str, *, align: str = "center", **properties: Any) -> Model:
    """The glyph that writes a column's text in the middle of each row `y`, at the column `x`."""
    font = {"text_font": value(FONT), "text_font_size": value(size), "text_baseline": value("middle")}
    aligned = {"text_align": value(align)} if align != "left" else {}
    return Model("Text", x=field(x), y=field("y"), text=field(column), **font, **aligned, **properties)


def add_hint(fig: Figure, renderer: Model) -> None:
    """A tooltip that shows the column `hint` of what is under the pointer."""
    fig.tip(renderer, f'<div style="{_TIP}">@hint</div>')
