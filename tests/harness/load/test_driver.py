"""The Locust process against real stub services: what it sends, what it records, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.errors import UsageError, WorldError
from brownout.harness.load import driver
from brownout.harness.load.arrivals import LoadPlan, arrivals
from brownout.harness.load.log_tail import LogTail
from brownout.harness.load.models.model import SignIn
from brownout.harness.record.history import RequestRecord

pytestmark = [pytest.mark.slow, pytest.mark.alone]

Stubs = Callable[[str], Any]
Plans = Callable[..., LoadPlan]

# What each kind of service makes of every arrival; `nobody` listens on no port.
ENDINGS: Mapping[str, tuple[str, int, str]] = {
    "ok": ("happened", 200, ""),
    "delay:0.3": ("happened", 200, ""),
    "status:503": ("refused", 503, "Stubborn"),
    "nobody": ("refused", 0, "refused"),
    "close": ("unknown", 0, "reset"),
    "reset": ("unknown", 0, "reset"),
    "cut": ("unknown", 0, "reset"),
    "silent": ("unknown", 0, "timeout"),
}


def fetch(url: str, method: str = "GET") -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5) as answer:
        return json.load(answer)


def wait_for(happened: Callable[[], bool], *, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.05)


def records_of(folder: Path) -> list[RequestRecord]:
    return sorted(LogTail(folder).read(), key=lambda record: (record.intended_s, record.id))


@asynccontextmanager
async def driving(plan: LoadPlan, folder: Path, **options: Any) -> AsyncIterator[driver.DrivenLoad]:
    """A load that is stopped whatever happens in the test."""
    load = await driver.start(plan, folder, **options)
    try:
        yield load
    finally:
        await load.stop()


@asynccontextmanager
async def driving_in_time(
    plan_with_lead: Callable[[float], LoadPlan], new_folder: Callable[[], Path]
) -> AsyncIterator[tuple[LoadPlan, driver.DrivenLoad, Path]]:
    """A load with a dashboard that was ready before its plan began, however long Locust took to start."""
    for lead_s in (4.0, 8.0, 16.0):
        plan, folder = plan_with_lead(lead_s), new_folder()
        async with driving(plan, folder, dashboard_port=ephemeral_port()) as load:
            if time.monotonic() < plan.clock["monotonic_s"] + lead_s:
                yield plan, load, folder
                return
    pytest.fail("Locust took more than 16 s to start")


def emulated_s(plan: LoadPlan) -> float:
    return time.monotonic() - plan.clock["monotonic_s"] + plan.clock["epoch_s"]


async def sleep_until(plan: LoadPlan, due_s: float) -> None:
    await asyncio.sleep(max(0.0, due_s - emulated_s(plan)))


def ended(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@dataclass(frozen=True)
class Ran:
    """A load that was stopped in mid-plan, with everything that was seen of it."""

    plan: LoadPlan
    records: list[RequestRecord]
    gauges: Mapping[str, float]
    problems: tuple[str, ...]
    rows: Mapping[str, int]
    listening_on: set[str]
    served: Mapping[str, Mapping[str, int]]
    files: set[str]
    paused_s: tuple[float, float]


@pytest.fixture(scope="module")
def ran(stub: Stubs, plan_of: Plans, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One load with its dashboard against every kind of service at once, stopped while requests are under way.

    One of the services, `troubled`, is paused from 0.5 s to 1.5 s, as `paused_s` tells exactly, and killed at 2.3 s.
    """
    stubs = {mode: stub(mode) for mode in ENDINGS if mode != "nobody"}
    troubled = stub("ok")
    urls = {mode: one.url for mode, one in stubs.items()}
    urls |= {"nobody": f"http://127.0.0.1:{ephemeral_port()}", "troubled": troubled.url}
    rates = dict.fromkeys(ENDINGS, 20) | {"troubled": 200}

    async def run() -> Ran:
        async with driving_in_time(
            lambda lead_s: plan_of(urls, lead_s=lead_s, length_s=60.0, rates=rates),
            lambda: tmp_path_factory.mktemp("endings"),
        ) as (plan, load, folder):
            before = {mode: Counter(fetch(one.url + "/count")) for mode, one in stubs.items()}
            await sleep_until(plan, plan.start_s + 0.5)
            os.kill(troubled.process.pid, signal.SIGSTOP)
            paused_s = emulated_s(plan)
            await sleep_until(plan, plan.start_s + 1.5)
            resumed_s = emulated_s(plan)
            os.kill(troubled.process.pid, signal.SIGCONT)
            stats = await asyncio.to_thread(fetch, load.dashboard_url + "stats/requests")
            sockets = psutil.Process(load.pid).net_connections(kind="inet")
            await sleep_until(plan, plan.start_s + 2.3)
            troubled.process.kill()
            await sleep_until(plan, plan.start_s + 3.0)
        return Ran(
            plan=plan,
            records=records_of(folder),
            gauges=load.gauges(),
            problems=load.problems(),
            rows={row["name"]: row["num_requests"] for row in stats["stats"]},
            listening_on={one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN},
            served={mode: Counter(fetch(one.url + "/count")) - before[mode] for mode, one in stubs.items()},
            files={path.name for path in folder.iterdir()},
            paused_s=(paused_s, resumed_s),
        )

    return asyncio.run(run())


