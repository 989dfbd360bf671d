"""What an invariant is, and how its result comes about.

A check goes through the history and tells each occasion on which the invariant could have been violated. No occasion
means *not exercised*: such a run says nothing about the invariant, least of all that it held.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from brownout.harness.judge.invariants.facts import Facts
from brownout.harness.judge.steps import clock
from brownout.harness.record.history import RequestRecord
from brownout.harness.record.result import InvariantResult, InvariantStatus


@dataclass(slots=True)
class Occasions:
    """The occasions so far. `note` is what the result says beside its counts."""

    exercised: int = 0
    violations: int = 0
    first: tuple[float, str] | None = None
    note: str = field(default="")

    def held(self, number: int = 1) -> None:
        """So many occasions on which it held."""
        self.exercised += number

    def broken(self, at_s: float, evidence: str) -> None:
        """An occasion on which it was violated, at an emulated time."""
        self.exercised += 1
        self.violations += 1
        if self.first is None or at_s < self.first[0]:
            self.first = at_s, evidence

    def add(self, others: Occasions, told: str) -> None:
        """Occasions of another check, whose evidence is told after these words."""
        self.exercised += others.exercised
        self.violations += others.violations
        if others.first is not None and (self.first is None or others.first[0] < self.first[0]):
            self.first = others.first[0], f"{told}: {others.first[1]}"

    def judge(self, request: RequestRecord, evidence: str) -> None:
        """An occasion that is a request: a violation where there is evidence of one."""
        if evidence:
            who = f"request {request.id} from {request.region}"
            self.broken(request.sent_s, f"{who} at {clock(request.sent_s)}: {evidence}")
        else:
            self.held()

    def judge_alike(self, requests: Sequence[RequestRecord], evidence: str) -> None:
        """Each of these requests as an occasion; what is evidence of one is of all."""
        if evidence:
            for request in requests:
                self.judge(request, evidence)
        else:
            self.held(len(requests))


@dataclass(frozen=True, slots=True)
class Invariant:
    """`sentence` says what must hold, `needs` what of the history it is judged by."""

    name: str
    sentence: str
    needs: str
    check: Callable[[Facts, Occasions], None]

    def result(self, facts: Facts) -> InvariantResult:
        """How often it was exercised by this history, and whether it held."""
        return self.told(self.seen(facts))

    def seen(self, facts: Facts) -> Occasions:
        """The occasions of this history."""
        occasions = Occasions()
        self.check(facts, occasions)
        return occasions

    def told(self, seen: Occasions) -> InvariantResult:
        """What these occasions come to."""
        status: InvariantStatus = "violated" if seen.violations else "held" if seen.exercised else "not-exercised"
        return InvariantResult(
            name=self.name,
            sentence=self.sentence,
            needs=self.needs,
            status=status,
            exercised=seen.exercised,
            violations=seen.violations,
            evidence="" if seen.first is None else seen.first[1],
            note=seen.note,
        )
