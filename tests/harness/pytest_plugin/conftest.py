from __future__ import annotations

import os
from pathlib import Path

import pytest

from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from support.plugin_project import Project


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that knows nothing of the session around it."""
    for name in [name for name in os.environ if name.startswith(("BROWNOUT_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BROWNOUT_HOME", str(pytester.path / "home"))
    return Project(pytester)


@pytest.fixture(scope="session")
def toxiproxy() -> Path:
    """The server, found before a test's own home hides it: for this scope it comes first."""
    return toxiproxy_server(say=lambda _: None)


@pytest.fixture
def live_project(project: Project, toxiproxy: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose stacks need not build Toxiproxy."""
    monkeypatch.setenv("BROWNOUT_TOXIPROXY", str(toxiproxy))
    return project