def test_every_arrival_that_fell_due_is_issued_and_recorded_once(ran: Ran) -> None:
    """A load that is stopped in mid-plan has one line for each arrival up to that moment, and none after it."""
    due = list(arrivals(ran.plan))[: len(ran.records)]
    assert sorted(record.id for record in ran.records) == sorted(arrival.id for arrival in due)
    assert len(ran.records) == ran.gauges["planned"] == ran.gauges["issued"] > 200
    assert ran.problems == ()


def test_intended_times_are_the_plans_to_the_microsecond(ran: Ran) -> None:
    """The request log repeats the plan's times, so that every worker and world is compared on one schedule."""
    planned = {arrival.id: arrival.at_s for arrival in arrivals(ran.plan)}
    assert all(abs(record.intended_s - planned[record.id]) < 1e-6 for record in ran.records)
    assert all(record.sent_s >= record.intended_s - 0.001 for record in ran.records)


@pytest.mark.parametrize("mode", ENDINGS)
def test_each_ending_is_told_apart(ran: Ran, mode: str) -> None:
    """Answers, refused connections, lost connections and time-outs each become the outcome that they are.

    A machine that stands still makes a few of any kind late, and late is what they are then.
    """
    found = Counter((r.outcome, r.status, r.error) for r in ran.records if r.region == mode)
    assert found[ENDINGS[mode]] >= 0.9 * found.total() > 0
    assert set(found) <= {ENDINGS[mode], ENDINGS["silent"]}


