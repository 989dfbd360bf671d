"""`report.html`: the whole run as one file that opens anywhere, also without a network.

The page forbids itself any request (its Content-Security-Policy allows inline parts only), and every text of the record
goes through `brownout.reports.markup`, so that names in an experiment cannot become markup. A static picture stands in for the
charts on paper, where scripts do not run, and in a page that was written without Bokeh, which the extra `report` installs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from brownout.harness.errors import UsageError
from brownout.harness.record.history import History, read_history
from brownout.harness.record.result import Result
from brownout.reports import palette
from brownout.reports.buckets import RequestSlices, timeline
from brownout.reports.html import bokeh_document, charts, details, sections
from brownout.reports.html.canaries import canaries, read_marks
from brownout.reports.html.lanes import lane_names
from brownout.reports.html.matrix import matrix_of, matrix_section
from brownout.reports.markup import Html, el, join
from brownout.reports.svg import slices_svg
from brownout.reports.units import duration

_ASSETS = Path(__file__).parent / "assets"
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_STILL = (
    "This is a still picture: Bokeh, which draws the interactive charts, is not installed (pip install 'brownout[report]')."
)
_PANELS = (
    ("chart-lanes", "What was done, and what came of it", ""),
    ("chart-availability", "Availability", "share of good requests, per cohort"),
    ("chart-latency", "Latency", "milliseconds of network time from the intended send, p50 thick, p99 thin, log scale"),
    ("chart-rate", "Requests", "per emulated minute, by outcome"),
)


def write(folder: Path) -> Path:
    """Writes `report.html` into a run folder from its `result.json` and history; raises UsageError without the former.

    Raises OSError, leaving no half of a report, where it cannot be written.
    """
    try:
        result = Result.model_validate_json((folder / "result.json").read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{folder} has no result.json", hint="is it the folder of a run?") from None
    path = folder / "report.html"
    text = page(result, history_of(folder), folder)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:  # half a page would look like a report
        with suppress(OSError):
            path.unlink()
        raise
    return path


def history_of(folder: Path) -> History:
    """The folder's history, empty where nothing was recorded."""
    try:
        return read_history(folder)
    except FileNotFoundError:
        return History((), ())


def page(result: Result, history: History, folder: Path) -> str:
    """The report's text."""
    lines = timeline(result, history.requests)
    built = charts.build(result, lines) if lines is not None and bokeh_document.is_installed() else None
    parts = (
        sections.banner(result),
        sections.key_numbers(result),
        sections.objectives(result),
        _timeline(result, lines, interactive=built is not None),
        sections.steps(result),
        sections.exposure(result),
        sections.invariants(result),
        sections.fidelity(result),
        matrix_section(matrix_of(folder)),
        details.phases(result),
        canaries(result, read_marks(folder)),
        details.gates(result),
        details.event_log(history.events),
        details.repeat(result, folder),
    )
    body = el(
        "body",
        el("a", "Skip to the objectives", href="#objectives", class_="skip"),
        el("main", *(part for part in parts if part is not None)),
        el("footer", "Made by Brownout from the run's own record."),
        _scripts(built),
    )
    title = f"{palette.VERDICT_WORDS.get(result.verdict, result.verdict)}: {result.title}"
    return f"<!doctype html>\n{el('html', head(title), body, lang='en', class_='no-script')}\n"


def head(title: str) -> Html:
    """A page's head, with everything that it may load: nothing."""
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", title),
        el("style", Html(stylesheet())),
        el("script", Html("document.documentElement.className = 'script'")),
    )


def stylesheet() -> str:
    """The page's rules with the palette in front, dark where the reader's system is."""
    light, dark = palette.variables(palette.LIGHT), palette.variables(palette.DARK)
    screen = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return screen + (_ASSETS / "report.css").read_text(encoding="utf-8")


