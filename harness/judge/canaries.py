"""What real SDKs beside the load met: one row per client, operation, kind of machine and phase.

Canaries are few and slow (one attempt can take 24 s of real time), so they illustrate and never decide a verdict.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from brownout.harness.experiment.phase_windows import PhaseWindow
from brownout.harness.record.attempts import Attempt, Kind, MachineKind
from brownout.harness.record.result import CanaryResult

CanaryGroup = tuple[Kind, str, MachineKind]


def canary_rows(attempts: Iterable[Attempt], windows: Iterable[PhaseWindow]) -> tuple[CanaryResult, ...]:
    """One row per client, operation, kind of machine and phase in which an attempt started, in that order."""
    phases, groups = tuple(windows), defaultdict[CanaryGroup, list[Attempt]](list)
    for attempt in attempts:
        groups[attempt.client, attempt.operation, attempt.machine_kind].append(attempt)
    return tuple(
        _row(group, phase.name, mine)
        for group, every in sorted(groups.items(), key=lambda item: item[0])
        for phase in phases
        if (mine := [attempt for attempt in every if _is_in(attempt, phase)])
    )


def _is_in(attempt: Attempt, phase: PhaseWindow) -> bool:
    return phase.start_s <= attempt.started_s < phase.end_s


def _row(group: CanaryGroup, phase: str, attempts: list[Attempt]) -> CanaryResult:
    client, operation, machine = group
    errors = Counter(attempt.error for attempt in attempts if attempt.error)
    return CanaryResult(
        client=client,
        operation=operation,
        machine=machine,
        phase=phase,
        attempts=len(attempts),
        failed=sum(not attempt.ok and not attempt.unfinished for attempt in attempts),
        unfinished=sum(attempt.unfinished for attempt in attempts),
        longest_s=max(attempt.wall_s for attempt in attempts),
        errors=dict(sorted(errors.items())),
    )
