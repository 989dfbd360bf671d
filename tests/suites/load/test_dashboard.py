"""The pages of a load on a real stack: in a browser during a fault, and against the request log."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.load.log_tail import LogTail
from support.brownout_command import Brownout, eventually, small
from support.dashboard_browser import browser, browser_or_skip
from support.dashboard_load import TOKEN, Dashboard, folder_of, view_at

pytestmark = [pytest.mark.slow, pytest.mark.brownout_processes]

FAULT, TARGET = "link-refuse", "client->sydney.host"
LONG_S = 60.0


@pytest.fixture(scope="module")
def dashboard(up: Brownout) -> Iterator[Dashboard]:
    """A load of one process."""
    made = Dashboard(up)
    yield made
    made.command.interrupt()
    made.command.end()


def test_both_pages_show_a_fault_while_it_is_in_place(up: Brownout, dashboard: Dashboard) -> None:
    """Under Locust's charts the strip names the fault and each objective's state; the page has the band in every chart."""
    with browser(browser_or_skip()) as page:
        page.show(width=1000)
        injected = up.run("inject", FAULT, "--target", TARGET)
        assert injected.returncode == 0, injected.stderr
        page.open(dashboard.url)
        strip = "document.querySelector('#brownout-strip')"
        told = f"{strip}?.querySelector('[data-fault]')?.innerText"
        page.wait_for(f"{told}?.includes('{FAULT} on {TARGET} since')", within_s=LONG_S)
        page.wait_for(f"{strip}.innerText.includes('breached sydney-machines')", within_s=LONG_S)
        assert page.evaluate(f"{strip}.querySelectorAll('.slo').length") == len(dashboard.data()["objectives"]) == 20
        assert page.evaluate("document.querySelector('#root').innerText.includes('RUNNING')")
        assert page.evaluate(f"{strip}.querySelector('a').href") == f"{dashboard.url}faults"
        page.open(f"{dashboard.url}faults")
        page.wait_for("document.querySelectorAll('.cohort').length === 20", within_s=LONG_S)
        bands = "[...document.querySelectorAll('.cohort svg')].map(svg => svg.querySelectorAll('g.band.fault').length)"
        assert page.evaluate(bands) == [1] * 40
        assert page.evaluate("document.querySelector('#lanes g.band text').textContent") == f"{FAULT} on {TARGET}"
        assert page.evaluate("document.querySelector('.cohort g.band rect').getBoundingClientRect().width > 0")
        assert page.evaluate("document.querySelector('.cohort g.band text').textContent") == FAULT
        for width in (375, 1600):
            page.show(width=width)
            page.wait_for("document.querySelectorAll('.cohort').length === 20", within_s=LONG_S)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"too wide at {width}"
    healed = up.run("heal")
    assert healed.returncode == 0, healed.stderr


def test_the_data_shows_what_the_fault_did(up: Brownout, dashboard: Dashboard) -> None:
    """In the band the cohort behind the cut link is bad and others are not; after it the band has an end and all are good."""
    told = up.run("inject", FAULT, "--target", TARGET, "--for", "5s")
    assert told.returncode == 0, told.stderr
    band = dashboard.bands()[-1]
    eventually(lambda: dashboard.bands()[-1]["until_s"] is not None, LONG_S, what="the band's end")
    band = dashboard.bands()[-1]
    assert 4.0 < band["until_s"] - band["from_s"] < 15.0
    assert (band["kind"], band["target"]) == (FAULT, TARGET)
    eventually(lambda: dashboard.data()["times_s"][-1] > band["until_s"] + 3, LONG_S, what="some seconds after it")
    shown = dashboard.data()
    good = {line["name"]: list(zip(shown["times_s"], line["good"], line["total"], strict=True)) for line in shown["cohorts"]}

    def share(cohort: str, from_s: float, until_s: float) -> float:
        inside = [(g, t) for at_s, g, t in good[cohort] if from_s <= at_s and at_s + 1 <= until_s]
        return sum(g for g, _ in inside) / sum(t for _, t in inside)

    assert share("sydney-machines", band["from_s"], band["until_s"]) == 0.0
    assert share("sydney-machines", band["until_s"] + 0.5, shown["now_s"]) == 1.0
    assert share("melbourne-machines", band["from_s"], band["until_s"]) == 1.0
    assert shown["faults_known"]
    assert shown["problems"] == []


def test_the_dashboards_counts_are_the_logs(up: Brownout, dashboard: Dashboard) -> None:
    """What a second has on the page is what the request log has in it."""
    shown = dashboard.data()
    records = list(LogTail(folder_of(up)).read())
    for line in shown["cohorts"]:
        for at_s, total, good in zip(shown["times_s"], line["total"], line["good"], strict=True):
            inside = [r for r in records if r.cohort == line["name"] and at_s <= r.intended_s < at_s + 1]
            assert (total, good) == (len(inside), sum(r.outcome == "happened" for r in inside))


def test_prometheus_gets_the_sums_of_the_logs(up: Brownout, dashboard: Dashboard) -> None:
    """Counters grow and are never ahead of the log, for every cohort from the start; a name that points here gets nothing."""
    with urllib.request.urlopen(f"{dashboard.url}metrics", timeout=10) as answer:
        told = answer.read().decode()
    counted = re.findall(r'brownout_requests_total{cohort="([^"]+)",outcome="(\w+)",.*} (\S+)', told)
    logged = Counter((record.cohort, record.outcome) for record in LogTail(folder_of(up)).read())
    assert len(counted) == 3 * 20
    assert 0 < sum(float(value) for _, _, value in counted) <= sum(logged.values())
    assert all(float(value) <= logged[cohort, outcome] for cohort, outcome, value in counted)
    foreign = urllib.request.Request(f"{dashboard.url}metrics", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(foreign, timeout=10)


@pytest.mark.parametrize(
    ("bearer", "document", "status"),
    [
        ("", b"{}", 401),
        ("another", b"{}", 401),
        (TOKEN, b"{}", 400),
        (TOKEN, b" " * 300_000, 413),
        (TOKEN, b'{"schema": "brownout/bands/v1", "told_at_s": 1.0, "bands": []}', 204),
    ],
    ids=["no-token", "wrong-token", "no-document", "too-long", "taken"],
)
def test_faults_are_taken_over_http_with_the_token_only(
    dashboard: Dashboard, bearer: str, document: bytes, status: int
) -> None:
    """Whoever has the load's token may tell its dashboard about faults, in documents of the schema and no others."""
    headers = {"authorization": f"Bearer {bearer}"}
    assert put(f"{dashboard.url}faults/bands", document, headers) == status


