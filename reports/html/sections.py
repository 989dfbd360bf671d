"""The first half of the page: the summary. Each function is one section of the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from brownout.harness.record.result import ClaimResult, ClaimStatus, Result, SloResult, StepResult
from brownout.reports import palette, story
from brownout.reports.markup import Column, Html, el, join, table
from brownout.reports.units import clock, count, day, duration, percent, rate, target

_ICON_PATHS = {
    "good": "M3.2 8.4 6.6 11.8 12.8 4.6",
    "bad": "M4.2 4.2 11.8 11.8 M11.8 4.2 4.2 11.8",
    "unsure": "M5.6 6.2a2.4 2.4 0 1 1 3.4 2.2c-.7.3-1 .7-1 1.5 M8 12.4v.2",
    "plain": "M4 8h8",
}


def icon(mark: str) -> Html:
    """A mark as a small drawing: its shape carries the same information as its colour."""
    path = el("path", d=_ICON_PATHS[mark], fill="none", stroke="currentColor")
    return el("svg", path, viewBox="0 0 16 16", class_="icon", aria_hidden="true", width=16, height=16)


def badge(status: str, words: str = "") -> Html:
    """A status as shape and word."""
    label = words or status.replace("-", " ")
    return el("span", icon(palette.mark(status)), el("span", label), class_=f"badge {palette.mark(status)}")


def section(id_: str, title: str, *content: object) -> Html:
    return el("section", el("h2", title, id=id_), *content, aria_labelledby=id_)


def banner(result: Result) -> Html:
    """Verdict, its reason in one sentence, and what was run."""
    reasons = result.reasons or (_default_reason(result),)
    word = palette.VERDICT_WORDS.get(result.verdict, result.verdict)
    mark = palette.verdict_mark(result.verdict, unexpected=result.unexpected)
    more = el("ul", *(el("li", reason) for reason in reasons[1:])) if len(reasons) > 1 else None
    return el(
        "header",
        el("p", "Brownout", el("span", result.experiment), class_="kicker"),
        el("h1", result.title),
        el("p", result.description, class_="lede") if result.description else None,
        el(
            "div",
            el("p", icon(mark), el("strong", word), _expectation(result), class_="word"),
            el("p", reasons[0], class_="reason"),
            more,
            _unfinished(result),
            class_=f"verdict {mark}",
            role="status",
        ),
        _facts(result),
    )


def _default_reason(result: Result) -> str:
    return "Every objective was met." if result.verdict == "pass" else "No reason was recorded."


def _expectation(result: Result) -> Html | None:
    if not result.expectation:
        return None
    return el("span", result.expectation, class_="expected unmet" if result.unexpected else "expected")


def _unfinished(result: Result) -> Html | None:
    if result.finished:
        return None
    text = "This run did not finish. Everything below covers only what was recorded before it stopped."
    return el("p", el("strong", "Unfinished. "), text, class_="unfinished")


def _facts(result: Result) -> Html:
    emulated = day(result.phases[0].start_s) if result.phases else None
    posture = join([result.posture, el("small", result.posture_description)], " ")
    pairs = (
        ("Posture", posture),
        ("World", result.world),
        ("Clock", f"×{rate(result.clock_rate)}" + (" (emulated time runs faster)" if result.clock_rate > 1 else "")),
        ("Seed", el("code", result.seed)),
        ("Emulated day", f"{emulated}, UTC" if emulated else None),
        ("Took", duration(result.wall_s)),
    )
    return el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in pairs if value), class_="facts")


def key_numbers(result: Result) -> Html:
    """The four key times: detect, mitigate, recover, longest outage."""
    times, notes = result.times, result.times.notes
    seen = times.impact_start_s is not None
    detected = f"by {times.detect_by}" if times.detect_by else "from the first effect"
    tiles = (
        ("Time to detect", times.detect, notes.get("detect", detected)),
        ("Time to mitigate", times.mitigate, notes.get("mitigate", "from the first effect")),
        ("Time to recover", times.recover, notes.get("recover", "from the end of the fault")),
        ("Longest outage", times.longest_outage, notes.get("longest_outage", "of the worst-hit cohort")),
    )
    return el(
        "section",
        el("h2", "Key numbers", class_="hidden"),
        el("dl", *(_tile(*tile, seen=seen) for tile in tiles), class_="tiles"),
        _impact_sentence(result),
    )


def _tile(name: str, seconds: float | None, what: str, *, seen: bool) -> Html:
    value = duration(seconds) if seconds is not None else ("not seen" if seen else "no impact")
    return el("div", el("dt", name), el("dd", value, class_="value" if seconds is not None else "value none"), el("dd", what))


def _impact_sentence(result: Result) -> Html | None:
    start_s, end_s = result.times.impact_start_s, result.times.impact_end_s
    if start_s is None:
        return None
    until = f"until {clock(end_s)} UTC ({duration(end_s - start_s)})" if end_s is not None else "and it was not over at the end"
    return el("p", f"Requests were failing from {clock(start_s)} {until}.", class_="note")


def objectives(result: Result) -> Html:
    """Each objective with its interval drawn against its target."""
    floor = _interval_floor(result.slos)
    if not result.slos:
        return section("objectives", "Objectives", el("p", "No objective was judged.", class_="note"))
    confidence = next((percent(s.interval.confidence, digits=0) for s in result.slos if s.interval is not None), "no")
    columns = (
        Column("Objective", "prose wide"), Column("Status"), Column("Target", "number"), Column("Good", "number"),
        Column(f"Interval ({confidence} bounds) and target"), Column("Bad of requests", "number"),
        Column("Budget spent", "number"),
    )  # fmt: skip
    tables = [
        table(
            f"{title}: observed share of good requests",
            columns,
            [_objective_row(slo, floor) for slo in slos],
            class_="objectives",
        )
        for title, slos in story.objective_groups(result)
    ]
    return section("objectives", "Objectives", _subject(result), *tables, _windows(result))


def _subject(result: Result) -> Html | None:
    """What the run was about, where that was an application; how it ended, and where its output is."""
    subject = result.subject
    if subject is None:
        return None
    ended = f" {subject.ended}." if subject.ended else ""
    text = f"The application under test: {story.subject_text(subject)}.{ended} Its output is in {' and '.join(subject.files)}."
    return el("p", text, class_="note")


def _windows(result: Result) -> Html | None:
    """The objectives while each fault was in place: a short outage is little of a long run."""
    rows = list(story.window_rows(result))
    if not rows:
        return None
    objective, fault, *numbers = (word.capitalize() for word in story.WINDOWS_HEAD)
    columns = (Column(objective), Column(fault), *(Column(word, "number") for word in numbers))
    title, _, caption = story.WINDOWS_TITLE.partition(": ")
    return join([el("h3", title), table(caption, columns, rows)])


def _objective_row(slo: SloResult, floor: float) -> Sequence[object]:
    name = join([slo.name, el("small", slo.description), el("small", slo.reason, class_="why")])
    good = None if slo.ratio is None else 1 - slo.ratio
    spent = "–" if slo.budget_spent is None else _budget(slo.budget_spent)
    bad = f"{count(slo.bad)} of {count(slo.total)}"
    return name, badge(slo.status), target(slo.target), percent(good, digits=2), interval_cell(slo, floor), bad, spent


def _budget(spent: float) -> str:
    return f"×{spent:.1f}" if spent >= 10 else percent(spent, digits=0)


def _interval_floor(slos: Sequence[SloResult]) -> float:
    """The left end of all interval drawings: a round share below everything that must be shown."""
    lowest = min((1 - slo.interval.high for slo in slos if slo.interval is not None), default=0.9)
    lowest = min([lowest, *(slo.target for slo in slos)])
    return next((floor for floor in (0.99, 0.95, 0.9, 0.75, 0.5) if lowest >= floor + 0.1 * (1 - floor)), 0.0)


def interval_cell(slo: SloResult, floor: float) -> Html:
    """A dot with whiskers on a scale from `floor` to 100 % good, and a tick for the target."""
    if slo.interval is None or slo.ratio is None:
        return el("span", "–")
    low, high = 1 - slo.interval.high, 1 - slo.interval.low
    words = f"{percent(low, digits=2)} to {percent(high, digits=2)}"
    where = [
        8 + 124 * (share - floor) / (1 - floor) for share in (max(floor, low), high, max(floor, 1 - slo.ratio), slo.target)
    ]
    left, right, dot, goal = (round(x, 1) for x in where)
    drawing = el(
        "svg",
        el("line", x1=8, x2=132, y1=9, y2=9, class_="scale"),
        el("line", x1=left, x2=right, y1=9, y2=9, class_="whisker"),
        el("line", x1=goal, x2=goal, y1=1, y2=17, class_="goal"),
        el("circle", cx=dot, cy=9, r=3.6),
        viewBox="0 0 140 18", width=140, height=18, class_=f"interval {palette.mark(slo.status)}", aria_hidden="true",
    )  # fmt: skip
    return el("div", drawing, el("small", words))


def steps(result: Result) -> Html:
    """Every step of the schedule, with the failing share just before and just after it."""
    if not result.steps:
        return section("steps", "Steps", el("p", "Nothing was done to the stack.", class_="note"))
    columns = (
        Column("Step", "prose wide"), Column("At", "number"), Column("State"),
        Column("Failing before → after", "text"), Column("Effect"), Column("Evidence", "prose wide"),
    )  # fmt: skip
    rows = [_step_row(number, step) for number, step in enumerate(result.steps, 1)]
    note = f"The failing share is taken over {duration(result.steps[0].window_s)} on each side of a step."
    return section("steps", "What was done, and what it changed",
                   table("Steps with their measured effect", columns, rows), el("p", note, class_="note"))  # fmt: skip


def exposure(result: Result) -> Html | None:
    """Which requests met each step, by cohort."""
    rows = [(step, cohort, badge(state), *shares) for step, cohort, state, *shares in story.exposure_rows(result)]
    if not rows:
        return None
    first, second, third, *numbers = (word.capitalize() for word in story.EXPOSURE_HEAD)
    columns = (Column(first), Column(second), Column(third), *(Column(word, "number") for word in numbers))
    note = (
        "Met: the trail of a request shows what the step broke, or the request failed and would have needed it. "
        "Spared: the baseline needed it, and caches or another way served every request meanwhile. "
        "Cached: answered from a cache that had been filled over it. In baseline: how many needed it then."
    )
    title, _, caption = story.EXPOSURE_TITLE.partition(": ")
    return section("exposure", title, table(caption, columns, rows), el("p", note, class_="note"))


def invariants(result: Result) -> Html | None:
    """What must hold whatever breaks, with how often it was exercised; None for a record without any."""
    rows = [(name, badge(status), *rest) for name, status, *rest in story.invariant_rows(result)]
    if not rows:
        return None
    first, second, third, *prose = (word.capitalize() for word in story.INVARIANTS_HEAD)
    columns = (Column(first), Column(second), Column(third, "number"), *(Column(word, "prose") for word in prose))
    note = (
        "Exercised: occasions on which it could have been violated. "
        "Without any, this run says nothing about it. A violation is a breach, whatever the objectives say."
    )
    title, _, caption = story.INVARIANTS_TITLE.partition(": ")
    return section("invariants", title, table(caption, columns, rows), el("p", note, class_="note"))


def _step_row(number: int, step: StepResult) -> Sequence[object]:
    role = el("span", step.role, class_=f"role {step.role}")
    name = join([el("span", number, class_="ordinal"), step.name, role, el("small", step.describe), el("small", step.note)])
    at = clock(step.applied_s if step.applied_s is not None else step.at_s)
    return name, at, badge(step.state), _change(step), story.effect_word(step) or "–", step.evidence or "–"


def _change(step: StepResult) -> Html:
    if step.before is None and step.after is None:
        return el("span", "–")
    bars = [_bar(share) for share in (step.before, step.after)]
    return el("div", el("div", bars[0], el("span", "→", class_="arrow"), bars[1], class_="change"))


def _bar(share: float | None) -> Html:
    width = round(44 * (share or 0), 1)
    fill = el("rect", x=0, y=0, width=max(width, 0.8), height=5, class_="fill")
    track = el("rect", x=0, y=0, width=44, height=5, class_="track")
    drawing = el("svg", track, fill, viewBox="0 0 44 5", width=44, height=5, aria_hidden="true")
    return el("span", percent(share), drawing, class_="bar")


def fidelity(result: Result) -> Html | None:
    """Each published claim beside what was measured; None for an experiment without claims."""
    if not result.claims:
        return None
    columns = (
        Column("Claim"), Column("Status"), Column("What was published, and how it was tested", "prose wide"),
        Column("Published", "prose"), Column("Measured", "prose"),
    )  # fmt: skip
    rows = [_claim_row(claim) for claim in result.claims]
    caption = "Claims of the published review, and what this run measured"
    content = (_claim_counts(result.claims), table(caption, columns, rows, class_="claims"), _calibrated(result))
    return section("fidelity", "Fidelity to the published record", *content)


def _claim_row(claim: ClaimResult) -> Sequence[object]:
    text = join([claim.text, el("small", claim.how)])
    measured = join([claim.measured, el("small", claim.interval)])
    return claim.id, badge(claim.status), text, claim.published, measured


def _claim_counts(claims: Sequence[ClaimResult]) -> Html:
    return el("p", join(_claim_count_parts(claims)), class_="counts")


def _claim_count_parts(claims: Sequence[ClaimResult]) -> Iterator[Html]:
    for status in get_args(ClaimStatus):
        number = sum(claim.status == status for claim in claims)
        if number:
            yield badge(status, f"{number} {status.replace('-', ' ')}")


def _calibrated(result: Result) -> Html | None:
    if not result.calibrated:
        return None
    rows = [(el("code", name), what) for name, what in sorted(result.calibrated.items())]
    reason = "The published record is silent here; these were chosen to fit a figure, so they prove nothing."
    columns = (Column("Parameter"), Column("Value and reason", "prose wide"))
    parameters = table("Parameters chosen to fit a published figure", columns, rows)
    return join([el("h3", "Calibrated parameters"), el("p", reason), parameters])
