"""How long before the baseline a stack's clock starts.

The clock is set before the stack is up, so the time that nodes, caches and load generator need must be estimated. They took
6 to 8 times as long as the guardian, also a Python process, takes on the same machine at the same time.
"""

from __future__ import annotations

import subprocess
import sys
import time

_MIN_REAL_S, _MAX_REAL_S, _IN_GUARDIANS = 6.0, 40.0, 12.0
_LIKE_A_GUARDIAN = "import brownout.harness.injection.guardian"


def lead_real_s(guardian_took_s: float) -> float:
    """The lead of a run whose guardian has just taken so long to start."""
    return min(max(_MIN_REAL_S, _IN_GUARDIANS * guardian_took_s), _MAX_REAL_S)


def measured_lead_real_s() -> float:
    """The lead of a run that has no guardian yet: a process that loads the same code is timed in its place."""
    started_s = time.monotonic()
    subprocess.run([sys.executable, "-c", _LIKE_A_GUARDIAN], check=True)
    return lead_real_s(time.monotonic() - started_s)
