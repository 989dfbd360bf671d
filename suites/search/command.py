"""What `brownout search` does: the corpus first, then a campaign, then what it found, shrunk and written."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import click

from brownout.harness.base.resources.worker_pool import usable_cores
from brownout.harness.errors import UsageError
from brownout.suites.search import allowed, grounds
from brownout.suites.search.campaign import CHUNK_SIZE, Budget, CampaignJournal, Plan, Sighting, go_on, totals
from brownout.suites.search.corpus import CorpusCase, cases
from brownout.suites.search.executors import executor_of
from brownout.suites.search.findings import Finding, write_finding
from brownout.suites.search.minimise import Minimal, Minimiser
from brownout.suites.search.telling import SearchLine
from brownout.suites.search.trial import carried_out

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for. `experiment` is searched in place of the grounds; "" for these. `folder` has the campaign.

    `workers` is None for one process on each core, as far as there are chunks for them.
    """

    experiment: str
    for_s: float | None
    schedules: int | None
    seed: int
    folder: Path
    resumes: bool
    workers: int | None
    executor: str
    planted: tuple[str, ...]
    corpus: bool


def search(**asked: object) -> int:
    """Carries the order out, prints what was found and returns the exit code (entry point `brownout.search`)."""
    order = Order(**asked)  # type: ignore[arg-type]  # the command's options, by name
    line = SearchLine(sys.stderr)
    with executor_of(order.executor, _workers(order)) as (executor, at_once):  # first: an address may lead nowhere
        journal = _journal(order)
        known = _corpus(order, line) if order.corpus else ()
        began_s = time.monotonic()
        budget = Budget(order.for_s, order.schedules)
        whole = go_on(journal, executor, budget, at_once=at_once, told=lambda one: line.show(_progress(one, began_s)))
    line.end()
    findings = _shrunk(journal, line, shrinks=whole)
    _conclude(journal, known, findings)
    if known or findings:
        return 1
    return 0 if whole else INTERRUPTED


def _workers(order: Order) -> int:
    if order.workers is not None:
        return order.workers
    chunks = ceil(order.schedules / CHUNK_SIZE) if order.schedules else None
    return usable_cores() if chunks is None else min(usable_cores(), chunks)


def _journal(order: Order) -> CampaignJournal:
    if order.resumes:
        return CampaignJournal.resume(order.folder)
    require_known(order.planted)
    names = (order.experiment,) if order.experiment else grounds.names()
    for name in names:
        grounds.ground(name)
    return CampaignJournal.begin(order.folder, Plan(grounds=names, seed=order.seed, planted=order.planted))


def _corpus(order: Order, line: SearchLine) -> tuple[CorpusCase, ...]:
    """The cases of the corpus that are violated again, without the bugs that they were found with."""
    again = []
    every = [case for case in cases() if not order.experiment]
    for index, case in enumerate(every):
        line.show(f"corpus: {index + 1} of {len(every)}, {case.name}")
        healthy = case.schedule.model_copy(update={"planted": order.planted})
        if carried_out(healthy, grounds.ground(healthy.ground)).has(case.broken):
            again.append(case)
    line.end()
    return tuple(again)


def _progress(journal: CampaignJournal, began_s: float) -> str:
    schedules, _, _, _ = totals(journal.done.values())
    found = journal.found()
    told = f"; found: {', '.join(each.broken for each in found[:3])}" if found else ""
    return f"{schedules:,} schedules, {time.monotonic() - began_s:.0f} s{told}"


def _shrunk(journal: CampaignJournal, line: SearchLine, *, shrinks: bool) -> tuple[Finding, ...]:
    """Each violated property's first schedule, shrunk and written; as it was found where the campaign was interrupted."""
    made: list[Finding] = []
    for index, found in enumerate(journal.found()):
        line.show(f"shrinking {found.broken}")
        try:
            least = _least(found) if shrinks else _as_found(found)
        except KeyboardInterrupt:
            shrinks, least = False, _as_found(found)
        made.append(write_finding(journal.folder, index + 1, found.number, len(found.schedule.acts), least))
    line.end()
    return tuple(made)


def _least(found: Sighting) -> Minimal:
    return Minimiser(grounds.ground(found.schedule.ground), found.broken).minimal(found.schedule)


def _as_found(found: Sighting) -> Minimal:
    return Minimal(schedule=found.schedule, broken=found.broken, evidence=found.evidence, trials=0, is_whole=False)


def _conclude(journal: CampaignJournal, known: Sequence[CorpusCase], findings: Sequence[Finding]) -> None:
    schedules, cpu_s, excluded, refused = totals(journal.done.values())
    each_ms = 1000 * cpu_s / schedules if schedules else 0.0
    click.echo(f"{schedules:,} schedules on {', '.join(journal.plan.grounds)}; {each_ms:.0f} ms of CPU each; {journal.folder}")
    if refused:
        click.echo(f"  {refused:,} could not be carried out")
    for broken, times in sorted(excluded.items()):
        click.echo(f"  expected by design, {times:,} times: {broken} ({allowed.reason_of(broken)})")
    for case in known:
        click.echo(f"violated again: {case.broken}, by {case.name} of the corpus: {case.schedule.label()}")
    for finding in findings:
        tell(finding)
    if not known and not findings:
        click.echo("nothing was found")


def tell(finding: Finding) -> None:
    """Prints what was found, what of it matters, and the command that replays it."""
    least = finding.minimal
    click.echo(f"{finding.broken} does not hold: {least.evidence}")
    click.echo(f"  found in schedule {finding.number:,} with {finding.acts_found} acts; {len(least.schedule.acts)} matter:")
    margins = {(index, one.act): one for index, one in enumerate(least.margins)}
    for index, act in enumerate(least.schedule.acts):
        margin = margins.get((index, act.kind))
        click.echo(f"  - {act.label()}" + (f" (holds with {margin.holds_at_s} s)" if margin and margin.holds_at_s else ""))
    click.echo(f"  clients: {', '.join(least.schedule.cohorts)}")
    if least.of_seeds:
        click.echo(f"  {least.again} of {least.of_seeds} other seeds break it too")
    seed = least.schedule.seed
    click.echo(f"  {finding.verdict}: brownout run {finding.path} --world simulation --seed {seed}")


def require_known(planted: Sequence[str]) -> None:
    """Raises UsageError for a bug that there is not."""
    from brownout.identity.core.planted import PLANTED

    for name in planted:
        if name not in PLANTED:
            raise UsageError(f"no bug is planted as {name!r}", hint=f"there are {', '.join(PLANTED)}")
