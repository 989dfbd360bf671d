"""`brownout run` in the simulation: exit codes, one JSON object, nothing started when told so, nothing ever overwritten."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from brownout.harness.experiment import plugins
from brownout.harness.record.result import EXIT_CODES
from brownout.harness.worlds import catalog
from support.brownout_command import PROGRAM, TIMEOUT_S, Brownout, eventually, invoke, small

THIN = {"cohorts": [{"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 3, "machines": ["web"]}]}
NOT_STEADY = {"steady_state": False}
LOST_ZONE = {"region": "sydney", "zone": "z1"}
HARMLESS = {"name": "cut", "at": "00:01:02", "until": "00:01:07", "role": "fault", "fault": "zone-kill", "with": LOST_ZONE}
EXPECTS_PASS = {"plain": {"description": "a zone is lost", "expect": "pass"}}


@pytest.fixture(autouse=True)
def plain_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands inside this process write a page without charts, which take ten times as long as such a run."""
    monkeypatch.setattr("brownout.reports.html.page.page", lambda *_: "<!doctype html>")


def run(path: Path, *arguments: str) -> Result:
    return invoke("run", str(path), "--world", "simulation", *arguments)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# exit codes


def verdict_file(work: Path, verdict: str) -> Path:
    """A small experiment that comes to this verdict."""
    if verdict == "pass":
        return small(work, name="passes", schedule=[HARMLESS], postures=EXPECTS_PASS)
    if verdict == "inconclusive":
        return small(work, name="thin", schedule=[], load=THIN, gates=NOT_STEADY)
    return small(work, name="breaches")


@pytest.mark.parametrize(
    ("verdict", "expect", "code"),
    [
        ("pass", "", 0),
        ("pass", "pass", 0),
        ("pass", "breach", 1),
        ("pass", "inconclusive", 1),
        ("breach", "", 1),
        ("breach", "breach", 0),
        ("breach", "pass", 1),
        ("inconclusive", "", 3),
        ("inconclusive", "inconclusive", 0),
        ("inconclusive", "pass", 3),
        ("inconclusive", "breach", 3),
    ],
)
def test_exit_codes_with_and_without_an_expectation(work: Path, verdict: str, expect: str, code: int) -> None:
    """0 for the expected verdict, 1 when pass or breach came out instead, the verdict's own code otherwise."""
    told = run(verdict_file(work, verdict), "--json", *(("--expect", expect) if expect else ()))
    result = json.loads(told.stdout)
    assert (result["verdict"], result["exit_code"], told.exit_code) == (verdict, code, code)
    assert result["expected"] == expect


def test_a_pass_that_the_posture_does_not_expect_is_said_and_is_not_success(work: Path) -> None:
    """Without `--expect` the posture's word counts: the verdict stands, and the command does not end with 0."""
    told = run(small(work, name="passes", schedule=[HARMLESS]))
    assert told.exit_code == 1
    assert "Pass (posture plain was expected to give breach)" in told.stdout