def put(url: str, document: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=document, method="PUT", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_page_of_another_site_cannot_use_locusts_pages(dashboard: Dashboard) -> None:
    """Its requests are refused before Locust sees them, and the load goes on; no answer names an origin that may read it."""
    for method, path in (("GET", "stats/requests"), ("POST", "swarm"), ("GET", "stop"), ("OPTIONS", "swarm")):
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            request = urllib.request.Request(dashboard.url + path, method=method, headers=headers)
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request, timeout=10)
    with urllib.request.urlopen(dashboard.url + "stats/requests", timeout=10) as answer:
        assert json.load(answer)["state"] == "running"
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_only_the_pages_are_served(dashboard: Dashboard) -> None:
    """No other file of the package can be had, and no length of time but those that are kept."""
    for path, status in (
        ("faults/..%2fdashboard.py", "404"),
        ("faults/dashboard.py", "404"),
        ("faults/nothing.js", "404"),
        ("faults/data?shown=7", "400"),
    ):
        with pytest.raises(urllib.error.HTTPError, match=status):
            urllib.request.urlopen(dashboard.url + path, timeout=10)


def test_a_stack_has_one_load(up: Brownout, dashboard: Dashboard) -> None:
    """A second one is refused with the first one's process, and disturbs nothing."""
    told = up.run("load", "--headless", "--for", "1s")
    assert told.returncode == 2
    assert f"has a load already (process {dashboard.command.process.pid})" in told.stderr
    assert dashboard.data()["problems"] == []


def test_a_runs_dashboard_has_its_steps_phases_and_objectives(brownout: Brownout) -> None:
    """During a run the bands are its steps by name, and the objectives stand over the phases that they are judged in."""
    url = f"http://127.0.0.1:{(port := ephemeral_port())}/"
    run = brownout.start("run", str(small(brownout.work)), "--dashboard", "--dashboard-port", str(port), "--no-canaries")
    run.wait_for("Locust's dashboard")
    cut = None
    while run.process.poll() is None:
        shown = view_at(url)
        if shown is not None and shown["bands"]:
            cut = shown
        time.sleep(0.2)
    assert cut is not None, run.progress()
    assert [(band["name"], band["role"], band["target"]) for band in cut["bands"]] == [("cut", "fault", TARGET)]
    assert [name for name, _, _ in cut["phases"]] == ["baseline", "onset", "fault", "heal", "recovery"]
    (objective,) = cut["objectives"]
    (folder,) = (brownout.work / "runs").iterdir()
    judged = json.loads((folder / "result.json").read_text())["slos"][0]
    assert (objective["name"], objective["target"]) == (judged["name"], judged["target"])
    assert objective["total"] <= judged["total"]
    assert not {"faults.json", "board.json", "load-plan.json"} & {path.name for path in folder.iterdir()}
