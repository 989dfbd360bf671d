"""The availability chart as a static SVG, for where scripts do not run: previews, job summaries, attachments, print.

The picture carries its own light and dark colours and no ids, so it can stand alone or be put into a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from brownout.harness.record.history import History
from brownout.harness.record.result import Result
from brownout.reports import palette, story
from brownout.reports.buckets import Bucket, RequestSlices, timeline
from brownout.reports.markup import Html, el
from brownout.reports.units import clock, duration

WIDTH, HEIGHT = 960, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 932, 58, 326
_LEGEND_Y = 368
_TICKS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def availability_svg(result: Result, history: History) -> str:
    """The share of good requests, per cohort and slice of emulated time, with faults and steps marked."""
    return slices_svg(result, timeline(result, history.requests))


def slices_svg(result: Result, lines: RequestSlices | None) -> str:
    """`availability_svg` of slices that are known already."""
    if lines is None:
        return _empty()
    parts = (
        _style(),
        el("rect", x=0, y=0, width=WIDTH, height=HEIGHT, class_="bw-paper"),
        el("text", f"{result.title}: good share per {duration(lines.width_s)}", x=_LEFT, y=22, class_="bw-title"),
        *_bands(result, lines),
        *_grid(lines),
        *_steps(result, lines),
        *(_line(index, s.buckets, lines) for index, s in enumerate(lines.cohorts)),
        *_legend(lines),
    )
    return _svg(f"Share of good requests over time, verdict {result.verdict}", parts)


def _svg(label: str, parts: Sequence[Html]) -> str:
    return el(
        "svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="bw-svg",
        aria_label=label,
    )  # fmt: skip


def _empty() -> str:
    message = el("text", "No requests were recorded.", x=WIDTH / 2, y=HEIGHT / 2, class_="bw-title", text_anchor="middle")
    paper = el("rect", x=0, y=0, width=WIDTH, height=HEIGHT, class_="bw-paper")
    return _svg("No requests were recorded", (_style(), paper, message))


def _style() -> Html:
    rules = (
        ".bw-svg text{font:12px system-ui,sans-serif;fill:var(--ink)}.bw-svg .bw-title{font-weight:600;font-size:14px}"
        ".bw-svg .bw-soft{fill:var(--soft)}.bw-paper{fill:var(--paper)}.bw-grid{stroke:var(--line);stroke-width:1}"
        ".bw-fault{fill:var(--bad);fill-opacity:.09}.bw-impact{fill:var(--bad);fill-opacity:.1}"
        ".bw-act{stroke:var(--act);stroke-width:1;stroke-dasharray:3 3}.bw-svg .bw-number{fill:var(--act);font-size:11px}"
        ".bw-halo{paint-order:stroke;stroke:var(--paper);stroke-width:3}.bw-line{fill:none;stroke-width:2;stroke-linejoin:round}"
    )
    light = f".bw-svg{{{palette.variables(palette.LIGHT)}}}"
    dark = f"@media (prefers-color-scheme:dark){{.bw-svg{{{palette.variables(palette.DARK)}}}}}"
    printed = f"@media print{{.bw-svg{{{palette.variables(palette.LIGHT)}}}}}"
    return el("style", Html(light + dark + printed + rules))


def _x(at_s: float, lines: RequestSlices) -> float:
    share = (at_s - lines.start_s) / (lines.end_s - lines.start_s)
    return round(_LEFT + min(1.0, max(0.0, share)) * (_RIGHT - _LEFT), 1)


def _y(share: float) -> float:
    return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)


def _bands(result: Result, lines: RequestSlices) -> Iterator[Html]:
    for band in story.faults(result, lines.end_s):
        yield _band(band, "bw-fault", lines)
    failing = story.impact(result, lines.end_s)
    if failing is not None:
        yield _band(failing, "bw-impact", lines)
        yield el("text", failing.label, x=_x(failing.start_s, lines) + 4, y=_y(0.1), class_="bw-soft bw-halo")


def _band(band: story.Band, class_: str, lines: RequestSlices) -> Html:
    left, right = _x(band.start_s, lines), _x(band.end_s, lines)
    shape = {"x": left, "y": _TOP, "width": round(max(1.0, right - left), 1), "height": _BOTTOM - _TOP}
    return el("rect", el("title", band.label), **shape, class_=class_)


def _grid(lines: RequestSlices) -> Iterator[Html]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        yield el("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="bw-grid")
        yield el("text", f"{share * 100:.0f} %", x=_LEFT - 8, y=y + 4, text_anchor="end", class_="bw-soft")
    for at_s in _tick_times(lines):
        x = _x(at_s, lines)
        yield el("line", x1=x, x2=x, y1=_BOTTOM, y2=_BOTTOM + 5, class_="bw-grid")
        yield el("text", clock(at_s, seconds=lines.width_s < 5), x=x, y=_BOTTOM + 20, text_anchor="middle", class_="bw-soft")


def _tick_times(lines: RequestSlices) -> Iterator[float]:
    span_s = lines.end_s - lines.start_s
    step_s = next((tick for tick in (1, 5, 10, 30, *_TICKS_S) if span_s / tick <= 9), _TICKS_S[-1])
    at_s = -(-lines.start_s // step_s) * step_s
    while at_s <= lines.end_s:
        yield at_s
        at_s += step_s


def _steps(result: Result, lines: RequestSlices) -> Iterator[Html]:
    """A dashed line for each step, with its number; numbers that would touch take a second row."""
    last_x, row = -100.0, 0
    for number, step in enumerate(result.steps, 1):
        if step.applied_s is None:
            continue
        x = _x(step.applied_s, lines)
        row = (row + 1) % 2 if x - last_x < 14 else 0
        last_x = x
        yield el("line", x1=x, x2=x, y1=_TOP - 4, y2=_BOTTOM, class_="bw-act")
        name = el("title", f"{number} {step.name}")
        yield el("text", name, number, x=x, y=_TOP - 8 - 12 * row, text_anchor="middle", class_="bw-number")


def _line(index: int, buckets: Sequence[Bucket], lines: RequestSlices) -> Html:
    """Level over each slice, upright between two; a slice without requests is a gap."""
    style = palette.cohort_style(index)
    pieces, down = [], False
    for bucket in buckets:
        if bucket.good is not None:
            y = _y(bucket.good)
            pieces.append(f"V{y}" if down else f"M{_x(bucket.start_s, lines)} {y}")
            pieces.append(f"H{_x(bucket.start_s + lines.width_s, lines)}")
        down = bucket.good is not None
    dash = " ".join(map(str, style.dash)) or None
    return el("path", d="".join(pieces), class_="bw-line", style=f"stroke:var(--{style.colour})", stroke_dasharray=dash)


def _legend(lines: RequestSlices) -> Iterator[Html]:
    """The cohorts' names, in as many rows as they need."""
    x, y = float(_LEFT), _LEGEND_Y
    for index, series in enumerate(lines.cohorts):
        width = 56 + 6.6 * len(series.name)
        if x + width > WIDTH and x > _LEFT:
            x, y = float(_LEFT), y + 20
        style = palette.cohort_style(index)
        dash, stroke = " ".join(map(str, style.dash)) or None, f"stroke:var(--{style.colour})"
        yield el("line", x1=x, x2=x + 26, y1=y, y2=y, class_="bw-line", style=stroke, stroke_dasharray=dash)
        yield el("text", series.name, x=x + 32, y=y + 4)
        x = round(x + width, 1)
