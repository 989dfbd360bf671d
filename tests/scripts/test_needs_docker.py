"""Tests in containers are skipped with a reason where there is no engine, and fail where they are insisted on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.places import TESTS


@pytest.mark.parametrize(("required", "code", "words"), [("", 0, "1 skipped"), ("1", 1, "BROWNOUT_REQUIRE_DOCKER is set, and")])
def test_without_an_engine(tmp_path: Path, required: str, code: int, words: str) -> None:
    """Skipped here, a failure in CI, and in both the reason and the fix are told."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = docker: needs a container engine\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["support.needs_docker"]\n')
    (tmp_path / "test_it.py").write_text("import pytest\n\n@pytest.mark.docker\ndef test_it():\n    pass\n")
    client = tmp_path / "docker"  # a new enough one, whatever the machine has: what is missing here is the engine
    client.write_text("#!/bin/sh\necho 2.40.0\n")
    client.chmod(0o755)
    variables = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock", "BROWNOUT_REQUIRE_DOCKER": required, "PYTHONPATH": str(TESTS)}
    variables["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:locust", "-p", "no:cacheprovider", "-m", "docker"]
    told = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == code, told.stdout
    assert words in told.stdout
    assert "no Docker engine answers" in told.stdout
    assert "start it" in told.stdout