def _timeline(result: Result, lines: RequestSlices | None, *, interactive: bool) -> Html:
    if lines is None:
        return sections.section("timeline", "Timeline", el("p", "No requests were recorded.", class_="note"))
    picture = Html(slices_svg(result, lines))
    if not interactive:
        notice = el("p", _STILL, class_="note")
        return sections.section("timeline", "Timeline", notice, el("figure", picture, class_="picture"))
    static = el("figure", picture, class_="picture static")
    notice = el("noscript", el("p", "Scripts are off here, so this is a still picture.", class_="note"))
    return sections.section(
        "timeline", "Timeline",
        el("p", _how_to_read(lines), class_="note script-only"),
        el("div", _toolbar(result), _legend(lines), class_="chart-tools script-only"),
        el("div", *(_panel(result, lines, *panel) for panel in _PANELS), class_="charts script-only"),
        notice, static,
    )  # fmt: skip


def _how_to_read(lines: RequestSlices) -> str:
    return (
        f"Emulated UTC time; each point is {duration(lines.width_s)}. Shaded: a fault is held; darker: requests are failing. "
        "Dashed and numbered: the steps. Solid lines: detected, mitigated, recovered. "
        "Drag to zoom, double-click or “Whole run” to go back, Ctrl and wheel to zoom."
    )


def _toolbar(result: Result) -> Html:
    buttons = [("whole", "Whole run")]
    if result.times.impact_start_s is not None:
        buttons.append(("impact", "Impact"))
    buttons += [("in", "Zoom in"), ("out", "Zoom out"), ("earlier", "Earlier"), ("later", "Later")]
    made = (el("button", words, type="button", data_zoom=name) for name, words in buttons)
    return el("div", *made, role="group", aria_label="Zoom", class_="zoom")


def _legend(lines: RequestSlices) -> Html:
    chips = (
        el("button", _key(style), el("span", name), type="button", data_cohort=index, aria_pressed="true", class_="chip")
        for index, (name, style) in enumerate(_cohorts(lines))
    )
    return el("div", *chips, role="group", aria_label="Show or hide a cohort", class_="legend")


def _cohorts(lines: RequestSlices) -> Iterator[tuple[str, palette.CohortStyle]]:
    """The cohorts in the order of the charts, with their styles."""
    for index, series in enumerate(lines.cohorts):
        yield series.name, palette.cohort_style(index)


def _key(style: palette.CohortStyle) -> Html:
    dash = " ".join(map(str, style.dash)) or None
    line = el("line", x1=1, x2=27, y1=5, y2=5, stroke_width=2.4, stroke_dasharray=dash, style=f"stroke:var(--{style.colour})")
    return el("svg", line, viewBox="0 0 28 10", width=28, height=10, aria_hidden="true")


def _panel(result: Result, lines: RequestSlices, id_: str, title: str, what: str) -> Html:
    label = f"{title}: {lane_names(result, lines)}" if id_ == "chart-lanes" else f"{title}, {what}"
    keys = _outcome_keys() if id_ == "chart-rate" else None
    caption = el("figcaption", el("b", title), " ", el("span", what), keys)
    return el("figure", caption, el("div", id=id_, class_="chart", role="img", aria_label=label))


def _outcome_keys() -> Html:
    return el("span", *(el("span", el("i", class_=word), word) for word in palette.OUTCOMES), class_="keys")


def _scripts(built: charts.Charts | None) -> Html:
    """The page's own script, and BokehJS when there is a chart."""
    own = el("script", Html((_ASSETS / "report.js").read_text(encoding="utf-8")))
    if built is None:
        return own
    data = {"document": built.document, "elements": built.elements, "start": built.start_ms, "end": built.end_ms,
            "impact": built.impact_ms}  # fmt: skip
    return join(
        [
            el("script", embedded_json(data), type="application/json", id="chart-data"),
            el("script", Html(bokeh_document.javascript())),
            own,
        ]
    )


def embedded_json(data: object) -> Html:
    """JSON that may stand inside a script element: no `<` is left in it."""
    return Html(json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))
