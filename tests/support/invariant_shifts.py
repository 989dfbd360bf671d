"""What each invariant says of its two histories when one thing in them is another: at each moment that matters, one by one.

An invariant is mostly borders: how long before, at which look, of which version. So a request, a look or an act is moved to
each moment of the history, a little beside it, and so far after it as things are promised to take; a request's end is moved;
versions, promises, outcomes and credentials are changed; each is left out. What comes of it is held against what was reviewed:
`tests/harness/judge/invariants/approved/*.json`.

`PYTHONPATH=tests python -m support.invariant_shifts --write` renews them. A difference is to be reviewed, row by row, before it
is committed. A row says `moment: exercised/violations`, in seconds after the history's start, and only where it changes; a row
`told: …` which text is told, and of which change first.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from brownout.harness.judge.invariants.facts import Facts
from brownout.harness.judge.invariants.invariant import Invariant
from brownout.harness.judge.invariants.table import INVARIANTS
from brownout.harness.record.credentials import Credential, parse, told
from brownout.harness.record.history import Event, History, RequestOutcome, RequestRecord
from support.approved_rows import renew
from support.invariant_controls import CONTROLS
from support.places import ROOT
from support.slo_builders import T0

APPROVED = ROOT / "tests/harness/judge/invariants/approved"
BESIDE_S = (-1.0, 0.0, 1.0)
PROMISED_S = (30.0, 60.0, 90.0, 180.0, 210.0, 215.0, 240.0, 299.0, 300.0, 600.0)  # such as three rounds of a minute
MOST = 5  # so many requests, looks and acts of a history, the last ones
T = TypeVar("T")
Changed = tuple[float, History]  # the moment of what was changed


def rows(invariant: Invariant) -> dict[str, str]:
    """All that comes of its two histories; a row for what is the same whatever is changed is left out.

    Each text that is told on the way has a row too, with the first change that it is told of.
    """
    found: dict[str, str] = {}
    texts: dict[str, str] = {}
    for which, history in zip(("held", "violated"), CONTROLS[invariant.name], strict=True):
        usual, text = _counted(invariant, history)
        texts.setdefault(text, f"{which}")
        for what, changed in _changes(history):
            row = _row(invariant, changed, f"{which}: {what}", texts)
            if row != usual:
                found[f"{which}: {what}"] = row
    return found | {f"told: {text}": what for text, what in texts.items() if text}


def _counted(invariant: Invariant, history: History) -> tuple[str, str]:
    """How often it was exercised and violated, and what is told of that."""
    result = invariant.result(Facts.of(history))
    return f"{result.exercised}/{result.violations}", "; ".join(filter(None, (result.evidence, result.note)))


def _row(invariant: Invariant, changed: Iterable[Changed], what: str, texts: dict[str, str]) -> str:
    """What comes of each, with the moment where it is another than before; what is told at that moment goes to `texts`."""
    said: list[tuple[float, str]] = []
    for moment_s, history in changed:
        now, text = _counted(invariant, history)
        if not said or now != said[-1][1]:
            said.append((moment_s, now))
            texts.setdefault(text, what)
    return said[0][1] if len(said) == 1 else ", ".join(f"{moment_s - T0:g}: {now}" for moment_s, now in said)


def _changes(history: History) -> Iterator[tuple[str, Iterable[Changed]]]:
    """Each thing that is changed, with what becomes of the history."""
    near, far = _moments(history, BESIDE_S), _moments(history, PROMISED_S)
    for n, one in _last(history.requests):
        whole = sorted(near + far)
        yield f"request {n} moved", ((at_s, _with_request(history, n, _moved(one, at_s))) for at_s in whole)
        ends = (at_s for at_s in near if at_s >= one.sent_s)
        yield f"request {n} until", ((at_s, _with_request(history, n, one._replace(done_s=at_s))) for at_s in ends)
        for what, other in _other_requests(one):
            yield f"request {n} {what}", [(T0, _with_request(history, n, other))]
    for kind in ("look", "act"):
        for n, event in _last([event for event in history.events if event.kind == kind]):
            yield f"{kind} {n} moved", ((at_s, _with_event(history, event, _at(event, at_s))) for at_s in near)
            yield f"{kind} {n} gone", [(T0, _with_event(history, event, None))]
            for what, detail in _other_details(event.detail):
                yield f"{kind} {n} {what}", [(T0, _with_event(history, event, replace(event, detail=detail)))]


def _last(every: Iterable[T]) -> list[tuple[int, T]]:
    return list(enumerate(every))[-MOST:]


def _moments(history: History, beside_s: Iterable[float]) -> list[float]:
    at_s = {event.at_s for event in history.events} | {event.detail.get("began_s", T0) for event in history.events}
    for request in history.requests[-MOST:]:
        every = parse(request.credentials) if request.credentials else ()
        at_s |= {request.sent_s, request.done_s, *(end for each in every for end in (each.from_s, each.to_s) if end)}
    return sorted({moment + extra_s for moment in at_s for extra_s in beside_s})


def _moved(one: RequestRecord, at_s: float) -> RequestRecord:
    return one._replace(intended_s=at_s, sent_s=at_s, done_s=at_s + one.done_s - one.sent_s)


def _at(event: Event, at_s: float) -> Event:
    began_s = event.detail.get("began_s")
    detail = event.detail if began_s is None else {**event.detail, "began_s": began_s + at_s - event.at_s}
    return replace(event, at_s=at_s, detail=detail)


def _with_request(history: History, number: int, other: RequestRecord | None) -> History:
    kept = [one for n, one in enumerate(history.requests) if n != number] + ([] if other is None else [other])
    return History(history.events, tuple(sorted(kept, key=lambda one: (one.intended_s, one.id))))


def _with_event(history: History, event: Event, other: Event | None) -> History:
    kept = [one for one in history.events if one is not event] + ([] if other is None else [other])
    return History(tuple(sorted(kept, key=lambda one: one.at_s)), history.requests)


def _other_requests(one: RequestRecord) -> Iterator[tuple[str, RequestRecord | None]]:
    yield "gone", None
    outcomes: tuple[tuple[RequestOutcome, int], ...] = (
        ("happened", 200), ("refused", 401), ("refused", 403), ("refused", 503), ("unknown", 0)
    )  # fmt: skip
    for outcome, status in outcomes:
        yield f"{outcome} {status}", one._replace(outcome=outcome, status=status)
    yield "late", one._replace(error="late")
    for name in ("trail", "credentials", "machine"):
        lacking: dict[str, Any] = {name: ""}
        yield f"without {name}", one._replace(**lacking)
    for name in ("region", "home", "cohort", "operation"):
        moved: dict[str, Any] = {name: "other"}
        yield f"of another {name}", one._replace(**moved)
    hops = one.trail.split(">")
    for n in range(len(hops)):
        yield f"without hop {n}", one._replace(trail=">".join(hops[:n] + hops[n + 1 :]))
    for name, other in _other_credentials(parse(one.credentials) if one.credentials else ()):
        yield name, one._replace(credentials=told(*other))


def _other_credentials(every: tuple[Credential, ...]) -> Iterator[tuple[str, list[Credential]]]:
    for n, each in enumerate(every):
        changes: dict[str, tuple[Any, ...]] = {
            name: ("", "other") for name in ("subject", "name", "owner", "audience", "key_id") if getattr(each, name)
        }
        changes["use"] = tuple(use for use in ("wanted", "given", "shown") if use != each.use)
        for name in ("from_s", "to_s"):
            if (at_s := getattr(each, name)) is not None:
                changes[name] = (None, at_s - 1, at_s + 1, at_s + 600)
        for name, values in changes.items():
            for value in values:
                other = [one._replace(**{name: value}) if m == n else one for m, one in enumerate(every)]
                yield f"credential {n} {name} {_relative(value)}", other


def _relative(value: Any) -> Any:
    return f"{value - T0:g}" if isinstance(value, float) else value


def _other_details(detail: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """One leaf or one branch of what is told is gone, one more, one less, or another."""
    for key, value in detail.items():
        if key in ("began_s", "describe"):
            continue
        if "tenant_id" not in detail:  # what is promised is told as a whole
            yield f"without {key}", {name: each for name, each in detail.items() if name != key}
        for what, other in _others(value):
            yield f"{key} {what}", {**detail, key: other}


def _others(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from _other_details(value)
        yield "empty", {}
    elif isinstance(value, list | tuple):
        yield "empty", []
        yield "with another", [*value, "other"]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from (("one less", value - 1), ("one more", value + 1), ("half", value / 2), ("twice", value * 2))


def approved(name: str) -> Mapping[str, str]:
    """The rows of an invariant that were reviewed."""
    found: Mapping[str, str] = json.loads((APPROVED / f"{name}.json").read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Renews the files; without `--write` it only says which would differ."""
    for invariant in INVARIANTS:
        renew(APPROVED / f"{invariant.name}.json", rows(invariant))
    return 0


if __name__ == "__main__":
    sys.exit(main())
