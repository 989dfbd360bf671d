"""A run as Markdown: the job summary of a CI service, or a note in a ticket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from brownout.harness.record.result import Result, SloResult
from brownout.reports import palette, story
from brownout.reports.units import clock, count, percent, printable, target

_ESCAPED = str.maketrans({c: f"\\{c}" for c in "\\`*_[]|~#"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "})


def render(result: Result) -> str:
    """Verdict, key numbers, objectives, steps, claims, failed gates and the command that repeats the run."""
    blocks = [
        _heading(result),
        *(f"- {_text(reason)}" for reason in result.reasons),
        "",
        _key_numbers(result),
        *(_objectives(title, slos) for title, slos in story.objective_groups(result)),
        _windows(result),
        _steps(result),
        _exposure(result),
        _invariants(result),
        _claims(result),
        _gates(result),
        _command(result),
    ]
    return "\n".join(block for block in blocks if block is not None).rstrip() + "\n"


def _text(value: object) -> str:
    """A value that Markdown shows as it is written."""
    return printable(value).translate(_ESCAPED)


def _status(word: str) -> str:
    return f"{palette.SYMBOLS[palette.mark(word)]} {word.replace('-', ' ')}"


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str | None:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return None
    return "\n".join([f"### {title}", "", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines, ""])


def _heading(result: Result) -> str:
    word = palette.VERDICT_WORDS.get(result.verdict, result.verdict)
    what = f"posture {_text(result.posture)}, {result.world}, clock ×{result.clock_rate:g}, seed {result.seed}"
    unfinished = "" if result.finished else "\n\n**Unfinished:** the run was cut short; figures cover what was recorded."
    mark = palette.verdict_mark(result.verdict, unexpected=result.unexpected)
    expectation = f" ({_text(result.expectation)})" if result.expectation else ""
    head = f"## {palette.SYMBOLS[mark]} {word}{expectation}"
    return f"{head}\n\n{_text(result.title)}, {what}{unfinished}\n"


def _key_numbers(result: Result) -> str:
    head = " | ".join(word.capitalize() for word, _ in story.KEY_TIMES)
    row = " | ".join(_text(story.key_time(result.times, name)) for _, name in story.KEY_TIMES)
    return f"| {head} |\n|{' --- |' * len(story.KEY_TIMES)}\n| {row} |\n"


def _objectives(title: str, slos: Sequence[SloResult]) -> str | None:
    rows = (
        (_text(s.name), _status(s.status), target(s.target), percent(None if s.ratio is None else 1 - s.ratio, digits=2),
         f"{count(s.bad)} of {count(s.total)}", _text(s.reason))
        for s in slos
    )  # fmt: skip
    return _table(_text(title), ("Objective", "Status", "Target", "Good", "Bad", "Why"), rows)


def _windows(result: Result) -> str | None:
    rows = ((_text(slo), _text(step), *cells) for slo, step, *cells in story.window_rows(result))
    return _table(story.WINDOWS_TITLE, tuple(word.capitalize() for word in story.WINDOWS_HEAD), rows)


def _steps(result: Result) -> str | None:
    rows = (
        (_text(f"{n} {s.name}"), s.role, clock(s.applied_s if s.applied_s is not None else s.at_s), s.state,
         f"{percent(s.before)} → {percent(s.after)}", _text(story.effect_word(s)))
        for n, s in enumerate(result.steps, 1)
    )  # fmt: skip
    return _table("Steps", ("Step", "Role", "At", "State", "Failing before → after", "Effect"), rows)


def _exposure(result: Result) -> str | None:
    rows = (
        (_text(step), _text(cohort), _status(state), *shares) for step, cohort, state, *shares in story.exposure_rows(result)
    )
    return _table(story.EXPOSURE_TITLE, tuple(word.capitalize() for word in story.EXPOSURE_HEAD), rows)


def _invariants(result: Result) -> str | None:
    rows = ((_text(name), _status(status), *map(_text, rest)) for name, status, *rest in story.invariant_rows(result))
    return _table(story.INVARIANTS_TITLE, tuple(word.capitalize() for word in story.INVARIANTS_HEAD), rows)


def _claims(result: Result) -> str | None:
    rows = (
        (_text(c.id), _status(c.status), _text(c.text), _text(c.published), _text(f"{c.measured} {c.interval}".strip()))
        for c in result.claims
    )
    return _table("Fidelity", ("Claim", "Status", "What was published", "Published", "Measured"), rows)


def _gates(result: Result) -> str | None:
    return _table("Failed gates", ("Gate", "Why"), ((_text(g.name), _text(g.reason)) for g in result.gates if not g.passed))


def _command(result: Result) -> str:
    fence = "```" if "```" not in result.command else "~~~~"
    return f"{fence}sh\n{result.command}\n{fence}\n\nDigest `{result.digest}`"
