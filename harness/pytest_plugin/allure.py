"""Runs in Allure: phases and steps, objectives, claims, the chart, the whole result.

The only file that knows Allure. Everything is written after the run, from the record and from one thread, because steps of
concurrent tasks would nest wrongly.
World and posture are parameters of a test, so Allure keeps a history for each pair. The seed is shown only.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import allure
import pytest

if TYPE_CHECKING:
    from brownout.harness.pytest_plugin.runs import Run
    from brownout.harness.pytest_plugin.settings import PluginSettings
    from brownout.harness.record.history import Event
    from brownout.harness.record.result import Result

EPIC = "Brownout"
REPORT_MAX = 240
FAILED_WORDS = frozenset({"failed", "stuck"})
CATEGORIES = (
    {"name": "Inconclusive", "matchedStatuses": ["skipped", "failed"], "messageRegex": "(?s)^Inconclusive.*"},
    {"name": "Unexpected verdict", "matchedStatuses": ["failed"], "messageRegex": "(?s)^AssertionError: expected .*, got .*"},
    {"name": "Claim that does not hold", "matchedStatuses": ["failed"], "messageRegex": "(?s).*claims do not hold.*"},
    {"name": "Harness error", "matchedStatuses": ["broken"], "messageRegex": "(?s)^brownout\\.harness\\.errors\\..*"},
    {
        "name": "Harness error or left unsafe",
        "matchedStatuses": ["failed"],
        "messageRegex": "(?s)^AssertionError: the run ended as .*",
    },
)
_STYLE = (
    "<style>body{font:14px system-ui,sans-serif}table{border-collapse:collapse}"
    "th,td{border:1px solid #bbb;padding:4px 10px;text-align:left}</style>"
)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A step as Allure shows it, with the steps inside it; `problem` is what went wrong in it, if anything."""

    title: str
    inside: tuple[Chapter, ...] = ()
    problem: str = ""


class AllureListener:
    """Writes the current test's runs, and at the end of the session the environment and the categories."""

    def __init__(self, folder: Path, settings: PluginSettings) -> None:
        self._folder, self._settings = folder.absolute(), settings

    def runs_used(self, item: pytest.Item, runs: Sequence[Run]) -> None:
        """Adds labels, parameters, steps and attachments of the runs to the test that Allure has open."""
        _label(item, tuple(run.result for run in runs))
        for run in runs:
            with allure.step(f"{run.name}: {run.verdict}"):
                for chapter in chapters(run.history.events):
                    _emit(chapter)
                _attach(run)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Written once, by the controlling process of pytest-xdist or the only one."""
        if not hasattr(session.config, "workerinput"):
            self._folder.mkdir(parents=True, exist_ok=True)
            _write_environment(self._folder / "environment.properties", self._environment())
            categories = self._folder / "categories.json"
            if not categories.exists():
                categories.write_text(json.dumps(CATEGORIES, indent=2) + "\n", encoding="utf-8")

    def _environment(self) -> Mapping[str, str]:
        return {
            "brownout.version": version("brownout"),
            "brownout.world": self._settings.world,
            "brownout.seed": str(self._settings.seed),
            "brownout.inconclusive": self._settings.inconclusive,
            "brownout.python": platform.python_version(),
            "brownout.platform": f"{platform.system()} {platform.machine()}",
        }


def chapters(events: Iterable[Event]) -> tuple[Chapter, ...]:
    """The record's phases, in each the steps of the schedule that something happened to, in each what happened."""
    phases: list[tuple[str, list[Event]]] = [("before the baseline", [])]
    for event in events:
        if event.kind == "phase":
            phases.append((f"{_clock(event.at_s)} phase {event.what}", []))
        elif event.kind == "act":
            phases[-1][1].append(event)
    return tuple(Chapter(title, tuple(_steps(acts))) for title, acts in phases if acts or "phase" in title)


