from __future__ import annotations

import os

import pytest

from support.plugin_project import Project


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that knows nothing of the session around it."""
    for name in [name for name in os.environ if name.startswith(("BROWNOUT_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BROWNOUT_HOME", str(pytester.path / "home"))
    return Project(pytester)
