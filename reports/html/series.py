"""`series.html`: what a series of runs says of the system, with every episode's share beside the interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from brownout.harness.record.series import EpisodeResult, SeriesResult, SystemObjective
from brownout.reports import palette
from brownout.reports.html.page import head
from brownout.reports.html.sections import badge, icon, section
from brownout.reports.markup import Column, Html, el, join, table
from brownout.reports.series import TITLE, episode_shares, objective_cells
from brownout.reports.units import duration, rate, target

PAGE = "series.html"
_WIDTH, _LEFT, _RIGHT, _ROWS = 340, 8, 332, 3
_FLOORS = (0.999, 0.99, 0.95, 0.9, 0.75, 0.5, 0.0)


def write(result: SeriesResult, folder: Path) -> Path:
    """Writes the page into the series' folder; raises OSError, leaving no half of a page, where it cannot be written."""
    path = folder / PAGE
    try:
        path.write_text(page(result, folder), encoding="utf-8")
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
    return path


def page(result: SeriesResult, folder: Path) -> str:
    """The page's text."""
    body = el(
        "body",
        el("a", "Skip to the objectives", href="#objectives", class_="skip"),
        el("main", _banner(result), _objectives(result), _episodes(result, folder), _repeat(result)),
        el("footer", "Made by Brownout from the episodes' own records."),
    )
    title = f"{palette.VERDICT_WORDS[result.verdict]}: {result.plan.title}, {len(result.episodes)} episodes"
    return f"<!doctype html>\n{el('html', head(title), body, lang='en')}\n"


def _banner(result: SeriesResult) -> Html:
    plan, mark = result.plan, palette.verdict_mark(result.verdict, unexpected=result.unexpected)
    more = el("ul", *(el("li", reason) for reason in result.reasons[1:])) if len(result.reasons) > 1 else None
    expected = el("span", result.expectation, class_="expected unmet" if result.unexpected else "expected")
    word = el("strong", f"{palette.VERDICT_WORDS[result.verdict]}, about the system")
    return el(
        "header",
        el("p", "Brownout", el("span", plan.experiment), class_="kicker"),
        el("h1", plan.title),
        el("p", plan.description, class_="lede") if plan.description else None,
        el(
            "div",
            el("p", icon(mark), word, expected if result.expectation else None, class_="word"),
            el("p", result.reasons[0], class_="reason"),
            more,
            class_=f"verdict {mark}",
            role="status",
        ),
        el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in _facts(result)), class_="facts"),
    )


def _facts(result: SeriesResult) -> Iterator[tuple[str, object]]:
    plan, counted = result.plan, sum(episode.counts for episode in result.episodes)
    yield "Episodes that count", f"{counted} of {len(result.episodes)}, {len(plan.episodes)} planned"
    yield "Posture", join([plan.posture, el("small", plan.posture_description)], " ")
    yield "World", plan.world
    yield "Clock", f"×{rate(plan.clock_rate)}"
    yield "Seed of the series", el("code", plan.seed)
    yield "Took", duration(result.wall_s)


def _objectives(result: SeriesResult) -> Html:
    if not result.objectives:
        return section("objectives", "Objectives", el("p", "No objective was judged.", class_="note"))
    columns = (
        Column("Objective", "prose wide"), Column("Status"), Column("Target", "number"), Column("Good", "number"),
        Column("The system's interval, and the episodes"), Column("Bad of requests", "number"),
    )  # fmt: skip
    note = (
        "Each dot is an episode's share of good requests. The bar is the interval of the system's share, the tick its target. "
        "An episode that does not count is a ring and is in no figure."
    )
    rows = [_objective_row(found, result.episodes) for found in result.objectives]
    return section("objectives", TITLE, el("p", note, class_="note"), table(TITLE, columns, rows, class_="objectives"))