def test_latency_counts_from_the_intended_send_and_ends_at_the_deadline(ran: Ran) -> None:
    """A slow answer takes its delay and more; a service that never answers costs the deadline and hardly more."""
    slow = [record.latency_ms for record in ran.records if record.region == "delay:0.3"]
    silent = sorted(record.latency_ms for record in ran.records if record.region == "silent")
    assert min(slow) >= 300
    assert silent[0] >= ran.plan.deadline_ms - 1
    assert silent[len(silent) // 2] < ran.plan.deadline_ms + 100


def test_a_stalled_service_meets_the_whole_schedule(ran: Ran) -> None:
    """All that was intended while a service was paused is issued, and all but the last 300 ms of it is slower than 300 ms.

    A generator that waits for answers would have sent next to nothing in that second, and called the service fast.
    """
    first_s, last_s = ran.paused_s
    met = [record for record in ran.records if record.region == "troubled" and first_s < record.intended_s < last_s - 0.3]
    assert len(met) == pytest.approx(200 * (last_s - 0.3 - first_s), rel=0.3)
    assert min(record.latency_ms for record in met) > 300


def test_a_killed_service_does_not_stop_the_load(ran: Ran) -> None:
    """After the service is gone every arrival is still made, and refused."""
    after = [r for r in ran.records if r.region == "troubled" and r.intended_s > ran.plan.start_s + 2.5]
    assert len(after) > 50
    assert {record.outcome for record in after} == {"refused"}


def test_no_request_is_sent_twice(ran: Ran) -> None:
    """A service that drops every connection gets exactly one request per arrival: the load has no retries of its own."""
    for mode in ("close", "reset", "cut", "ok"):
        assert ran.served[mode]["requests"] == sum(record.region == mode for record in ran.records)


def test_connections_are_kept_alive(ran: Ran) -> None:
    """A service that answers sees few connections for many requests."""
    assert ran.served["ok"]["connections"] <= ran.served["ok"]["requests"] / 4


def test_trail_is_recorded(ran: Ran) -> None:
    """Who served a request is on its line."""
    assert {record.trail for record in ran.records if record.region == "ok"} == {"stub;1.0;k1;manual;fresh"}


def test_dashboard_shows_cohorts_as_rows_on_loopback_only(ran: Ran) -> None:
    """Locust's web UI has a row per cohort and operation, and nothing of it listens beyond this machine."""
    assert {f"{mode}-cohort/token" for mode in ENDINGS} < set(ran.rows)
    assert ran.rows["ok-cohort/token"] > 0
    assert ran.listening_on == {"127.0.0.1"}


def test_nothing_secret_stays_in_the_folder(ran: Ran) -> None:
    """The plan, which carries a user's token, is gone from the run folder."""
    assert ran.files == {"requests-0.jsonl", "load-0.jsonl", "locust.log"}


def test_late_arrivals_are_recorded_not_dropped(stub: Stubs, plan_of: Plans, tmp_path: Path) -> None:
    """What was due before the generator was ready is written down as late, is not sent, and counts as planned only."""
    service = stub("ok")
    plan = plan_of({"sydney": service.url}, lead_s=-3.0, length_s=4.5)

    async def run() -> driver.DrivenLoad:
        async with driving(plan, tmp_path) as load:
            await sleep_until(plan, plan.end_s + 0.1)
        return load

    load = asyncio.run(run())
    records = records_of(tmp_path)
    late = [record for record in records if record.error == "late"]
    assert [record.id for record in records] == [arrival.id for arrival in arrivals(plan)]
    assert {record.outcome for record in late} == {"unknown"}
    assert load.gauges()["late"] == len(late) > 100
    gauges, served = load.gauges(), fetch(service.url + "/count")["requests"]
    unanswered = sum(record.outcome == "unknown" for record in records) - len(late)  # a busy machine may miss deadlines
    assert gauges["issued"] == gauges["planned"] - len(late)
    assert gauges["issued"] - unanswered <= served <= gauges["issued"]
    assert load.gauges()["lag_p99_ms"] > 1000


def test_two_workers_issue_every_arrival_exactly_once(stub: Stubs, plan_of: Plans, tmp_path: Path) -> None:
    """Workers share a plan that their master hands out: together they send each arrival once, each with logs of its own."""
    service = stub("ok")
    plan = plan_of({"sydney": service.url, "melbourne": service.url}, length_s=1.0, rates={"sydney": 150}, deadline_ms=30_000)

    async def run() -> driver.DrivenLoad:
        async with driving(plan, tmp_path, workers=2) as load:
            await asyncio.to_thread(wait_for, lambda: len(records_of(tmp_path)) == 190, within_s=30)
        return load

    load = asyncio.run(run())
    assert load.problems() == ()
    assert load.gauges()["planned"] == load.gauges()["issued"] == 190
    assert [record.id for record in records_of(tmp_path)] == [arrival.id for arrival in arrivals(plan)]
    assert fetch(service.url + "/count")["requests"] == 190
    sizes = [len((tmp_path / f"requests-{index}.jsonl").read_text().splitlines()) for index in range(2)]
    assert sizes == [95, 95]


def test_no_secret_is_ever_in_the_run_folder(stub: Stubs, plan_of: Plans, tmp_path: Path) -> None:
    """Not even while the load starts: a run that is killed then leaves a folder that may be handed round."""
    service = stub("ok")
    plan = plan_of({"sydney": service.url}, length_s=0.5)
    signed = SignIn("a-secret-of-this-run", endpoint_keys={"arc": "a-secret-of-this-run too"})
    plan = plan.model_copy(update={"account": replace(plan.account, sign_in=signed)})
    seen: set[str] = set()

    def look() -> None:
        for path in tmp_path.iterdir():
            seen.add(path.name)
            assert b"a-secret-of-this-run" not in path.read_bytes(), path

    children = driver._spawn(plan, tmp_path, None, 1, None)
    look()
    asyncio.run(children[0].stop(()))

    async def run() -> None:
        async with driving(plan, tmp_path):
            look()

    asyncio.run(run())
    look()
    assert "load-plan.json" not in seen


def test_a_lost_worker_is_told_and_the_others_take_over(stub: Stubs, plan_of: Plans, tmp_path: Path) -> None:
    """When one of two workers is lost, no arrival is sent twice, unsent ones are reported, and the other completes the plan."""
    service = stub("ok")
    plan = plan_of({"sydney": service.url}, lead_s=6.0, length_s=12.0, rates={"sydney": 60}, deadline_ms=30_000)
    every = [arrival.id for arrival in arrivals(plan)]

    async def run() -> tuple[driver.DrivenLoad, float]:
        async with driving(plan, tmp_path, workers=2) as load:
            await asyncio.to_thread(wait_for, lambda: len(records_of(tmp_path)) > 120, within_s=60)
            lost_s = records_of(tmp_path)[-1].intended_s
            children = [one for one in psutil.Process().children() if not ended(one.pid)]
            os.kill(next(one.pid for one in children if "--worker" in one.cmdline()), signal.SIGKILL)
            await asyncio.to_thread(wait_for, lambda: every[-1] in {r.id for r in records_of(tmp_path)}, within_s=60)
        return load, lost_s

    load, lost_s = asyncio.run(run())
    sent = [record.id for record in records_of(tmp_path)]
    left_out = [arrival.at_s for arrival in arrivals(plan) if arrival.id not in set(sent)]
    assert len(sent) == len(set(sent))
    assert left_out
    assert min(left_out) > lost_s - 2.0
    assert max(left_out) < plan.end_s - 2.0
    told = "\n".join(load.problems())
    assert "killed by SIGKILL" in told
    assert "was not heard of for 3 s and counts as lost" in told
    assert "arrivals were the share of a worker that was lost, and were not sent" in told


def test_stopping_from_the_dashboard_and_dying_are_both_reported(
    stub: Stubs, plan_of: Plans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load that someone stops in the web UI, or that is killed, says so, and its plan goes on counting."""
    monkeypatch.setattr(driver, "_OVERDUE_S", 0.8)
    plan = plan_of({"sydney": stub("ok").url}, length_s=60.0)

    async def run() -> tuple[Any, ...]:
        async with driving(plan, tmp_path, dashboard_port=ephemeral_port()) as load:
            await asyncio.to_thread(wait_for, lambda: load.gauges()["issued"] > 20, within_s=10)
            await asyncio.to_thread(fetch, load.dashboard_url + "stop", "POST")
            running = load.gauges()
            await asyncio.sleep(1.7)
            paused, while_paused = load.problems(), load.gauges()
            os.kill(load.pid, signal.SIGKILL)
            await asyncio.sleep(1.2)
        return running, paused, while_paused, load.problems(), load.gauges()

    running, paused, while_paused, killed, at_end = asyncio.run(run())
    assert paused == ("the load was stopped from the dashboard for a while",)
    assert while_paused["late"] > running["late"]
    assert any("ended by itself (killed by SIGKILL)" in problem for problem in killed)
    assert at_end["planned"] > while_paused["planned"] > while_paused["issued"] == at_end["issued"]


def test_killing_the_runner_leaves_no_generator(stub: Stubs, plan_of: Plans, tmp_path: Path) -> None:
    """When the process that started the load is killed outright, the load dies with it."""
    plan = plan_of({"sydney": stub("ok").url}, length_s=60.0)
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    script = (
        "import asyncio, pathlib, sys\n"
        "from brownout.harness.load import driver\n"
        "from brownout.harness.load.arrivals import LoadPlan\n"
        "async def main():\n"
        "    plan = LoadPlan.model_validate_json(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "    load = await driver.start(plan, pathlib.Path(sys.argv[1]).with_name('load'))\n"
        "    print(load.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "plan.json")], stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        generator = int(runner.stdout.readline())
        alive_before = not ended(generator)
        runner.kill()
    assert alive_before
    wait_for(lambda: ended(generator), within_s=3.0)


def test_a_generator_that_does_not_start_gives_one_clear_message(
    plan_of: Plans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Locust that ends at start is reported with the end of its output, and leaves neither a process nor the plan."""
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no such luck')\n")
    monkeypatch.setattr(driver, "find_locustfile", lambda: broken)
    with pytest.raises(WorldError, match="did not start") as raised:
        asyncio.run(driver.start(plan_of({"sydney": "http://127.0.0.1:1"}, length_s=1), tmp_path / "run"))
    assert "no such luck" in raised.value.hint
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"locust.log"}


def test_a_taken_dashboard_port_is_refused_before_anything_starts(plan_of: Plans, tmp_path: Path) -> None:
    """The user hears which port is taken, and nothing was started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        plan = plan_of({"sydney": "http://127.0.0.1:1"}, length_s=1)
        with pytest.raises(UsageError, match=str(port)):
            asyncio.run(driver.start(plan, tmp_path, dashboard_port=port))
    assert list(tmp_path.iterdir()) == []


def test_the_locust_file_is_found_without_importing_it() -> None:
    """Finding the file through its entry point does not bring gevent into this process."""
    assert driver.find_locustfile().name == "locustfile.py"
    script = (
        "import sys; from brownout.harness.load import driver; from brownout.harness.load.canary import canaries;"
        "driver.find_locustfile();"
        "sys.exit(any(name in sys.modules for name in ('gevent', 'locust', 'azure.identity', 'boto3')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_locust_file_is_found_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the load's image there are no entry points, and the file is that of this distribution."""
    installed = driver.find_locustfile()
    monkeypatch.setattr(driver, "entry_points", lambda **_: ())
    assert driver.find_locustfile() == installed


@pytest.mark.parametrize("module", ["brownout.suites.load.not_there", "not_there_at_all.locustfile"])
def test_a_load_generator_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Where the module or its package is missing, the message says what to install."""
    monkeypatch.setattr(driver, "entry_points", lambda **_: ())
    monkeypatch.setattr(driver, "OWN_MODULE", module)
    with pytest.raises(WorldError, match="no load generator is installed") as raised:
        driver.find_locustfile()
    assert "load" in raised.value.hint
