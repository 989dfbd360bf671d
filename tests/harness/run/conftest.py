from __future__ import annotations

import pytest

from brownout.harness.experiment import plugins
from support.quiet_faults import QUIET_FAULTS


@pytest.fixture(autouse=True)
def quiet_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this package's tests are about the run: the installed faults hold nothing."""
    monkeypatch.setattr(plugins, "faults", lambda: QUIET_FAULTS)
