"""The ways of a subject through the stack, as far as its own calls have shown them, for requests of its clients.

A client's request to the application has no trail. What the application called in the same stretch of time stands for the
way of such a request, and all that it has called so far, from its start on, for what it would need. Both are upper bounds for a
single request, and the truth about the application: a fault that none of its calls had to do with tested nothing of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.routes import SEVERAL
from brownout.harness.load.arrivals import asks_subject
from brownout.harness.record.history import Event, RequestRecord
from brownout.identity.core import trail as trails

MOST_WAYS = 64


@dataclass(frozen=True, slots=True)
class SubjectWays:
    """`cohorts` are those of the subject's clients, `machine` the one that it stands for.

    In the stretch that ends at `ends_s[n]` its calls took `during[n]`, and up to then `until[n]`.
    """

    cohorts: frozenset[str]
    machine: str
    ends_s: tuple[float, ...]
    during: tuple[str, ...]
    until: tuple[str, ...]

    @classmethod
    def of(cls, experiment: Experiment, events: Iterable[Event]) -> SubjectWays:
        subject = experiment.subject
        if subject is None:
            return cls(frozenset(), "", (), (), ())
        cohorts = frozenset(cohort.name for cohort in experiment.load.cohorts if asks_subject(cohort))
        by_second: dict[int, dict[str, None]] = {}
        for event in events:
            if (event.kind, event.what) == ("subject", "calls"):
                by_second.setdefault(int(event.at_s), {}).update(dict.fromkeys(_sound(event)))
        known: dict[str, None] = {}
        until = []
        for second in sorted(by_second):
            known |= dict.fromkeys(list(by_second[second])[: MOST_WAYS - len(known)])
            until.append(SEVERAL.join(known))
        return cls(
            cohorts,
            subject.env_of or "",
            tuple(float(second + 1) for second in sorted(by_second)),
            tuple(SEVERAL.join(by_second[second]) for second in sorted(by_second)),
            tuple(until),
        )

    def shown(self, request: RequestRecord) -> RequestRecord:
        """A request of the subject's clients with the way of what the subject called meanwhile; any other as it is."""
        if request.cohort not in self.cohorts:
            return request
        index = bisect_right(self.ends_s, request.intended_s)
        near = index < len(self.ends_s) and self.ends_s[index] - request.intended_s <= 2.0
        return request._replace(machine=self.machine, trail=self.during[index] if near else "")

    def behind(self, request: RequestRecord) -> str:
        """The ways that the subject had taken by the time of a request."""
        index = bisect_right(self.ends_s, request.intended_s) - 1
        return self.until[index] if index >= 0 else ""


def _sound(event: Event) -> Iterable[str]:
    """The trails of an event that name nodes; a record is not trusted to be whole."""
    for text in event.detail.get("trails", {}):
        try:
            trails.check(text)
        except ValueError:
            continue
        yield text
