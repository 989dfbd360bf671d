"""A real run and a real stack as a real Prometheus sees them, each second, while a fault comes and goes."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.judge.run_folder import read_record
from brownout.harness.record.history import History
from brownout.harness.telemetry import shipped
from support.brownout_command import SMALL, Brownout, make_brownout, small
from support.otlp_collector import Collected, attributes, collector
from support.prometheus_server import Prometheus, expressions, filled, programs_or_skip, prometheus

pytestmark = [pytest.mark.slow, pytest.mark.brownout_processes]
# A user's application that is traced: each request is a span of its own, in the trace that the request names.
APPLICATION = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=sys.argv[2] + "/v1/traces")))
tracer = provider.get_tracer("orders")

class Orders(BaseHTTPRequestHandler):
    def do_GET(self):
        context = TraceContextTextMapPropagator().extract({name.lower(): value for name, value in self.headers.items()})
        with tracer.start_as_current_span(f"GET {self.path}", context):
            self.send_response(204)
            self.end_headers()

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Orders).serve_forever()
"""
EMPTY_ALLOWED = {"job", "region"}  # the variables, whose function only Grafana knows


@dataclass(frozen=True, slots=True)
class Scraped:
    """A run that is over, its record, the Prometheus that has scraped it, and what the last scrape by hand said of it."""

    server: Prometheus
    since_s: float
    history: History
    collected: Collected
    text: str


@pytest.fixture(scope="module")
def brownout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brownout]:
    command = make_brownout(tmp_path_factory.mktemp("brownout"))
    yield command
    command.kill_everything()


