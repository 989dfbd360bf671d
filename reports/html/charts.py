"""The interactive charts: Bokeh figures over one shared range of emulated time, handed over as JSON for the page's script.

No colour is fixed here: models carry tags such as `line_color=c0`, and the page's script sets the property from the CSS
variable `--c0`, again whenever light turns to dark. Tags `cohort:N` let the page's buttons show and hide a cohort in
all charts. Nothing needs Python or a network when the page is read.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.models import ColumnDataSource, NumeralTickFormatter, Range1d
from bokeh.models.annotations import Span
from bokeh.models.glyphs import Line, Quad, Step
from bokeh.resources import Resources

from brownout.harness.record.result import Result
from brownout.reports import palette, story
from brownout.reports.buckets import Bucket, CohortSeries, RequestSlices
from brownout.reports.html.canvas import add_tooltip, draw, mark_time, new_figure
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


@cache
def bokeh_javascript() -> str:
    """BokehJS' core, without its optional parts, as text that may stand inside a script element."""
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw).replace("</script", "<\\/script")


def build(result: Result, lines: RequestSlices) -> Charts:
    """All figures of the run, linked."""
    start_ms, end_ms = lines.start_s * 1000, lines.end_s * 1000
    time_range = Range1d(start=start_ms, end=end_ms, bounds=(start_ms, end_ms), name="time")
    failing = story.impact(result, lines.end_s)
    cursor = Span(dimension="height", line_width=1, line_alpha=0.5, tags=["line_color=soft"], level="overlay")
    source = ColumnDataSource(_columns(lines))
    figures = {
        "chart-lanes": lanes_figure(result, lines, time_range, cursor),
        "chart-availability": _availability(result, lines, time_range, cursor, source),
        "chart-latency": _latency(result, lines, time_range, cursor, source),
        "chart-rate": _rate(result, lines, time_range, cursor, source),
    }
    document = Document()
    with document.models.freeze():  # else everything is gone through again for each figure
        for fig in figures.values():
            document.add_root(fig)
    elements = {fig.id: name for name, fig in figures.items()}
    serialized = json.loads(serialize_json(document.to_json()))
    impact_ms = (failing.start_s * 1000, failing.end_s * 1000) if failing is not None else None
    return Charts(serialized, elements, start_ms, end_ms, impact_ms)


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


def _availability(result: Result, lines: RequestSlices, time_range: Range1d, cursor: Span, source: ColumnDataSource) -> Any:
    fig = new_figure(time_range, cursor, 300, y_range=Range1d(start=-0.03, end=1.09))
    fig.yaxis.formatter = NumeralTickFormatter(format="0 %")
    fig.yaxis.ticker = [0, 0.25, 0.5, 0.75, 1]
    mark_time(fig, result, lines, numbers_at=1.055)
    for index, _ in enumerate(lines.cohorts):
        _cohort_line(fig, source, index, Step(x="mid", y=f"good_{index}", line_width=2.2, mode="center"))
    add_tooltip(fig, lines, source, "good_text", (-0.03, 1.09), "good share")
    return fig


def _latency(result: Result, lines: RequestSlices, time_range: Range1d, cursor: Span, source: ColumnDataSource) -> Any:
    low, high = _latency_range(lines)
    fig = new_figure(time_range, cursor, 280, y_axis_type="log", y_range=Range1d(start=low, end=high))
    fig.yaxis.major_label_overrides = {10.0**n: milliseconds(10.0**n).replace(".0", "") for n in range(-1, 7)}
    mark_time(fig, result, lines)
    for index, _ in enumerate(lines.cohorts):
        _cohort_line(fig, source, index, Line(x="mid", y=f"p50_{index}", line_width=2.2))
        _cohort_line(fig, source, index, Line(x="mid", y=f"p99_{index}", line_width=1.0, line_alpha=0.6))
    add_tooltip(fig, lines, source, "latency_text", (low, high), "p50 / p99")
    return fig


def _latency_range(lines: RequestSlices) -> tuple[float, float]:
    """Whole decades around everything drawn."""
    values = [v for s in lines.cohorts for b in s.buckets for v in (b.p50_ms, b.p99_ms) if v is not None]
    low, high = max(_LOWEST_MS, min(values)), max(_LOWEST_MS, *values)
    bottom = 10 ** math.floor(math.log10(low))
    return bottom, max(bottom * 10, 10 ** math.ceil(math.log10(high * 1.05)))


def _rate(result: Result, lines: RequestSlices, time_range: Range1d, cursor: Span, source: ColumnDataSource) -> Any:
    top = max(map(sum, zip(*(source.data[name] for name in palette.OUTCOMES), strict=True))) * 1.08
    fig = new_figure(time_range, cursor, 240, y_range=Range1d(start=0, end=top or 1))
    mark_time(fig, result, lines)
    base = [0.0] * len(lines.starts_s)
    for outcome, (colour, hatch) in palette.OUTCOME_STYLES.items():
        upper = [low + value for low, value in zip(base, source.data[outcome], strict=True)]
        drawn = [math.nan if low == high else high for low, high in zip(base, upper, strict=True)]
        data = {"left": source.data["left"], "right": source.data["right"], "bottom": base, "top": drawn}
        bars = Quad(
            left="left",
            right="right",
            bottom="bottom",
            top="top",
            line_width=0.5,
            hatch_pattern=hatch,
            hatch_alpha=0.55,
            hatch_scale=6,
            fill_alpha=0.75,
            tags=[f"fill_color={colour}", f"line_color={colour}", "hatch_color=paper"],
        )
        draw(fig, ColumnDataSource(data), bars)
        base = upper
    add_tooltip(fig, lines, source, "rate_text", (0, top or 1), "requests")
    return fig


def _cohort_line(fig: Any, source: ColumnDataSource, index: int, line: Line | Step) -> None:
    style = palette.cohort_style(index)
    line.update(line_dash=list(style.dash), line_join="round", tags=[f"line_color={style.colour}"])
    draw(fig, source, line).tags = [f"cohort:{index}"]
