"""A real Prometheus on loopback, and the queries of a dashboard as it would send them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.ports import ephemeral_port

REQUIRE = "BROWNOUT_REQUIRE_PROMETHEUS"
VARIABLES = {"$__rate_interval": "5s", "$job": ".*", "$region": ".*"}


def programs_or_skip() -> tuple[str, str]:
    """The paths of prometheus and promtool; without them the test is skipped, or fails where they are required."""
    found = shutil.which("prometheus"), shutil.which("promtool")
    if found[0] is None or found[1] is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"no prometheus is on PATH and {REQUIRE}=1")
        pytest.skip("no prometheus is on PATH")
    return found[0], found[1]


def expressions(dashboard: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every query of a dashboard with what it is of: panels, annotations, and the metrics of its variables."""
    panels = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    annotations = [(one["name"], one["expr"]) for one in dashboard["annotations"]["list"]]
    variables = [(one["name"], one["definition"]) for one in dashboard["templating"]["list"] if "definition" in one]
    return [*panels, *annotations, *variables]


def filled(expression: str) -> str:
    """The query with the values that a dashboard puts in: everything, over five seconds."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


class Prometheus:
    """A running server that scrapes once a second."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, **parameters: str) -> Any:
        """What its HTTP API answers; raises AssertionError with its message for a query that it refuses."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{parameters}: {refused.read().decode()}") from None

    def series(self, query: str, *, since_s: float) -> list[Any]:
        """What a panel over the time since then would draw."""
        found: list[Any] = self.ask("query_range", query=query, start=str(since_s), end=str(time.time()), step="1")["result"]
        return found

    def newest(self, query: str, *, since_s: float) -> float:
        """The sum of the last values of all series since then."""
        return sum(float(one["values"][-1][1]) for one in self.series(query, since_s=since_s))


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str], rules: str = "") -> Iterator[Prometheus]:
    """A server that scrapes `targets`, addresses by job; raises AssertionError when it does not come up."""
    program, _ = programs_or_skip()
    port = ephemeral_port()
    jobs = [{"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()]
    config: dict[str, Any] = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "scrape_configs": jobs}
    if rules:
        (folder / "rules.yaml").write_text(rules, encoding="utf-8")
        config["rule_files"] = [str(folder / "rules.yaml")]
    (folder / "prometheus.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    command = [
        program,
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        made = Prometheus(f"http://127.0.0.1:{port}")
        _await(made, process, folder)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=30)


def _await(made: Prometheus, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            urllib.request.urlopen(f"{made.url}/-/ready", timeout=10).close()
        except OSError:  # nothing listens yet, or 503 while it reads its data
            time.sleep(0.1)
        else:
            return
    raise AssertionError((folder / "prometheus.log").read_text())
