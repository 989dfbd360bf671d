"""How long before the baseline a stack's clock starts, and how long before it the load generator of a run with a subject.

The clock is set before the stack is up, so the time that nodes, caches and load generator need must be estimated. They took
6 to 8 times as long as the guardian, also a Python process, takes on the same machine at the same time. Where the timeline is
moved once stack and subject are ready, the generator alone is to come: it took 3 to 4 times as long as the guardian, and up to
9 times on a machine with twenty times more to do than it can.
"""

from __future__ import annotations

_MIN_REAL_S, _MAX_REAL_S, _IN_GUARDIANS = 6.0, 90.0, 12.0  # with 40 s at most, stacks in containers came too late
_GENERATOR_MIN_REAL_S = 3.0


def lead_real_s(guardian_took_s: float) -> float:
    """The lead of a run whose guardian has just taken so long to start."""
    return min(max(_MIN_REAL_S, _IN_GUARDIANS * guardian_took_s), _MAX_REAL_S)


def generator_lead_real_s(guardian_took_s: float) -> float:
    """The time that the load generator needs to start, where the guardian has just taken so long."""
    return min(max(_GENERATOR_MIN_REAL_S, _IN_GUARDIANS * guardian_took_s), _MAX_REAL_S)
