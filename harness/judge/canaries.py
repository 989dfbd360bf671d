"""What real SDKs beside the load met: one row per client, kind of machine and phase.

Canaries are few and slow (one attempt can take 24 s of real time), so they illustrate and never decide a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from brownout.harness.experiment.phase_windows import PhaseWindow
from brownout.harness.record.attempts import Attempt, Kind
from brownout.harness.record.result import CanaryResult


def canary_rows(attempts: Iterable[Attempt], windows: Iterable[PhaseWindow]) -> tuple[CanaryResult, ...]:
    """One row per client, kind of machine and phase in which an attempt started, in that order."""
    phases, every = tuple(windows), tuple(attempts)
    keys = sorted({(attempt.client, attempt.fresh) for attempt in every})
    return tuple(
        _row(client, fresh, phase.name, mine)
        for client, fresh in keys
        for phase in phases
        if (mine := [a for a in every if (a.client, a.fresh) == (client, fresh) and _is_in(a, phase)])
    )


def _is_in(attempt: Attempt, phase: PhaseWindow) -> bool:
    return phase.start_s <= attempt.started_s < phase.end_s


def _row(client: Kind, fresh: bool, phase: str, attempts: list[Attempt]) -> CanaryResult:
    errors = Counter(attempt.error for attempt in attempts if attempt.error)
    return CanaryResult(
        client=client,
        machine="new" if fresh else "warm",
        phase=phase,
        attempts=len(attempts),
        failed=sum(not attempt.ok and not attempt.unfinished for attempt in attempts),
        unfinished=sum(attempt.unfinished for attempt in attempts),
        longest_s=max(attempt.wall_s for attempt in attempts),
        errors=dict(sorted(errors.items())),
    )
