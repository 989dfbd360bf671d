"""A run arrives at a collector as one trace, and a collector that does not answer costs a run seconds and no verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.api import Options, carry_out, prepare
from brownout.harness.base.ports import ephemeral_port
from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.record.verdicts import Verdict
from brownout.harness.telemetry import otlp
from brownout.harness.telemetry.otlp import FLUSH_S, RunTrace, traces_url, wanted
from support.otlp_collector import Collected, attributes, collector
from support.small_day import small_day

NAMES = ("OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", *otlp.ENDPOINTS)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own settings do not count."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def collected() -> Iterator[Collected]:
    with collector() as made:
        yield made


def experiment() -> Experiment:
    held: dict[str, Any] = {"name": "roll", "at": "01:00", "until": "02:00", "role": "fault", "fault": "key-rollover"}
    held["with"] = {"region": "sydney"}
    thin = {"name": "warm", "rate_per_s": 0.02, "machines": ["web"]}
    return small_day(thin, schedule=[held], gates={"steady_state": False})


def traced(out: Path, url: str = "") -> tuple[Verdict, list[str]]:
    """The verdict of a simulated run, and what was said of its trace."""
    said: list[str] = []
    outcome = carry_out(prepare(experiment(), Options(out=out)), observers=[RunTrace(url, said.append)])
    return outcome.result.verdict, said


def test_a_run_is_one_trace(collected: Collected, tmp_path: Path) -> None:
    """Run, phases and step nest, times are those of the emulated day, and what bit the fault is in its span."""
    verdict, said = traced(tmp_path, collected.url)
    spans = collected.spans()
    phases = {f"phase {name}" for name in ("baseline", "onset", "fault", "heal", "recovery")}
    assert set(spans) == {"run small", "step roll"} | phases
    run, step = spans["run small"], spans["step roll"]
    assert {span.trace_id for span in spans.values()} == {run.trace_id}
    assert step.parent_span_id == spans["phase onset"].span_id
    assert spans["phase onset"].parent_span_id == run.span_id
    day_s = experiment().timeline.epoch_s()
    assert step.start_time_unix_nano == (day_s + 3600) * 1e9
    assert 3600 <= step.end_time_unix_nano / 1e9 - day_s - 3600 < 3660
    assert {"brownout.fault.applied", "brownout.fault.bitten", "brownout.fault.healed"} <= {one.name for one in step.events}
    assert attributes(run)["brownout.run.verdict"] == verdict
    assert attributes(run)["brownout.run.time"] == "emulated"
    assert said == [f"Trace: {run.trace_id.hex()} to {collected.url}/v1/traces"]


def test_the_standard_variables_configure_it(collected: Collected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoint, headers, and a resource of the user's own; what they do not name is ours."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=identity")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab,service.version=mine")
    assert wanted()
    traced(tmp_path)
    resource = collected.resource()
    assert (resource["service.name"], resource["service.version"]) == ("brownout", "mine")
    assert resource["deployment.environment.name"] == "lab"
    assert resource["service.instance.id"].startswith("small-simulation-fragile-1-")
    assert collected.headers[0]["x-team"] == "identity"


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
    ],
)
def test_it_is_off_unless_an_endpoint_is_named(variables: dict[str, str], on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And off where the variables of the SDK say so."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wanted() is on


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://collector/otlp/", "https://collector/otlp/v1/traces"),
        ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
    ],
)
def test_a_base_url_gets_the_path_of_traces(given: str, url: str) -> None:
    """Unless it has it already."""
    assert traces_url(given) == url


@pytest.mark.parametrize("given", ["4318", "ftp://x", "http://", "http://x:port", "collector:4318", "http://[::1"])
def test_what_is_no_url_is_refused_before_the_run(given: str) -> None:
    """With one that would do."""
    with pytest.raises(UsageError, match="no URL of a collector") as raised:
        RunTrace(given, print)
    assert "http://127.0.0.1:4318" in str(raised.value.hint)


def test_nobody_at_the_url_is_told_once_and_changes_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """All spans are counted as lost, and the SDK's own warnings do not reach the terminal."""
    expected = carry_out(prepare(experiment(), Options(out=tmp_path))).result.verdict
    verdict, said = traced(tmp_path, f"http://127.0.0.1:{ephemeral_port()}")
    assert verdict == expected
    assert len(said) == 2
    assert "7 of 7 spans did not reach" in said[1]
    assert said[1].splitlines()[0].endswith("Connection refused)")
    assert "4318" in said[1]
    assert capsys.readouterr() == ("", "")
    assert not caplog.records


def test_a_collector_that_hangs_delays_the_end_by_no_more_than_the_flush(collected: Collected, tmp_path: Path) -> None:
    """The run itself goes on meanwhile."""
    collected.hangs.set()
    trace = RunTrace(collected.url, lambda line: None)
    outcome = carry_out(prepare(experiment(), Options(out=tmp_path)), observers=[])
    trace.begin(outcome.folder)
    began_s = time.monotonic()
    trace.end(outcome.result)
    assert time.monotonic() - began_s < FLUSH_S + 5.0


def test_a_collector_that_refuses_is_told(collected: Collected, tmp_path: Path) -> None:
    """Such as one that asks for another token."""
    collected.status = 401
    _, said = traced(tmp_path, collected.url)
    assert "spans did not reach" in said[1]
    assert "401" in said[1]


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setattr(otlp, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed") as raised:
        RunTrace("http://127.0.0.1:4318", print)
    assert "otel" in str(raised.value.hint)
