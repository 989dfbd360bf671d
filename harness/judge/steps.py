"""The result of each step of the schedule, and the failing share just before and just after it.

The share is over what the first alert of the experiment watches (without alerts: its first objective). Each window is
`window_s` wide and is cut short where another step changed the stack, so that a change is never credited to its
neighbour; the window after a step starts when the step had demonstrably bitten, if it did.

A step failed when it could not be carried out, whatever was undone afterwards; it is also `failed` when the record ends
with it still in place, as after a kill. A failure on the way back is not that: what counts there is whether it ended
healed or stuck. Stuck is stuck unless a later undo healed it. A step that healed and was found missing before its revert is
`lost`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from brownout.harness.base.stats import exact_high, exact_low, percent
from brownout.harness.experiment.model import Experiment, Selector, Step
from brownout.harness.experiment.phase_windows import phase_windows
from brownout.harness.judge.selection import Count, IsGood, between, count, good_rule, select
from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import StepResult, StepState

WINDOW_S = 600.0
RELEASED = frozenset({"reverted", "released"})
NOT_BITTEN = frozenset({"not-bitten", "absent"})
_CHANGES = frozenset({"applied"}) | RELEASED
_TOUCHED = frozenset({"intended", "bitten", "reverting"}) | _CHANGES
_ENDED = frozenset({"healed", "stuck", "defended"})


@dataclass(frozen=True, slots=True)
class Life:
    """The recorded acts of one step, in order."""

    acts: tuple[Event, ...]

    def first_s(self, *whats: str) -> float | None:
        """When the first act of one of these kinds was."""
        return next((act.at_s for act in self.acts if act.what in whats), None)

    def said(self, key: str, *whats: str) -> str:
        """The last recorded text of that detail in acts of these kinds (of any, when none is named)."""
        texts = (str(act.detail.get(key, "")) for act in reversed(self.acts) if not whats or act.what in whats)
        return next((text for text in texts if text), "")

    def number(self, param: str) -> float | None:
        """The fault's parameter of that name, where the record has it as a number."""
        params: Mapping[str, object] = next((act.detail["params"] for act in self.acts if "params" in act.detail), {})
        value = params.get(param)
        return float(value) if isinstance(value, int | float) else None

    def carriers(self) -> frozenset[str]:
        """What it held, by the carriers' texts."""
        return frozenset(str(carrier) for act in self.acts for carrier in act.detail.get("carriers", ()))

    def lost(self) -> str:
        """When the step was last seen in force and what was found then, where it was lost before it was reverted; else ""."""
        act = next((act for act in self.acts if act.what == "lost"), None)
        if act is None:
            return ""
        seen_s = act.detail.get("seen_s")
        when = f"last seen in force at {clock(seen_s)}, " if isinstance(seen_s, int | float) else ""
        return f"{when}found missing at {clock(act.at_s)}: {act.detail.get('evidence', '')}"

    def state(self) -> StepState:
        """The step's final state, by the rules of the module."""
        whats = [act.what for act in self.acts]
        last_end: StepState | None = next((end for what in reversed(whats) if (end := _END_STATES.get(what))), None)
        if last_end == "stuck":
            return "stuck"
        if self.could_not_act or self.is_open:
            return "failed"
        if last_end == "healed" and self.lost():
            return "lost"
        return last_end or ("skipped" if "skipped" in whats else "not-reached")

    @property
    def could_not_act(self) -> bool:
        """Whether it failed before it was in place."""
        failed = next((n for n, act in enumerate(self.acts) if act.what == "failed"), None)
        return failed is not None and all(act.what != "applied" for act in self.acts[:failed])

    @property
    def is_open(self) -> bool:
        """Whether the record ends with the step begun and neither healed, stuck nor defended."""
        whats = {act.what for act in self.acts}
        return bool(whats & _TOUCHED) and not whats & _ENDED


def clock(at_s: float) -> str:
    """An emulated time as the time of day."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")


_END_STATES: Mapping[str, StepState] = {"healed": "healed", "stuck": "stuck", "defended": "defended"}


@dataclass(frozen=True, slots=True)
class Around:
    """The watched requests before and after a step."""

    before: Count
    after: Count


@dataclass(frozen=True, slots=True)
class _Near:
    """What the windows around all steps have in common: the watched requests, what is good, and when the stack was changed."""

    watched: tuple[RequestRecord, ...]
    is_good: IsGood
    changed_s: tuple[float, ...]
    window_s: float

    def count(self, start_s: float, end_s: float) -> Count:
        return count(between(self.watched, start_s, end_s), self.is_good)


def lives(events: Iterable[Event]) -> Mapping[str, Life]:
    """The life of every step that the record mentions, by the step's name."""
    acts: dict[str, list[Event]] = {}
    for event in events:
        if event.kind == "act":
            acts.setdefault(event.subject, []).append(event)
    return {name: Life(tuple(own)) for name, own in acts.items()}


