"""Azure's clients for Python, started: which client asks for a token when, and what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from brownout.suites.clients.programs.acquisition import Acquisition, ClientStory

KINDS = ("sync", "async", "dac", "msal")
PROGRAM = Path(__file__).with_name("python_client.py")


@dataclass(frozen=True, slots=True)
class ClientStep:
    """One acquisition: once the file `after` exists (if one is named), with the process's clock ahead by `shift_s`."""

    after: str = ""
    shift_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PythonCase:
    """A process of its own: a client of one of `KINDS`, made with `options`, in an environment of its own.

    It waits `pace` times less between its requests than it chooses, and tells what it chose.
    """

    name: str
    kind: str
    environment: Mapping[str, str]
    steps: tuple[ClientStep, ...] = (ClientStep(),)
    pace: float = 1.0
    options: Mapping[str, str] = field(default_factory=dict)


def start(
    cases: Sequence[PythonCase], folder: Path, environment: Mapping[str, str] | None = None, at_once: int | None = None
) -> subprocess.Popen[bytes]:
    """Starts all of them, or so many at a time; the process that is returned ends with the last. `folder` gets their files."""
    command = [sys.executable, str(PROGRAM), str(folder), str(at_once or len(cases))]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    assert started.stdin is not None
    started.stdin.write(json.dumps([asdict(case) for case in cases]).encode())
    started.stdin.close()
    return started


def done_file(folder: Path, name: str, step: int) -> Path:
    """The file that a case makes when it is through with a step."""
    return folder / f"{name}.{step}.done"


def story_file(folder: Path, name: str) -> Path:
    """The file that holds a case's story when it has ended, whole or not at all."""
    return folder / f"{name}.json"


def read_story(folder: Path, name: str) -> ClientStory:
    """What came of a case that has ended; raises FileNotFoundError for one that failed."""
    told = json.loads(story_file(folder, name).read_text(encoding="utf-8"))
    return ClientStory(told["version"], tuple(Acquisition(**each) for each in told["steps"]))
