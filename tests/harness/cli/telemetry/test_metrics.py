"""`brownout metrics` prints what it is asked for, and refuses what it cannot do before it serves anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from support.brownout_command import invoke


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder without any stack."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path))


def test_the_dashboard_and_the_rules_are_printed() -> None:
    """As files that Grafana and Prometheus read."""
    assert json.loads(invoke("metrics", "--dashboard").stdout)["title"] == "Brownout"
    assert yaml.safe_load(invoke("metrics", "--rules").stdout)["groups"]


def test_without_a_stack_the_version_is_told() -> None:
    """An exporter may be started before the first stack."""
    told = invoke("metrics", "--once")
    assert (told.exit_code, "brownout_build_info" in told.stdout) == (0, True)
    assert "brownout_stack_up{" not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--once", "--dashboard"), "print different things"),
        (("--listen", "0.0.0.0:9465"), "no address of loopback"),
        (("--listen", "port"), "names no port"),
        (("--once", "--stack", "nope"), "no stack 'nope'"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """With exit code 2 and what to do instead."""
    told = invoke("metrics", *arguments)
    assert told.exit_code == 2
    assert said in told.stderr
    assert "->" in told.stderr
