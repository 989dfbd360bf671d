"""From a schedule that violates something to the least that still does, and by how little.

Law: a step is kept only if the *same* property is violated, so no shrinking slips from one finding to another. Acts go first
(delta debugging), then clients, then parameters that have a default, then the times. What is left is minimal in that no single
act can be taken away. The *margin* of an act is the shortest time for which it may be in place and still break the property, by
bisection: it is exact where a longer fault never breaks less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from brownout.harness.base.models import FrozenModel
from brownout.harness.experiment import plugins
from brownout.suites.search.domains import fits
from brownout.suites.search.grounds import Ground
from brownout.suites.search.schedule import Act, FaultSchedule, window_s
from brownout.suites.search.trial import Trial, carried_out

T = TypeVar("T")
TRIALS_MOST = 250
OTHER_SEEDS = 10


class Margin(FrozenModel):
    """How short an act may be: it breaks the property from `breaks_from_s` on, and did not with `holds_at_s` (0: no such)."""

    act: str
    breaks_from_s: int
    holds_at_s: int


class Minimal(FrozenModel):
    """A schedule that needs each of its acts. It took `trials`; of `of_seeds` other seeds `again` break the property too."""

    schedule: FaultSchedule
    broken: str
    evidence: str
    margins: tuple[Margin, ...] = ()
    trials: int
    again: int = 0
    of_seeds: int = 0
    is_whole: bool = True


@dataclass(slots=True)
class Minimiser:
    """Shrinks within so many trials. `try_out` carries a schedule out."""

    ground: Ground
    broken: str
    most: int = TRIALS_MOST
    try_out: Callable[[FaultSchedule, Ground], Trial] = carried_out
    trials: int = 0
    _known: dict[str, bool] = field(default_factory=dict)
    _evidence: dict[str, str] = field(default_factory=dict)

    def minimal(self, schedule: FaultSchedule) -> Minimal:
        """The least of the schedule; `is_whole` is false where the trials ran out."""
        found = self._fewer_acts(self._alone(schedule))
        found = self._fewer_clients(found)
        found = self._fewer_acts(self._plainer(found))
        found = self._earlier(found)
        found, margins = self._shorter(found)
        is_whole = self.trials < self.most
        again = (
            sum(self._breaks(found.model_copy(update={"seed": found.seed + 1 + n})) for n in range(OTHER_SEEDS))
            if is_whole
            else 0
        )
        return Minimal(
            schedule=found,
            broken=self.broken,
            evidence=self._evidence.get(found.model_dump_json(), ""),
            margins=margins,
            trials=self.trials,
            again=again,
            of_seeds=OTHER_SEEDS if is_whole else 0,
            is_whole=is_whole,
        )

    def _breaks(self, schedule: FaultSchedule) -> bool:
        key = schedule.model_dump_json()
        if key not in self._known:
            if self.trials >= self.most:
                return False
            self.trials += 1
            trial = self.try_out(schedule, self.ground)
            self._known[key] = trial.has(self.broken)
            self._evidence[key] = next((each.evidence for each in trial.violations if each.broken == self.broken), "")
        return self._known[key]

    def _alone(self, schedule: FaultSchedule) -> FaultSchedule:
        """One of the acts by itself, for as long as it may be: others may only have made it come later or last longer."""
        longest_s = window_s(self.ground.experiment)
        for act in schedule.acts if len(schedule.acts) > 1 else ():
            alone = schedule.with_acts((act.model_copy(update={"at_s": 0, "for_s": longest_s}),))
            if self._breaks(alone):
                return alone
        return schedule

    def _fewer_acts(self, schedule: FaultSchedule) -> FaultSchedule:
        self._breaks(schedule)
        return schedule.with_acts(least(schedule.acts, lambda acts: self._breaks(schedule.with_acts(acts))))

    def _fewer_clients(self, schedule: FaultSchedule) -> FaultSchedule:
        for cohort in schedule.cohorts:
            rest = tuple(name for name in schedule.cohorts if name != cohort)
            fewer = schedule.model_copy(update={"cohorts": rest}) if rest else schedule
            if rest and self._breaks(fewer):
                schedule = fewer
        return schedule

    def _plainer(self, schedule: FaultSchedule) -> FaultSchedule:
        """Without the parameters that have a default."""
        for index, act in enumerate(schedule.acts):
            fields = plugins.fault_class(act.kind).model_fields
            for name in act.params:
                kept = {other: value for other, value in schedule.acts[index].params.items() if other != name}
                if fields[name].is_required() or not fits(act.kind, kept, self.ground):
                    continue
                plainer = _replaced(schedule, index, schedule.acts[index].model_copy(update={"params": kept}))
                if self._breaks(plainer):
                    schedule = plainer
        return schedule

    def _earlier(self, schedule: FaultSchedule) -> FaultSchedule:
        """All acts earlier by the same time, then each by itself as near to the first as it goes."""
        first_s = min((act.at_s for act in schedule.acts), default=0)
        if first_s:
            moved = schedule.with_acts(act.model_copy(update={"at_s": act.at_s - first_s}) for act in schedule.acts)
            if self._breaks(moved):
                return moved
        return schedule

    def _shorter(self, schedule: FaultSchedule) -> tuple[FaultSchedule, tuple[Margin, ...]]:
        margins: list[Margin] = []
        for index in range(len(schedule.acts)):
            holds_s, breaks_s = 0, schedule.acts[index].for_s
            while breaks_s - holds_s > 1 and self.trials < self.most:
                middle_s = (holds_s + breaks_s) // 2
                if self._breaks(_replaced(schedule, index, schedule.acts[index].model_copy(update={"for_s": middle_s}))):
                    breaks_s = middle_s
                else:
                    holds_s = middle_s
            act = schedule.acts[index].model_copy(update={"for_s": breaks_s})
            schedule = _replaced(schedule, index, act)
            margins.append(Margin(act=act.kind, breaks_from_s=breaks_s, holds_at_s=holds_s))
        return schedule, tuple(margins)


def _replaced(schedule: FaultSchedule, index: int, act: Act) -> FaultSchedule:
    acts = (*schedule.acts[:index], act, *schedule.acts[index + 1 :])
    return schedule.model_copy(update={"acts": acts})


def least(items: Sequence[T], breaks: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """A part of the items that still breaks, and none of which can be left out: delta debugging after Zeller.

    `breaks` is true of `items` themselves, or all of them come back.
    """
    kept, pieces = tuple(items), 2
    while kept:
        size = max(1, -(-len(kept) // pieces))
        rests = (kept[:start] + kept[start + size :] for start in range(0, len(kept), size))
        found = next((rest for rest in rests if breaks(rest)), None)
        if found is not None:
            kept, pieces = found, max(2, pieces - 1)
        elif size == 1:
            return kept
        else:
            pieces = min(len(kept), 2 * pieces)
    return kept