def test_a_crash_of_ours_is_a_harness_error_and_never_a_breach(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python ends with 1 after a traceback, which is a breach's code; the command ends with 4, and its folder says why."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("brownout.harness.run.conductor.primed_tokens", broken)
    told = run(small(work))
    assert told.exit_code == 4
    assert "RuntimeError: a bug" in told.stderr
    result = json.loads((work / "runs" / "small-simulation-plain-1" / "result.json").read_text())
    assert (result["verdict"], result["exit_code"]) == ("harness-error", 4)
    assert any("a bug" in reason for reason in result["reasons"])


# bad usage: nothing is started


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "smal"), "there is no experiment 'smal'"),
        (("run", "small.yaml", "--posture", "plan"), "did you mean 'plain'?"),
        (("run", "small.yaml", "--world", "moon"), "'moon' is not one of"),
        (("run", "small.yaml", "--seed", "-1"), "Invalid value for '--seed'"),
        (("run", "small.yaml", "--seed", "one"), "Invalid value for '--seed'"),
        (("run", "small.yaml", "--expect", "success"), "'success' is not one of"),
        (("run", "missing.yaml"), "missing.yaml"),
        (("run", "."), "is a folder"),
        (("run", "small.yaml", "--world", "simulation", "--dashboard"), "--world processes"),
        (("run",), "Missing argument"),
        (("run", "machines.yaml", "--world", "simulation"), "no machine 'wbe'"),
        (("run", "settings.yaml", "--world", "simulation"), "publish_intervall_s"),
        (("run", "small.yaml", "--world", "simulation", "--out", "small.yaml"), "is a file"),
        (("run", "small.yaml", "--world", "simulation", "--out", "small.yaml/runs"), "cannot be made"),
        (("run", "small.yaml", "--world", "simulation", "--out", "/proc/runs"), "cannot be made"),
    ],
)
def test_bad_usage_is_told_and_starts_nothing(work: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, words that help, nothing on stdout, no run folder."""
    small(work)
    cohort = {"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 40, "machines": ["wbe"]}
    small(work, name="machines", load={"cohorts": [cohort]})
    small(work, name="settings", settings={"publish_intervall_s": 3})
    told = invoke(*arguments)
    assert told.exit_code == 2
    assert words in told.stderr
    assert told.stdout == ""
    assert files(work) == {"small.yaml", "machines.yaml", "settings.yaml"}


def test_a_fault_that_the_world_cannot_do_is_refused_with_the_worlds_that_can(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ability that only another world has ends the command before anything starts, naming that world."""
    link_refuse = plugins.faults()["link-refuse"]

    class Demanding(link_refuse):  # type: ignore[misc,valid-type]
        """A link fault that wants what the simulation has not."""

        kind = "demanding"
        needs = frozenset({"link:refuse", "teleport"})

    monkeypatch.setattr(plugins, "faults", lambda: {"demanding": Demanding})
    able = catalog.WorldKind("processes", catalog.WORLDS["processes"].abilities | {"teleport"})
    monkeypatch.setattr(catalog, "WORLDS", {"simulation": catalog.WORLDS["simulation"], "processes": able})
    step = {"name": "cut", "at": "00:01:02", "role": "fault", "fault": "demanding", "with": {"link": "client->sydney.host"}}
    path = small(work, schedule=[step])
    told = run(path)
    assert told.exit_code == 2
    assert "fault demanding needs teleport, which world simulation lacks" in told.stderr
    assert "worlds that have it: processes" in told.stderr
    assert files(work) == {"small.yaml"}
    monkeypatch.setattr(catalog, "WORLDS", {"simulation": catalog.WORLDS["simulation"]})
    assert "worlds that have it: no world" in run(path).stderr


@pytest.mark.parametrize("world", ["simulation", "processes"])
@pytest.mark.parametrize(
    ("fault", "with_"), [("link-blackhole", {"link": "client->sydney.host"}), ("node-wipe", {"node": "sydney.store"})]
)
def test_what_only_containers_can_do_is_refused_elsewhere(work: Path, world: str, fault: str, with_: dict[str, str]) -> None:
    """A schedule with such a fault is refused before anything starts, and the refusal names the world that can."""
    path = small(work, schedule=[{"name": "cut", "at": "00:01:02", "role": "fault", "fault": fault, "with": with_}])
    told = invoke("run", str(path), "--world", world)
    assert told.exit_code == 2
    assert f"fault {fault} needs" in told.stderr
    assert f"which world {world} lacks" in told.stderr
    assert "worlds that have it: compose" in told.stderr
    assert files(work) == {"small.yaml"}


@pytest.mark.parametrize("world", ["simulation", "processes"])
def test_a_dry_run_shows_the_timeline_and_starts_nothing(work: Path, world: str) -> None:
    """The moments and the load are printed; there is no run folder and no state folder."""
    told = invoke("run", str(small(work)), "--world", world, "--dry-run")
    assert told.exit_code == 0
    assert "00:01:02  apply cut [fault]: links client->sydney.host refuse connections" in told.stdout
    assert "callers: 40 per emulated second" in told.stdout
    assert files(work) == {"small.yaml"}
    assert not (work.parent / "home").exists()


def test_a_dry_run_tells_every_refusal(work: Path) -> None:
    """A halt, a timeline that is too long and a port that is taken are told together, and the code is the run's own."""
    path, home = small(work), work.parent / "home"
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ("--world", "processes", "--longest", "1s", "--dashboard", "--dashboard-port", port)
        assert invoke("halt", "--reason", "maintenance").exit_code == 0
        told = invoke("run", str(path), *options, "--dry-run")
        begun = invoke("run", str(path), *options)
    assert told.exit_code == begun.exit_code == 2
    assert "apply cut [fault]" in told.stdout
    for refusal in ("minutes of real time", "maintenance", f"port {port}"):
        assert refusal in told.stderr
    assert files(work) == {"small.yaml"}
    assert invoke("halt", "--lift").exit_code == 0
    assert invoke("run", str(path), "--world", "processes", "--dry-run").exit_code == 0


# the result


def test_the_result_has_every_field_that_scripts_read(work: Path) -> None:
    """`result.json` and the printed object are equal, of the published schema, and complete."""
    result = json.loads(run(small(work), "--seed", "7", "--json").stdout)
    folder = work / "runs" / "small-simulation-plain-7"
    assert json.loads((folder / "result.json").read_text()) == result
    assert result["schema"] == "brownout/result/v1"
    told = {name: result[name] for name in ("experiment", "world", "posture", "seed", "clock_rate", "verdict", "exit_code")}
    assert told == {
        "experiment": "small",
        "world": "simulation",
        "posture": "plain",
        "seed": 7,
        "clock_rate": 1.0,
        "verdict": "breach",
        "exit_code": EXIT_CODES["breach"],
    }
    assert {"brownout", "python"} <= set(result["versions"])
    assert [slo["name"] for slo in result["slos"]] == ["tokens"]
    assert {"name", "passed", "reason"} <= set(result["gates"][0])
    assert [phase["name"] for phase in result["phases"]] == ["baseline", "onset", "fault", "heal", "recovery"]
    assert {"detect", "mitigate", "recover"} <= set(result["times"])
    assert len(result["digest"]) == 32
    assert {"run.json", "events.jsonl", "requests.jsonl", "result.json", "report.html"} <= files(folder)


def test_claims_have_what_was_published_and_what_was_measured() -> None:
    """Each claim of the bundled experiment's result has an id, both figures, an interval and one of four statuses."""
    from brownout.harness.record.result import ClaimResult

    fields = ClaimResult.model_json_schema()["properties"]
    assert {"id", "published", "measured", "interval", "status"} <= set(fields)
    assert set(fields["status"]["enum"]) == {"holds", "differs", "not-decided", "calibrated", "not-testable"}


def test_one_seed_gives_one_digest_and_another_seed_another(work: Path) -> None:
    """The digest names the history: equal for equal seeds, different for different ones."""
    path = small(work)
    digests = [json.loads(run(path, "--seed", seed, "--json").stdout)["digest"] for seed in ("3", "3", "4")]
    assert digests[0] == digests[1] != digests[2]


def test_a_run_folder_is_never_overwritten(work: Path) -> None:
    """The second run of the same name has a folder of its own, and the first is byte for byte what it was."""
    path = small(work)
    run(path)
    first = work / "runs" / "small-simulation-plain-1"
    before = {file.name: file.read_bytes() for file in first.iterdir()}
    run(path)
    assert files(work / "runs") == {"small-simulation-plain-1", "small-simulation-plain-1-2"}
    assert {file.name: file.read_bytes() for file in first.iterdir()} == before


# as a process


def environment(work: Path) -> dict[str, str]:
    return {**os.environ, "BROWNOUT_HOME": str(work.parent / "home")}


def test_json_is_all_of_stdout_and_progress_goes_to_stderr(work: Path) -> None:
    """In a process of its own: stdout parses as one object on one line."""
    command = [str(PROGRAM), "run", str(small(work)), "--world", "simulation", "--json"]
    told = subprocess.run(command, env=environment(work), capture_output=True, timeout=TIMEOUT_S, check=False)
    assert told.returncode == 1
    assert json.loads(told.stdout)["verdict"] == "breach"
    assert told.stdout.count(b"\n") == 1


def test_without_json_the_verdict_is_told_with_the_reports_path(work: Path) -> None:
    """The summary ends with the path of the page, which is there."""
    told = run(small(work))
    assert told.exit_code == 1
    assert "Breach" in told.stdout
    page = told.stdout.strip().splitlines()[-1].removeprefix("Report: ")
    assert (work / page).exists()


@pytest.mark.parametrize("arguments", [("--json",), ()])
def test_the_verdict_stands_when_nobody_reads_it(work: Path, arguments: tuple[str, ...]) -> None:
    """A closed output pipe (`brownout run ... | head`) changes neither the exit code nor the run folder."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [str(PROGRAM), "run", str(small(work)), "--world", "simulation", *arguments]
    told = subprocess.run(command, env=environment(work), stdout=writer, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
    os.close(writer)
    assert (told.returncode, told.stderr) == (1, b"")
    assert "report.html" in files(work / "runs" / "small-simulation-plain-1")


def pool_workers(pid: int) -> list[str]:
    """The children of a process."""
    return (Path("/proc") / str(pid) / "task" / str(pid) / "children").read_text().split()


def controlled(work: Path) -> Path:
    """An experiment that simulates for long, with controls beside it."""
    cohorts = [{"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 400, "machines": ["web"]}]
    changes: dict[str, Any] = {
        "timeline": {"end": "03:00:00"},
        "controls": {"again": {"posture": "plain"}, "once-more": {"posture": "plain"}},
    }
    return small(work, load={"cohorts": cohorts}, gates=NOT_STEADY, **changes)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_simulation_ends_and_its_controls_with_it(
    tmp_path: Path, request: pytest.FixtureRequest, number: signal.Signals, code: int
) -> None:
    """Ctrl-C to the whole group or a kill: the controls' processes end too, and what was recorded makes a report."""
    command = Brownout(tmp_path / "home", tmp_path)
    request.addfinalizer(command.kill_everything)
    started = command.start("run", str(controlled(tmp_path)), "--world", "simulation")
    pid = started.process.pid
    eventually(lambda: pool_workers(pid), TIMEOUT_S, what="the controls are under way")  # how many depends on the cores
    if number is signal.SIGINT:
        os.killpg(pid, number)
    else:
        started.interrupt(number)
    assert started.end() == code
    eventually(lambda: command.processes() == {}, 10, what="no process is left")
    assert "Traceback" not in started.progress()
    told = command.run("report", "runs/small-simulation-plain-1", "--json")
    result = json.loads(told.stdout)
    assert (result["verdict"], result["finished"]) == ("inconclusive", False)
