"""The installed command as a user runs it: real processes, a state folder and a working folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from brownout.harness.cli import main
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.world import ProbeResult
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.toxiproxy.install import toxiproxy_server

TIMEOUT_S = 120.0  # on a machine with much else to do
PROGRAM = Path(sys.executable).parent / "brownout"
FAULT_LINK = "client->sydney.host"

# One link is cut for five of eleven emulated seconds. The load is thin and the clock real, so that a run takes seconds.
SMALL: Mapping[str, Any] = {
    "schema": "brownout/experiment/v1",
    "name": "small",
    "title": "A link is cut",
    "timeline": {
        "date": "2024-07-12",
        "warm_up": "00:01:00",
        "baseline": "00:01:00",
        "fault": "00:01:02",
        "recovery": "00:01:07",
        "end": "00:01:10",
        "edge": "1s",
    },
    "posture": "plain",
    "postures": {
        "plain": {"description": "one link is cut", "expect": "breach"},
        "deadline-free": {"description": "the same under another name", "expect": "breach"},
    },
    "schedule": [
        {
            "name": "cut",
            "at": "00:01:02",
            "until": "00:01:07",
            "role": "fault",
            "fault": "link-refuse",
            "with": {"link": FAULT_LINK},
        }
    ],
    "load": {"cohorts": [{"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 40, "machines": ["web"]}]},
    "slos": [
        {
            "name": "tokens",
            "indicator": {"ratioMetric": {"total": {"cohorts": ["callers"]}}},
            "objectives": [{"target": 0.9}],
        }
    ],
}


def small(folder: Path, *, name: str = "small", **changes: Any) -> Path:
    """A file with the small experiment; `changes` replace its parts, mappings being merged one level deep."""
    merged = {
        key: {**SMALL[key], **value} if isinstance(SMALL.get(key), dict) and isinstance(value, dict) else value
        for key, value in changes.items()
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**SMALL, "name": name, **merged}, sort_keys=False), encoding="utf-8")
    return path


def invoke(*arguments: str) -> Result:
    """The command inside this process; whatever it raised is a failure of the test."""
    told = CliRunner().invoke(main, arguments)
    assert told.exception is None or isinstance(told.exception, SystemExit), told.output
    return told


@dataclass(frozen=True, slots=True)
class Brownout:
    """`brownout` with its state in `home` and its runs in `work`."""

    home: Path
    work: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    begun: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "BROWNOUT_"))}
        return {**kept, "BROWNOUT_HOME": str(self.home), **self.environment, **extra}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs to the end; raises TimeoutExpired."""
        command = [str(PROGRAM), *arguments]
        return subprocess.run(
            command,
            cwd=self.work,
            env=self.variables(variables),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def here(self, *arguments: str) -> Result:
        """The same inside this process, for a command that only looks; most of a short one's time is its start."""
        with chdir(self.work):
            return CliRunner(env={"BROWNOUT_HOME": str(self.home), **self.environment}).invoke(main, arguments)

    def start(self, *arguments: str, **variables: str) -> Started:
        """Starts it in a session of its own, as from a terminal."""
        out, err = self.work / "stdout", self.work / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [str(PROGRAM), *arguments],
                cwd=self.work,
                env=self.variables(variables),
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self.begun.append(process)
        return Started(process, out, err)

    def processes(self) -> dict[int, str]:
        """Every living process that was started with this state folder in its environment: pid and command line."""
        wanted, found = f"BROWNOUT_HOME={self.home}".encode(), {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables = (process / "environ").read_bytes().split(b"\0")
                command = (process / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if wanted in variables and command:  # one that has ended and was not reaped yet has no command line
                found[int(process.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def stacks(self) -> tuple[StackRecord, ...]:
        """The stacks that the ledger believes to be up."""
        with Ledger(self.home / "ledger.sqlite") as ledger:
            return ledger.stacks()

    def open_faults(self) -> list[str]:
        with Ledger(self.home / "ledger.sqlite") as ledger:
            return [fault.id for stack in ledger.stacks() for fault in ledger.open_faults(stack.id)]

    def world(self) -> ProcessesWorld:
        """The only stack that is up, as another process sees it."""
        (stack,) = self.stacks()
        return ProcessesWorld.attach(stack.folder)

    def kill_everything(self) -> None:
        """For the end of a test, whatever it came to."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.begun:
            process.wait(10)


@dataclass(frozen=True, slots=True)
class Started:
    """A command under way; what it prints goes to files."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def progress(self) -> str:
        return self.err.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, within_s: float = TIMEOUT_S) -> None:
        """Returns once the command has printed `text` as progress."""
        eventually(lambda: text in self.progress() or self.process.poll() is not None, within_s, what=f"{text!r}")
        assert text in self.progress(), f"ended without {text!r}:\n{self.progress()}"

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def end(self, within_s: float = TIMEOUT_S) -> int:
        return self.process.wait(within_s)


def eventually(holds: Callable[[], bool], within_s: float, *, what: str) -> None:
    """Returns once `holds`; fails the test when it does not in time."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)


async def probe_all(world: ProcessesWorld) -> dict[str, ProbeResult]:
    """A look at every link of the stack."""
    return {str(link): await world.probe(str(link), timeout_ms=2000) for link in world.spec.links()}


def make_brownout(folder: Path) -> Brownout:
    """The real Toxiproxy is first on PATH, so that a state folder of its own does not lead to a build of its own."""
    programs, work = folder / "bin", folder / "work"
    programs.mkdir()
    work.mkdir()
    (programs / "toxiproxy-server").symlink_to(toxiproxy_server(say=lambda _: None))
    return Brownout(folder / "home", work, {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"})
