"""Snapshots as Prometheus reads them. The one file that knows prometheus-client, which the extra `metrics` brings.

Names follow Prometheus' conventions: base units (seconds, ratios), `_total` for counters, `_info` for what labels tell and
is always 1. A counter starts at 0 with its process, and a cohort's are there before its first request, so that no increase is
missed and a restart is no negative rate. No `_created` series stand beside them: the start is one metric of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from brownout import __version__
from brownout.harness.base.hints import install
from brownout.harness.errors import UsageError
from brownout.harness.telemetry.samples import MetricsSnapshot, RequestSeries

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    Family = Metric  # for those that read `families`

OUTCOMES = ("happened", "refused", "unknown")
OF_COHORT = ("cohort", "region")
OF_FAULT = ("stack", "fault", "step", "target", "role")


def require_package() -> None:
    """Raises UsageError, with what to install, where prometheus-client is missing."""
    if find_spec("prometheus_client") is None:
        raise UsageError("metrics need prometheus-client, which is not installed here", hint=install("metrics"))


def exposition(snapshot: MetricsSnapshot, accept: str = "") -> tuple[bytes, str]:
    """The snapshot in the format that an `Accept` header asks for, and its content type; raises as `require_package` does."""
    require_package()
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    # A registry would keep metrics of its own between scrapes; all of ours are in the snapshot.
    return encode(_Passing(lambda: families(snapshot))), content_type


class _Passing:
    """What an encoder asks of a registry."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self.collect = collect


def families(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    """Every metric of the snapshot; one of which there is nothing to tell is left out."""
    yield from _about(snapshot)
    yield from _requests(snapshot)
    yield from _objectives(snapshot)
    yield from _faults(snapshot)
    yield from _nodes(snapshot)
    yield from _generator(snapshot)


def _about(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    build = GaugeMetricFamily("brownout_build_info", "The version of Brownout that tells this.", labels=("version",))
    build.add_metric((__version__,), 1)
    yield build
    if snapshot.about:
        text = "The run or load that these metrics are about."
        info = GaugeMetricFamily("brownout_run_info", text, labels=tuple(snapshot.about))
        info.add_metric(tuple(snapshot.about.values()), 1)
        yield info
    if snapshot.started_s is not None:
        text = "When it began, in seconds since 1970."
        yield GaugeMetricFamily("brownout_run_start_time_seconds", text, value=snapshot.started_s)
    if snapshot.phases:
        text = "1 for the phase of the experiment's timeline that it is in, 0 for the others."
        phase = GaugeMetricFamily("brownout_run_phase", text, labels=("phase",))
        for name, present in snapshot.phases.items():
            phase.add_metric((name,), int(present))
        yield phase


def _requests(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    if not snapshot.requests:
        return
    text = "Requests of the load that have ended, by what came of them."
    total = CounterMetricFamily("brownout_requests", text, labels=(*OF_COHORT, "outcome"))
    text = "Requests that succeeded within the limit of every objective that is about them."
    good = CounterMetricFamily("brownout_requests_good", text, labels=OF_COHORT)
    text = "Time from a request's intended send to its end."
    took = HistogramMetricFamily("brownout_request_duration_seconds", text, labels=OF_COHORT)
    for one in snapshot.requests:
        of = (one.cohort, one.region)
        for outcome in OUTCOMES:
            total.add_metric((*of, outcome), one.by_outcome.get(outcome, 0))
        good.add_metric(of, one.good)
        took.add_metric(of, buckets=_buckets(one), sum_value=one.latency_ms / 1000)
    yield from (total, good, took)


def _buckets(series: RequestSeries) -> list[Any]:
    """Pairs of an upper bound in seconds, as text, and how many were no longer; the last is `+Inf`."""
    bounds = [repr(bound_ms / 1000) for bound_ms in series.bounds_ms]
    return list(zip([*bounds, "+Inf"], accumulate(series.within), strict=True))


def _objectives(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    if not snapshot.objectives:
        return
    of = ("objective",)
    target = GaugeMetricFamily("brownout_objective_target_ratio", "The share of requests that must be good.", labels=of)
    total = CounterMetricFamily("brownout_objective_requests", "Requests that the objective is about.", labels=of)
    bad = CounterMetricFamily("brownout_objective_requests_bad", "Those of them that were bad.", labels=of)
    text = "How many times faster than allowed the error budget was spent in the last ten seconds."
    burn = GaugeMetricFamily("brownout_objective_burn_rate", text, labels=of)
    for one in snapshot.objectives:
        target.add_metric((one.name,), one.target)
        total.add_metric((one.name,), one.total)
        bad.add_metric((one.name,), one.bad)
        if one.burn_rate is not None:
            burn.add_metric((one.name,), one.burn_rate)
    yield from (target, total, bad, burn)


def _faults(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    text = "1 while the fault is in place, 0 once it is reverted."
    active = GaugeMetricFamily("brownout_fault_active", text, labels=OF_FAULT)
    text = "1 while the fault is in place and its effect has been seen."
    bitten = GaugeMetricFamily("brownout_fault_bitten", text, labels=OF_FAULT)
    for one in snapshot.faults:
        of = (one.stack, one.fault, one.step, one.target, one.role)
        active.add_metric(of, int(one.active))
        bitten.add_metric(of, int(one.active and one.bitten))
    yield from (active, bitten)


def _nodes(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    up = GaugeMetricFamily("brownout_stack_up", "1 where the stack answers.", labels=("stack", "world"))
    for stack in snapshot.stacks:
        up.add_metric((stack.stack, stack.world), int(stack.up))
    node_up = GaugeMetricFamily("brownout_node_up", "1 where the node runs and answers.", labels=("stack", "node"))
    build = GaugeMetricFamily("brownout_node_build_info", "The build that a node runs.", labels=("stack", "node", "build"))
    for node in snapshot.nodes:
        if node.up is not None:
            node_up.add_metric((node.stack, node.node), int(node.up))
        if node.build:
            build.add_metric((node.stack, node.node, node.build), 1)
    labels = ("stack", "node", "does", "region", "kind", "key_id")
    text = "A key by its id, and what the node does with it: uses, accepts, refuses, signs or trusts it."
    keys = GaugeMetricFamily("brownout_node_key_info", text, labels=labels)
    for key in snapshot.keys:
        keys.add_metric((key.stack, key.node, key.does, key.region, key.kind, key.key_id), 1)
    yield from (family for family in (up, node_up, build, keys) if family.samples)


def _generator(snapshot: MetricsSnapshot) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    one = snapshot.generator
    if one is None:
        return
    told = {
        "brownout_load_arrivals_due": ("Arrivals of the plan that fell due.", one.due),
        "brownout_load_arrivals_sent": ("Arrivals that were sent.", one.sent),
        "brownout_load_arrivals_late": ("Arrivals that could not be sent within their deadline.", one.late),
        "brownout_load_arrivals_failed": ("Arrivals that failed inside the generator.", one.failed),
    }
    for name, (text, value) in told.items():
        yield CounterMetricFamily(name, text, value=value)
    text = "How late the generator sent: the 99th percentile over all arrivals."
    yield GaugeMetricFamily("brownout_load_lag_p99_seconds", text, value=one.lag_p99_ms / 1000)
