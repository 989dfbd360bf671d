"""A campaign: chunks of schedules on an executor, within a budget, with a journal from which it goes on after a kill.

A *chunk* is a pure function of the plan and its number, so any process of any machine may carry it out, and one that is lost
costs nothing but its time. The journal is a file that is only appended to: the plan first, then a line for each chunk that is
finished. Going on means to read it and to leave those chunks out. What was found depends on the chunks alone, in the order of
their numbers and not of their ends, so a campaign that was killed finds what an uninterrupted one finds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from brownout.harness.base.files import append_line, is_there
from brownout.harness.base.models import FrozenModel
from brownout.harness.errors import UsageError
from brownout.suites.search.grounds import ground
from brownout.suites.search.schedule import FaultSchedule
from brownout.suites.search.swarm import chunk_of
from brownout.suites.search.trial import carried_out

JOURNAL = "journal.jsonl"
CHUNK_SIZE = 20
GENERATOR = 3  # counts up when a seed draws other schedules than before


class Plan(FrozenModel):
    """What a campaign searches. Chunk n is on the ground number n modulo their number."""

    schema_: Literal["brownout/search/v1"] = Field("brownout/search/v1", alias="schema")
    generator: int = GENERATOR
    grounds: tuple[str, ...] = Field(min_length=1)
    seed: int
    size: int = CHUNK_SIZE
    planted: tuple[str, ...] = ()

    def schedules(self, chunk: int) -> tuple[FaultSchedule, ...]:
        name = self.grounds[chunk % len(self.grounds)]
        return chunk_of(ground(name), self.seed, chunk, self.size, planted=self.planted)


class Sighting(FrozenModel):
    """A schedule that violated a property."""

    broken: str
    evidence: str
    schedule: FaultSchedule
    number: int = Field(description="how many schedules the campaign draws up to this one")


class ChunkDone(FrozenModel):
    """What came of a chunk. `allowed` counts what is expected by design, `refused` schedules that could not be carried out."""

    chunk: int
    schedules: int
    cpu_s: float
    refused: int = 0
    allowed: Mapping[str, int] = Field(default_factory=dict)
    found: tuple[Sighting, ...] = ()


def carry_out_chunk(plan: Plan, chunk: int) -> ChunkDone:
    """Carries one chunk out in this process; the first schedule of each violated property is kept."""
    began_s = time.process_time()
    found: dict[str, Sighting] = {}
    allowed: Counter[str] = Counter()
    refused, schedules = 0, plan.schedules(chunk)
    for index, schedule in enumerate(schedules):
        trial = carried_out(schedule, ground(schedule.ground))
        refused += bool(trial.refused)
        allowed.update(each.broken for each, _ in trial.allowed)
        for each in trial.violations:
            number = chunk * plan.size + index + 1
            found.setdefault(
                each.broken, Sighting(broken=each.broken, evidence=each.evidence, schedule=schedule, number=number)
            )
    return ChunkDone(
        chunk=chunk,
        schedules=len(schedules),
        cpu_s=round(time.process_time() - began_s, 3),
        refused=refused,
        allowed=dict(allowed),
        found=tuple(found.values()),
    )


@dataclass(slots=True)
class CampaignJournal:
    """The campaign's folder. `done` are the chunks that are finished, by number."""

    folder: Path
    plan: Plan
    done: dict[int, ChunkDone] = field(default_factory=dict)

    @classmethod
    def begin(cls, folder: Path, plan: Plan) -> CampaignJournal:
        """A new campaign, or the one that the folder has; raises UsageError where that one is another."""
        if is_there(folder / JOURNAL):
            return cls.resume(folder, plan)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            append_line(folder / JOURNAL, plan.model_dump_json(by_alias=True))
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}", hint="name another folder with --out") from error
        return cls(folder, plan)

    @classmethod
    def resume(cls, folder: Path, plan: Plan | None = None) -> CampaignJournal:
        """The campaign of a folder, to go on with; raises UsageError. A line that a kill cut off is left out."""
        path = folder / JOURNAL
        try:
            first, *lines = path.read_text(encoding="utf-8").split("\n")
            known = Plan.model_validate_json(first)
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} has no journal of a search", hint="name the folder that a search printed") from error
        if known.generator != GENERATOR:
            raise UsageError(
                f"{folder} was searched by another version, whose seeds draw other schedules", hint="begin a new one"
            )
        if plan is not None and plan != known:
            raise UsageError(
                f"{folder} has another search: seed {known.seed}, grounds {', '.join(known.grounds)}",
                hint="`--resume` goes on with it; name another folder with --out for a new one",
            )
        journal = cls(folder, known)
        for line in lines[:-1]:  # what a kill cut off has no end of line, and is the last
            try:
                done = ChunkDone.model_validate_json(line)
            except ValidationError:
                continue
            journal.done.setdefault(done.chunk, done)
        if lines and lines[-1]:
            append_line(path, "")  # a line of its own, so that what follows is not joined to it
        return journal

    def write(self, done: ChunkDone) -> None:
        """Makes a finished chunk durable."""
        append_line(self.folder / JOURNAL, done.model_dump_json(by_alias=True))
        self.done[done.chunk] = done

    def found(self) -> tuple[Sighting, ...]:
        """The first schedule of each violated property, in the order of the schedules."""
        first: dict[str, Sighting] = {}
        for chunk in sorted(self.done):
            for each in self.done[chunk].found:
                if each.broken not in first or each.number < first[each.broken].number:
                    first[each.broken] = each
        return tuple(sorted(first.values(), key=lambda each: each.number))


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a campaign goes on: real seconds, schedules, or both; `until` names a property that ends it when it is found."""

    for_s: float | None = None
    schedules: int | None = None
    until: Callable[[Sighting], bool] | None = None


def go_on(
    journal: CampaignJournal,
    executor: Executor,
    budget: Budget,
    *,
    at_once: int,
    told: Callable[[CampaignJournal], object] = lambda _: None,
) -> bool:
    """Carries chunks out until the budget is spent; False when it was interrupted. Raises what a chunk raises.

    `at_once` chunks are under way. `told` is called after each one that is finished.
    """
    ends_s = None if budget.for_s is None else time.monotonic() + budget.for_s
    coming = _coming(journal, budget)
    under_way: dict[Future[ChunkDone], int] = {}
    try:
        while True:
            while len(under_way) < at_once and (chunk := _next(coming, journal, budget, ends_s)) is not None:
                under_way[executor.submit(carry_out_chunk, journal.plan, chunk)] = chunk
            if not under_way:
                return True
            finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in sorted(finished, key=lambda one: under_way[one]):
                del under_way[future]
                journal.write(future.result())
                told(journal)
    except KeyboardInterrupt:
        for future in under_way:
            future.cancel()
        return False


def _coming(journal: CampaignJournal, budget: Budget) -> Iterator[int]:
    """The chunks that are not finished, in order."""
    chunk = 0
    while budget.schedules is None or chunk * journal.plan.size < budget.schedules:
        if chunk not in journal.done:
            yield chunk
        chunk += 1


def _next(coming: Iterator[int], journal: CampaignJournal, budget: Budget, ends_s: float | None) -> int | None:
    if ends_s is not None and time.monotonic() >= ends_s:
        return None
    if budget.until is not None and any(budget.until(each) for done in journal.done.values() for each in done.found):
        return None
    return next(coming, None)


def totals(done: Iterable[ChunkDone]) -> tuple[int, float, Counter[str], int]:
    """Schedules, CPU seconds, what was allowed by property, and how many schedules were refused."""
    every = tuple(done)
    allowed: Counter[str] = Counter()
    for each in every:
        allowed.update(each.allowed)
    return (
        sum(each.schedules for each in every),
        sum(each.cpu_s for each in every),
        allowed,
        sum(each.refused for each in every),
    )
