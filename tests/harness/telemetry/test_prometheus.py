"""What is rendered is what Prometheus reads, by the library's own parsers, and named as its conventions ask."""

from __future__ import annotations

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from brownout import __version__
from brownout.harness.errors import UsageError
from brownout.harness.telemetry import prometheus
from brownout.harness.telemetry.prometheus import exposition
from brownout.harness.telemetry.samples import MetricsSnapshot
from support.telemetry_samples import EVERYTHING, ODD

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def rendered(snapshot: MetricsSnapshot, accept: str = "") -> dict[str, Metric]:
    text = exposition(snapshot, accept)[0].decode()
    parse = parse_openmetrics if accept else parse_text
    return {family.name: family for family in parse(text)}


def value(found: dict[str, Metric], sample: str, **labels: str) -> float:
    (one,) = [
        each.value
        for family in found.values()
        for each in family.samples
        if each.name == sample and labels.items() <= each.labels.items()
    ]
    return float(one)


@pytest.fixture(params=["", OPENMETRICS])
def found(request: pytest.FixtureRequest) -> dict[str, Metric]:
    """Everything at once in both formats."""
    return rendered(EVERYTHING, request.param)


def test_every_figure_arrives_in_both_formats(found: dict[str, Metric]) -> None:
    """Outcomes that did not occur are there as 0; milliseconds have become seconds."""
    assert value(found, "brownout_requests_total", outcome="happened", cohort="warm", region="sydney") == 5
    assert value(found, "brownout_requests_total", outcome="refused") == 0
    assert value(found, "brownout_requests_good_total") == 4
    assert value(found, "brownout_request_duration_seconds_sum") == 4.321
    assert value(found, "brownout_objective_target_ratio", objective="tokens") == 0.99
    assert value(found, "brownout_objective_requests_bad_total", objective="tokens") == 3
    assert value(found, "brownout_objective_burn_rate") == 42.5, "an objective without requests has no burn rate"
    assert value(found, "brownout_fault_active", step="roll", fault="key-rollover", target="sydney.store") == 1
    assert value(found, "brownout_run_phase", phase="onset") == 1
    assert value(found, "brownout_run_start_time_seconds") == 1000.5
    assert value(found, "brownout_run_info", experiment=ODD) == 1
    assert value(found, "brownout_node_up", node="sydney.store") == 0
    assert value(found, "brownout_node_build_info") == 1
    assert value(found, "brownout_node_key_info", key_id="manual-sydney-1", does="uses") == 1
    assert value(found, "brownout_stack_up", stack="up-1", world="processes") == 1
    assert value(found, "brownout_load_arrivals_late_total") == 1
    assert value(found, "brownout_load_lag_p99_seconds") == 0.0125


def test_a_histogram_is_cumulative_and_ends_with_all(found: dict[str, Metric]) -> None:
    """Its bounds are in seconds, and its last bucket is its count."""
    buckets = {
        sample.labels["le"]: sample.value
        for sample in found["brownout_request_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert buckets == {"0.005": 3, "0.25": 5, "+Inf": 7}
    assert value(found, "brownout_request_duration_seconds_count") == 7


def test_a_fault_that_is_over_keeps_its_series_at_zero() -> None:
    """The edge is then in the data; and what is over is not said to bite."""
    found = rendered(EVERYTHING)
    assert value(found, "brownout_fault_active", step="cut") == 0
    assert value(found, "brownout_fault_bitten", step="cut") == 0


def test_names_follow_the_conventions() -> None:
    """One prefix, base units, and `_total` for counters and nothing else."""
    for name, family in rendered(EVERYTHING, OPENMETRICS).items():
        assert name.startswith("brownout_")
        assert not any(unit in name for unit in ("_ms", "milli", "percent", "minutes"))
        assert all(sample.name.endswith("_total") for sample in family.samples) == (family.type == "counter"), name
        assert family.documentation.endswith("."), name


def test_nothing_to_tell_renders_nothing_wrong() -> None:
    """Before a run has begun there is the version alone, in an answer that Prometheus reads."""
    (sample,) = (sample for family in rendered(MetricsSnapshot(), OPENMETRICS).values() for sample in family.samples)
    assert (sample.name, sample.labels) == ("brownout_build_info", {"version": __version__})


def test_the_format_is_the_one_asked_for() -> None:
    """A browser gets text, Prometheus what its header names."""
    assert exposition(EVERYTHING)[1].startswith("text/plain")
    assert exposition(EVERYTHING, OPENMETRICS)[1].startswith("application/openmetrics-text")
    assert exposition(EVERYTHING, OPENMETRICS)[0].endswith(b"# EOF\n")


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setattr(prometheus, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed") as raised:
        exposition(MetricsSnapshot())
    assert "metrics" in str(raised.value.hint)
