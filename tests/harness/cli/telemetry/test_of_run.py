"""`run --metrics` and `--otlp` are checked before anything starts, and a simulated run can be sent as a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.telemetry import otlp
from support.brownout_command import invoke, small
from support.otlp_collector import collector


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place of its own, and a machine without OpenTelemetry's variables."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "*")
    for name in otlp.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--world", "simulation", "--metrics", "9464"), "needs a run in real time"),
        (("--metrics", "example.org:9464"), "no address of loopback"),
        (("--metrics", "9464", "--episodes", "5"), "not for a series"),
        (("--otlp", "http://127.0.0.1:4318", "--episodes", "5"), "not for a series"),
        (("--world", "simulation", "--otlp", "4318"), "no URL of a collector"),
    ],
)
def test_what_cannot_be_is_refused_before_the_run(work: Path, options: tuple[str, ...], said: str) -> None:
    """There is no run folder then."""
    told = invoke("run", str(small(work)), *options)
    assert told.exit_code == 2
    assert said in told.stderr
    assert not (work / "runs").exists()


def test_a_simulated_run_is_sent_as_a_trace(work: Path) -> None:
    """And its id is printed, by which it is found."""
    with collector() as collected:
        told = invoke("run", str(small(work)), "--world", "simulation", "--otlp", collected.url)
    assert collected.spans()["run small"].trace_id.hex() in told.stderr


def test_variables_alone_never_refuse_a_run(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing they are told to have no effect."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{ephemeral_port()}")
    monkeypatch.setattr(otlp, "find_spec", lambda name: None)
    told = invoke("run", str(small(work)), "--world", "simulation", "--expect", "breach")
    assert "nothing is sent over OTLP: OTLP needs OpenTelemetry" in told.stderr
    assert told.exit_code in (0, 3)
