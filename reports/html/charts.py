"""The interactive charts over one shared range of emulated time, as the JSON that BokehJS draws in the page.

No colour is fixed here: models carry tags such as `line_color=c0`, and the page's script sets the property from the CSS
variable `--c0`, again whenever light turns to dark. Tags `cohort:N` let the page's buttons show and hide a cohort in
all charts. Nothing needs Python or a network when the page is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from brownout.harness.record.result import Result
from brownout.reports import palette, story
from brownout.reports.buckets import Bucket, CohortSeries, RequestSlices
from brownout.reports.html.bokeh_document import Model, document, field, source, value
from brownout.reports.html.canvas import Axis, Figure, add_tooltip, linear_axis, log_axis, mark_time
from brownout.reports.html.lanes_chart import lanes_figure
from brownout.reports.units import clock, count, milliseconds, percent

_LOWEST_MS = 0.1


@dataclass(frozen=True, slots=True)
class Charts:
    """`document` is Bokeh's JSON, `elements` maps each root model's id to the id of the element that shows it."""

    document: dict[str, Any]
    elements: dict[str, str]
    start_ms: float
    end_ms: float
    impact_ms: tuple[float, float] | None


def build(result: Result, lines: RequestSlices) -> Charts:
    """All figures of the run, linked."""
    start_ms, end_ms = lines.start_s * 1000, lines.end_s * 1000
    time_range = Model("Range1d", name="time", start=start_ms, end=end_ms, bounds=[start_ms, end_ms])
    failing = story.impact(result, lines.end_s)
    cursor = Model("Span", tags=["line_color=soft"], level="overlay", dimension="height", line_alpha=0.5)
    rows = source(_columns(lines))
    figures = {
        "chart-lanes": lanes_figure(result, lines, time_range, cursor),
        "chart-availability": _availability(result, lines, time_range, cursor, rows),
        "chart-latency": _latency(result, lines, time_range, cursor, rows),
        "chart-rate": _rate(result, lines, time_range, cursor, rows),
    }
    drawn = document(figure.model for figure in figures.values())
    elements = {root["id"]: name for root, name in zip(drawn["roots"], figures, strict=True)}
    impact_ms = (failing.start_s * 1000, failing.end_s * 1000) if failing is not None else None
    return Charts(drawn, elements, start_ms, end_ms, impact_ms)


def _columns(lines: RequestSlices) -> dict[str, list[Any]]:
    """One row per slice: its edges, its clock time, and per cohort `N` the columns `good_N`, `p50_N`, `p99_N`, `n_N`."""
    seconds = lines.width_s % 60 != 0
    edges = [*lines.starts_s, lines.end_s]
    columns: dict[str, list[Any]] = {
        "left": [at_s * 1000 for at_s in edges[:-1]],
        "right": [at_s * 1000 for at_s in edges[1:]],
        "mid": [(at_s + lines.width_s / 2) * 1000 for at_s in edges[:-1]],
        "time": [f"{clock(a, seconds=seconds)} – {clock(b, seconds=seconds)}" for a, b in pairwise(edges)],
        **_outcome_columns(lines),
    }
    for index, series in enumerate(lines.cohorts):
        columns |= _cohort_columns(index, series)
    return columns


def _cohort_columns(index: int, series: CohortSeries) -> dict[str, list[Any]]:
    buckets = series.buckets
    return {
        f"good_{index}": [math.nan if b.good is None else b.good for b in buckets],
        f"p50_{index}": [_latency_value(b.p50_ms) for b in buckets],
        f"p99_{index}": [_latency_value(b.p99_ms) for b in buckets],
        f"good_text_{index}": [f"{percent(b.good)} of {count(b.total)}" if b.total else "no requests" for b in buckets],
        f"latency_text_{index}": [
            f"{milliseconds(b.p50_ms)} / {milliseconds(b.p99_ms)}" if b.total else "no requests" for b in buckets
        ],
        f"rate_text_{index}": [_outcome_text(b) for b in buckets],
    }


def _latency_value(value: float | None) -> float:
    return math.nan if value is None else max(_LOWEST_MS, value)


def _outcome_text(bucket: Bucket) -> str:
    bad = [f"{count(n)} {word}" for word in palette.OUTCOMES[1:] if (n := getattr(bucket, word))]
    return f"{count(bucket.total)}{' (' + ', '.join(bad) + ')' if bad else ''}"


def _outcome_columns(lines: RequestSlices) -> dict[str, list[Any]]:
    """Requests per emulated minute by outcome, all cohorts together."""
    per_minute = 60 / lines.width_s
    slices = list(zip(*(series.buckets for series in lines.cohorts), strict=True))
    return {
        "good": [sum(b.happened - b.slow for b in row) * per_minute for row in slices],
        **{word: [sum(getattr(b, word) for b in row) * per_minute for row in slices] for word in palette.OUTCOMES[1:]},
    }


def _availability(result: Result, lines: RequestSlices, time_range: Model, cursor: Model, rows: Model) -> Figure:
    ticker = Model("FixedTicker", ticks=[0, 0.25, 0.5, 0.75, 1], minor_ticks=[])
    axis = linear_axis(ticker, Model("NumeralTickFormatter", format="0 %"))
    fig = Figure(time_range, cursor, 300, Model("Range1d", start=-0.03, end=1.09), axis)
    mark_time(fig, result, lines, numbers_at=1.055)
    for index, _ in enumerate(lines.cohorts):
        _cohort_line(fig, rows, index, "Step", f"good_{index}", line_width=2.2, mode="center")
    add_tooltip(fig, lines, rows, "good_text", (-0.03, 1.09), "good share")
    return fig


def _latency(result: Result, lines: RequestSlices, time_range: Model, cursor: Model, rows: Model) -> Figure:
    low, high = _latency_range(lines)
    labels = {10.0**n: milliseconds(10.0**n).replace(".0", "") for n in range(-1, 7)}
    fig = Figure(time_range, cursor, 280, Model("Range1d", start=low, end=high), log_axis(labels))
    mark_time(fig, result, lines)
    for index, _ in enumerate(lines.cohorts):
        _cohort_line(fig, rows, index, "Line", f"p50_{index}", line_width=2.2)
        _cohort_line(fig, rows, index, "Line", f"p99_{index}", line_alpha=0.6)
    add_tooltip(fig, lines, rows, "latency_text", (low, high), "p50 / p99")
    return fig


def _latency_range(lines: RequestSlices) -> tuple[float, float]:
    """Whole decades around everything drawn."""
    values = [v for s in lines.cohorts for b in s.buckets for v in (b.p50_ms, b.p99_ms) if v is not None]
    low, high = max(_LOWEST_MS, min(values)), max(_LOWEST_MS, *values)
    bottom = 10 ** math.floor(math.log10(low))
    return bottom, max(bottom * 10, 10 ** math.ceil(math.log10(high * 1.05)))


def _rate(result: Result, lines: RequestSlices, time_range: Model, cursor: Model, rows: Model) -> Figure:
    columns = _columns(lines)
    top = max(map(sum, zip(*(columns[name] for name in palette.OUTCOMES), strict=True))) * 1.08
    fig = Figure(time_range, cursor, 240, Model("Range1d", start=0, end=top or 1), _count_axis())
    mark_time(fig, result, lines)
    base = [0.0] * len(lines.starts_s)
    for outcome, (colour, hatch) in palette.OUTCOME_STYLES.items():
        upper = [low + height for low, height in zip(base, columns[outcome], strict=True)]
        drawn = [math.nan if low == high else high for low, high in zip(base, upper, strict=True)]
        bars = {"left": columns["left"], "right": columns["right"], "bottom": base, "top": drawn}
        tags = [f"fill_color={colour}", f"line_color={colour}", "hatch_color=paper"]
        fig.draw(source(bars), _stacked_bar(hatch, tags))
        base = upper
    add_tooltip(fig, lines, rows, "rate_text", (0, top or 1), "requests")
    return fig


def _count_axis() -> Axis:
    return linear_axis(Model("BasicTicker", mantissas=[1, 2, 5]), Model("BasicTickFormatter"))


def _stacked_bar(hatch: str, tags: list[str]) -> Model:
    return Model(
        "Quad",
        tags=tags,
        **{side: field(side) for side in ("left", "right", "bottom", "top")},
        line_width=value(0.5),
        fill_alpha=value(0.75),
        hatch_alpha=value(0.55),
        hatch_scale=value(6),
        hatch_pattern=value(hatch),
    )


def _cohort_line(fig: Figure, rows: Model, index: int, kind: str, column: str, **properties: Any) -> None:
    style = palette.cohort_style(index)
    dash = {"line_dash": list(style.dash)} if style.dash else {}
    tags = [f"line_color={style.colour}"]
    line = Model(kind, tags=tags, x=field("mid"), y=field(column), line_join="round", **dash, **properties)
    fig.draw(rows, line, tags=[f"cohort:{index}"])