def watched_by(experiment: Experiment) -> Selector:
    """Which requests show whether a step had an effect."""
    alert = next(iter(experiment.alerts.values()), None)
    return alert.of if alert is not None else experiment.slos[0].indicator.ratioMetric.total


def step_results(experiment: Experiment, history: History, *, window_s: float = WINDOW_S) -> tuple[StepResult, ...]:
    """One result for each step of the schedule, in the schedule's order."""
    known = lives(history.events)
    watched = select(history.requests, watched_by(experiment))
    near = _Near(watched, good_rule(experiment), tuple(changes_s(known)), window_s)
    return tuple(_result(experiment, step, known, near) for step in experiment.schedule)


def _result(experiment: Experiment, step: Step, known: Mapping[str, Life], near: _Near) -> StepResult:
    life = known.get(step.name, Life(()))
    applied_s, state = life.first_s("applied"), life.state()
    around = None
    if applied_s is not None:
        before, after = windows_around(experiment, life, near.changed_s, near.window_s)
        around = Around(near.count(*before), near.count(*after))
    return StepResult(
        name=step.name,
        role=step.role,
        fault=step.fault,
        describe=life.said("describe"),
        note=step.note,
        at_s=experiment.timeline.epoch_s() + step.at,
        applied_s=applied_s,
        bitten_s=life.first_s("bitten"),
        released_s=life.first_s(*RELEASED),
        state=state,
        evidence=_evidence(life, state),
        lost=life.lost(),
        unchanged=_unchanged(life, known),
        effect=_effect(step, state, around, experiment.gates.confidence),
        before=around.before.ratio if around else None,
        after=around.after.ratio if around else None,
        window_s=near.window_s,
    )


def changes_s(known: Mapping[str, Life]) -> list[float]:
    """Every moment at which a step changed the stack, in order."""
    return sorted(act.at_s for life in known.values() for act in life.acts if act.what in _CHANGES)


def windows_around(
    experiment: Experiment, life: Life, changed_s: Iterable[float], window_s: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The times just before a step that was applied and just after, each as start and end."""
    applied_s, bitten_s = life.first_s("applied"), life.first_s("bitten")
    assert applied_s is not None, "only a step that was applied has a before and an after"
    windows, moments = phase_windows(experiment.timeline), tuple(changed_s)
    # Both windows end where another step changed the stack: its effect must not be credited to this one.
    earlier = [at_s for at_s in moments if at_s < applied_s]
    later = [at_s for at_s in moments if at_s > applied_s]
    from_s = max([applied_s - window_s, windows[0].start_s, *earlier])
    since_s = applied_s if bitten_s is None else bitten_s
    to_s = min([since_s + window_s, windows[-1].end_s, *later])
    return (from_s, applied_s), (since_s, to_s)


def _unchanged(life: Life, known: Mapping[str, Life]) -> str:
    """Why the step asked for the state that there was already, unless another step acted on its carriers meanwhile.

    That one may have been kept from changing something: a pin, say, that a roll-out then met.
    """
    text, start_s, end_s = life.said("unchanged", "intended"), life.first_s("applied"), life.first_s(*RELEASED)
    if not text or start_s is None:
        return ""
    own, until_s = life.carriers(), float("inf") if end_s is None else end_s
    others = (other for other in known.values() if other is not life and own & other.carriers())
    met = any((at_s := other.first_s("applied")) is not None and start_s < at_s < until_s for other in others)
    return "" if met else text


def _evidence(life: Life, state: StepState) -> str:
    if life.is_open:
        return "the record ends while this was in place"
    if state in ("defended", "failed", "stuck", "skipped"):
        return life.said("evidence", state) or life.said("note", state)
    if lost := life.lost():
        return f"lost: {lost}"
    return life.said("evidence", "bitten") or life.said("evidence", *NOT_BITTEN)


def _effect(step: Step, state: StepState, around: Around | None, confidence: float) -> str:
    if state == "defended":
        return "refused by the system"
    if around is None:
        return ""
    before, after = around.before, around.after
    if not before.total or not after.total:
        return "nothing to compare with: no request in the window " + ("after" if before.total else "before")
    change = _change(before, after, confidence)
    shares = f"{percent(before.bad / before.total)} failing before, {percent(after.bad / after.total)} after"
    surprise = ", though none was expected" if change != "no change" and step.bite == "none-expected" else ""
    return f"{change}{surprise}: {shares}"


def _change(before: Count, after: Count, confidence: float) -> str:
    """Whether the share rose or fell by more than chance explains: the bounds of the two do not overlap."""
    if exact_low(after.bad, after.total, confidence) > exact_high(before.bad, before.total, confidence):
        return "rose"
    if exact_high(after.bad, after.total, confidence) < exact_low(before.bad, before.total, confidence):
        return "fell"
    return "no change"