@pytest.fixture(scope="module")
def scraped(brownout: Brownout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """One run with metrics and a trace, beside it the exporter of stacks, and a server that scrapes both."""
    programs_or_skip()
    of_run, of_stacks = f"127.0.0.1:{ephemeral_port()}", f"127.0.0.1:{ephemeral_port()}"
    folder, since_s = tmp_path_factory.mktemp("prometheus"), time.time()
    with prometheus(folder, {"run": of_run, "stacks": of_stacks}, shipped.rules()) as server, collector() as collected:
        path = with_application(brownout.work, collected.url)
        exporter = brownout.start("metrics", "--listen", of_stacks)
        exporter.wait_for("until Ctrl-C")
        wanted = ("run", str(path), "--world", "processes", "--metrics", of_run, "--otlp", collected.url, "--no-canaries")
        run = brownout.start(*wanted, NO_PROXY="*")
        text = last_scrape(of_run, run.process)
        exporter.interrupt()
        assert exporter.end() == 0
        (made,) = (brownout.work / "runs").iterdir()
        yield Scraped(server, since_s, read_record(made).history, collected, text)


def with_application(folder: Path, collector_url: str) -> Path:
    """The small experiment with an application, which some of its clients ask."""
    (folder / "app.py").write_text(APPLICATION, encoding="utf-8")
    subject = {
        "command": ["{python}", "app.py", "{port}", collector_url],
        "env_of": "web-1",
        "ready": "http://127.0.0.1:{port}/healthz",
    }
    orders = {"name": "orders", "model": "http", "region": "sydney", "rate_per_s": 2, "http": {"path": "/orders"}}
    load = {"cohorts": [*SMALL["load"]["cohorts"], orders]}
    return small(folder, gates={"steady_state": False}, subject=subject, load=load)


def last_scrape(address: str, run: subprocess.Popen[bytes]) -> str:
    """The newest answer that the run gave before it ended."""
    newest = ""
    while run.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                newest = answer.read().decode()
        except OSError:
            time.sleep(0.05)  # not up yet, or just gone
        else:
            time.sleep(0.2)
    return newest


def test_the_last_scrape_has_every_request_of_the_record(scraped: Scraped) -> None:
    """Metrics are served until the verdict, so that a scrape after the load's end sees all of it."""
    outcomes = Counter(request.outcome for request in scraped.history.requests)
    told: Counter[str] = Counter()  # of all cohorts
    for name, value in re.findall(r'brownout_requests_total\{.*outcome="(\w+)".*\} (\S+)', scraped.text):
        told[name] += int(float(value))
    assert +told == outcomes
    assert sum(outcomes.values()) > 200


def test_prometheus_counted_what_the_run_recorded(scraped: Scraped) -> None:
    """Its last sample of the counters is the record's count, or that of one scrape before."""
    total = scraped.server.newest("sum(brownout_requests_total)", since_s=scraped.since_s)
    assert 0.9 * len(scraped.history.requests) < total <= len(scraped.history.requests)
    count = scraped.server.newest("sum(brownout_request_duration_seconds_count)", since_s=scraped.since_s)
    assert count == total


@pytest.mark.parametrize(("title", "query"), expressions(json.loads(shipped.dashboard())))
def test_each_query_of_the_dashboard_has_data(scraped: Scraped, title: str, query: str) -> None:
    """Panels, annotations and the metrics that variables take their values from."""
    if title in EMPTY_ALLOWED:
        query = query.removeprefix("label_values(").split(",")[0]
    if "role!=" in query:  # this run has a fault and no mitigation: the query is one, and finds none
        assert scraped.server.series(filled(query), since_s=scraped.since_s) == []
    else:
        assert scraped.server.series(filled(query), since_s=scraped.since_s), filled(query)


def test_the_fault_has_a_beginning_and_an_end(scraped: Scraped) -> None:
    """As the record has it, to within a scrape: the annotation is drawn over that time."""
    (series,) = scraped.server.series('brownout_fault_active{job="run"}', since_s=scraped.since_s)
    values = [value for _, value in series["values"]]
    assert values[-1] == "0"
    assert 3 <= values.count("1") <= 9, "in place for five seconds"
    assert series["metric"]["target"] == "client->sydney.host"
    on_the_stack = scraped.server.series('brownout_fault_active{job="stacks"} == 1', since_s=scraped.since_s)
    assert on_the_stack[0]["metric"]["fault"] == "link-refuse"


def test_the_rules_are_taken_and_the_alert_sees_the_breach(scraped: Scraped) -> None:
    """The recorded share of bad requests went up while the link was cut."""
    names = [rule["name"] for group in scraped.server.ask("rules")["groups"] for rule in group["rules"]]
    assert names == ["brownout:objective_bad:ratio_rate1m", "BrownoutBudgetBurns", "BrownoutFaultLeftInPlace"]
    recorded = scraped.server.series("brownout:objective_bad:ratio_rate1m", since_s=scraped.since_s)
    shares = [float(value) for _, value in recorded[0]["values"]]
    assert max(share for share in shares if not math.isnan(share)) > 0.2


def test_promtool_finds_nothing_to_complain_of(scraped: Scraped, tmp_path: Path) -> None:
    """Neither in names and help texts nor in the rules."""
    _, promtool = programs_or_skip()
    (tmp_path / "rules.yaml").write_text(shipped.rules(), encoding="utf-8")
    checked = subprocess.run([promtool, "check", "metrics"], input=scraped.text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    command = [promtool, "check", "rules", str(tmp_path / "rules.yaml")]
    rules = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rules.returncode == 0, rules.stdout + rules.stderr


def test_the_run_arrives_as_a_trace_in_real_time(scraped: Scraped) -> None:
    """Its spans lie in the time of the test, not in the experiment's emulated day."""
    spans = scraped.collected.spans()
    run, step = spans["run small"], spans["step cut"]
    assert attributes(run)["brownout.run.time"] == "real"
    assert scraped.since_s < run.start_time_unix_nano / 1e9 < run.end_time_unix_nano / 1e9 < time.time()
    assert 4 < (step.end_time_unix_nano - step.start_time_unix_nano) / 1e9 < 30


def test_spans_of_the_application_lie_in_the_run_s_trace(scraped: Scraped) -> None:
    """Each request that the load sent it has named the run's span as its parent, and the application's tracer took it over."""
    run = scraped.collected.spans()["run small"]
    joined = [span for span in scraped.collected.all_spans() if span.name == "GET /orders"]
    assert {(span.trace_id, span.parent_span_id) for span in joined} == {(run.trace_id, run.span_id)}
    sent = [request for request in scraped.history.requests if request.cohort == "orders"]
    assert len(joined) == len(sent) > 10


def test_the_last_metrics_over_otlp_are_the_record(scraped: Scraped) -> None:
    """Sent while the run went and once more at its end, about the same instance as the trace."""
    assert len(scraped.collected.metrics) > 1
    newest = scraped.collected.newest_metrics()
    counted: Counter[str] = Counter()
    for point in newest["brownout_requests"].sum.data_points:
        counted[{at.key: at.value.string_value for at in point.attributes}["outcome"]] += int(point.as_double or point.as_int)
    assert +counted == Counter(request.outcome for request in scraped.history.requests)
    assert sum(point.count for point in newest["brownout_request_duration_seconds"].histogram.data_points) == counted.total()
    instances = [at for at in scraped.collected.metrics[-1].resource.attributes if at.key == "service.instance.id"]
    assert [at.value.string_value for at in instances] == [scraped.collected.resource_of("brownout")["service.instance.id"]]