def _objective_row(found: SystemObjective, episodes: Sequence[EpisodeResult]) -> Sequence[object]:
    good, between, worst, best, bad = objective_cells(found)
    name = join([found.name, el("small", found.reason, class_="why")])
    words = el("small", "" if found.interval is None else f"the system {between}; ", f"episodes {worst} to {best}")
    drawing = el("div", _drawing(found, episodes), words)
    return name, badge(found.status), target(found.target), good, drawing, bad


def _drawing(found: SystemObjective, episodes: Sequence[EpisodeResult]) -> Html:
    """Dots of the episodes above the interval's bar, on a scale from a round share below them all to 100 % good."""
    dots = [(episode, share.ratio) for episode in episodes for share in episode.shares if share.objective == found.name]
    known = [(episode, 1 - ratio) for episode, ratio in dots if ratio is not None]
    floor = _floor([found.target, *(share for _, share in known)])

    def across(share: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (max(floor, share) - floor) / (1 - floor), 1)

    goal = across(found.target)
    parts = [
        el("line", x1=_LEFT, x2=_RIGHT, y1=40, y2=40, class_="scale"),
        el("line", x1=goal, x2=goal, y1=4, y2=46, class_="goal"),
    ]
    if found.interval is not None:
        left, right = across(1 - found.interval.high), across(1 - found.interval.low)
        parts.append(el("line", x1=left, x2=right, y1=40, y2=40, class_="whisker"))
    parts += [_dot(episode, across(share), 8 + 11 * (index % _ROWS)) for index, (episode, share) in enumerate(known)]
    parts += [el("text", words, x=x, y=58, text_anchor=end) for words, x, end in _scale(floor)]
    return el(
        "svg", *parts, viewBox=f"0 0 {_WIDTH} 62", width=_WIDTH, height=62, role="img",
        aria_label=f"{found.name}: each episode's share of good requests", class_=f"interval {palette.mark(found.status)}",
    )  # fmt: skip


def _scale(floor: float) -> tuple[tuple[str, int, str], ...]:
    """The words at both ends of a drawing's scale."""
    return (target(floor), _LEFT, "start"), ("100 %", _RIGHT, "end")


def _dot(episode: EpisodeResult, x: float, y: float) -> Html:
    name = el("title", f"episode {episode.number}: {episode.verdict}")
    return el("circle", name, cx=x, cy=y, r=3.6, class_=None if episode.counts else "left-out")


def _floor(shares: Sequence[float]) -> float:
    lowest = min(shares)
    return next(floor for floor in _FLOORS if lowest >= floor + 0.05 * (1 - floor) or floor == 0.0)


def _episodes(result: SeriesResult, folder: Path) -> Html:
    names = [objective.name for objective in result.objectives]
    columns = (
        Column("Episode", "prose wide"), Column("Verdict"), Column("Seed", "number"), Column("Offset", "number"),
        *(Column(name, "number") for name in names), Column("Detected", "number"), Column("Recovered", "number"),
        Column("Longest outage", "number"),
    )  # fmt: skip
    rows = [_episode_row(episode, names, folder) for episode in result.episodes]
    note = (
        "Each episode is a whole run with its own seed. Its stack began earlier by the offset, so that the faults met another "
        "point of its cycles. "
    )
    how = join([note, el("code", f"brownout report {folder.name}/episode-01"), " writes an episode's own page."])
    return section("episodes", "Episodes", el("p", how, class_="note"), table("Episodes", columns, rows))


def _episode_row(episode: EpisodeResult, names: Sequence[str], folder: Path) -> Sequence[object]:
    report = f"{episode.folder}/report.html"
    name = el("a", episode.folder, href=report) if (folder / report).is_file() else episode.folder
    why = episode.why if episode.counts else f"does not count: {episode.why}"
    times = (duration(value) for value in (episode.times.detect, episode.times.recover, episode.times.longest_outage))
    first = join([name, el("small", why, class_="why")])
    shares = episode_shares(episode, names)
    return first, badge(episode.verdict), el("code", episode.seed), duration(episode.offset_s), *shares, *times


def _repeat(result: SeriesResult) -> Html:
    return section("repeat", "Repeat this series", el("pre", el("code", result.plan.command), tabindex=0))