def _steps(acts: Iterable[Event]) -> Iterator[Chapter]:
    """One chapter for each stretch of acts on one subject."""
    stretches: list[list[Event]] = []
    for act in acts:
        if not stretches or stretches[-1][0].subject != act.subject:
            stretches.append([])
        stretches[-1].append(act)
    for stretch in stretches:
        first, role = stretch[0], stretch[0].detail.get("role", "")
        inside = tuple(_happening(act) for act in stretch)
        problem = next((f"{first.subject}: {one.problem}" for one in inside if one.problem), "")
        yield Chapter(f"{_clock(first.at_s)} {first.subject}" + (f" ({role})" if role else ""), inside, problem)


def _happening(act: Event) -> Chapter:
    said = str(act.detail.get("evidence") or act.detail.get("describe") or "")
    if "report" in act.detail:
        said = shorten(f"{act.detail.get('carrier', '')} says {json.dumps(act.detail['report'])}", REPORT_MAX)
    title = f"{_clock(act.at_s)} {act.what}" + (f": {said}" if said else "")
    return Chapter(title, problem=(said or act.what) if act.what in FAILED_WORDS else "")


def _emit(chapter: Chapter) -> None:
    with suppress(AssertionError), allure.step(chapter.title):
        for one in chapter.inside:
            _emit(one)
        if chapter.problem:
            raise AssertionError(chapter.problem)  # Allure marks a step as failed by the exception that leaves it


def _label(item: pytest.Item, results: tuple[Result, ...]) -> None:
    """Epic, feature and story, unless the test has its own, and the parameters of its runs."""
    own = {mark.kwargs.get("label_type") for mark in item.iter_markers("allure_label")}
    labels = {
        "epic": (EPIC,),
        "feature": _distinct(result.title for result in results),
        "story": _distinct(result.posture for result in results),
    }
    add: Callable[..., None] = allure.dynamic.label  # untyped there
    for kind, words in labels.items():
        if kind not in own:
            add(kind, *words)
    allure.dynamic.parameter("brownout posture", ", ".join(_distinct(result.posture for result in results)))
    allure.dynamic.parameter("brownout world", ", ".join(_distinct(result.world for result in results)))
    seeds = ", ".join(_distinct(str(result.seed) for result in results))
    allure.dynamic.parameter("brownout seed", seeds, excluded=True)


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _attach(run: Run) -> None:
    from brownout.harness.experiment import plugins

    kinds = allure.attachment_type
    picture = plugins.load_plugin("brownout.reports", "svg")(run.result, run.history)
    allure.attach(objectives_html(run.result), "objectives", kinds.HTML)
    if run.result.claims:
        allure.attach(claims_html(run.result), "claims", kinds.HTML)
    allure.attach(picture, "availability", kinds.SVG)
    allure.attach((run.folder / "result.json").read_text(encoding="utf-8"), "result.json", kinds.JSON)


def objectives_html(result: Result) -> str:
    """Verdict, reasons, objectives and gates as a page without scripts."""
    objectives = _table(
        ("objective", "target", "bad", "of", "status", "why"),
        ((s.name, f"{100 * s.target:g} %", str(s.bad), str(s.total), s.status, s.reason) for s in result.slos),
    )
    gates = _table(
        ("gate", "passed", "why"), ((gate.name, "yes" if gate.passed else "no", gate.reason) for gate in result.gates)
    )
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in result.reasons)
    head = f"<!doctype html>{_STYLE}<h2>Verdict: {escape(result.verdict)}</h2><ul>{reasons}</ul>"
    return f"{head}{objectives}<h3>Gates</h3>{gates}"


def claims_html(result: Result) -> str:
    """The fidelity table as a page without scripts."""
    rows = ((c.id, c.text, c.published, c.measured, c.status, c.how) for c in result.claims)
    table = _table(("claim", "", "published", "measured", "status", "how"), rows)
    return f"<!doctype html>{_STYLE}{table}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")


def _write_environment(path: Path, entries: Mapping[str, str]) -> None:
    """Puts these entries into the file, leaving those of others in it."""
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in old if line.partition("=")[0].strip() not in entries]
    path.write_text("\n".join((*kept, *(f"{name}={value}" for name, value in entries.items()))) + "\n", encoding="utf-8")
