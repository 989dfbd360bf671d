"""Docker Compose's command line, through which stacks come up: it is what users of containers know.

Variables of the user's shell that would change a stack (COMPOSE_FILE, BROWNOUT_TAG_...) are not passed on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.base import hints
from brownout.harness.errors import WorldError

OLDEST = (2, 20)
TIMEOUT_S = 180.0
PORT_TAKEN = "a port of the stack is taken"
_GUARD = Path(__file__).with_name("subprocess_guard.py")
_UPGRADE = "install Compose 2.20 or newer (the plugin `docker compose`, not docker-compose 1.x)"
_TROUBLE: tuple[tuple[str, str, str], ...] = (  # pattern in the output, what it means, what to do
    (
        r"port is already allocated|address already in use",
        PORT_TAKEN,
        "end the program that has it, or try again: other ports are chosen",
    ),
    (r"no space left on device", "the disk is full", "free disk space (`docker system df` lists what takes it)"),
    (
        r"no such image|pull access denied|manifest unknown|lookup .* no such host",
        "an image is missing",
        hints.images(),
    ),
    (
        r"cannot connect to the docker daemon|permission denied",
        "no Docker engine answers",
        "`brownout doctor` finds the reason",
    ),
    (
        r"non-overlapping IPv4 address pool|fully subnetted",
        "the engine has no addresses left for networks",
        "remove unused networks: `docker network prune`",
    ),
)


@dataclass(frozen=True, slots=True)
class Compose:
    """One compose project. `variables` fill in the compose file; `over` is a second file, which goes over the first.

    `project` "" is the one that the file or its folder names. Variables of the user's shell in `without` are not passed on.
    """

    project: str
    file: Path
    variables: Mapping[str, str]
    over: Path | None = None
    without: frozenset[str] = frozenset()

    def run(self, *arguments: str, within_s: float | None = None) -> str:
        """The output of one subcommand, which has TIMEOUT_S if not told otherwise.

        Raises WorldError with the end of its error output and a hint.
        """
        project = ["-p", self.project] if self.project else []
        files = [word for file in (self.file, self.over) if file is not None for word in ("-f", str(file))]
        command = ["docker", "compose", *project, *files, *arguments]
        passed = {name: value for name, value in _plain_environment().items() if name not in self.without}
        code, out, said = _run(command, {**passed, **self.variables}, within_s)
        if code != 0:
            raise _trouble(arguments[0], said)
        return out


def version() -> str:
    """The version of the plugin; raises WorldError when there is none or it is older than OLDEST.

    A plugin that was built from source may report `dev` instead of a version, and is accepted.
    """
    code, out, _ = _run(["docker", "compose", "version", "--short"], _plain_environment())
    said = out.strip()
    if code != 0 or not said:
        raise WorldError("Docker has no Compose plugin", hint=_UPGRADE)
    found = re.match(r"v?(\d+)\.(\d+)", said)
    if found is not None and tuple(map(int, found.groups())) < OLDEST:
        raise WorldError(f"Compose {said} is too old", hint=_UPGRADE)
    return said


def _run(command: Sequence[str], environment: Mapping[str, str], within_s: float | None = None) -> tuple[int, str, str]:
    """Exit code, output and error output of a command that ends when this process does; raises WorldError."""
    if shutil.which("docker") is None:
        raise WorldError("the command `docker` is not installed", hint="install Docker, or use --world processes")
    within_s = TIMEOUT_S if within_s is None else within_s
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as theirs, open(write_end, "wb") as ours:  # noqa: PTH123 - a pipe has no path
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), *command],
            env=dict(environment),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        theirs.close()
        try:
            out, said = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired as late:
            ours.close()
            process.communicate()
            raise WorldError(f"`{' '.join(command[:3])}` did not end in {within_s:g} s", hint="see `brownout doctor`") from late
    return process.returncode, out, said


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "BROWNOUT_"))}


def _trouble(subcommand: str, said: str) -> WorldError:
    """The error for a failed subcommand, with the last six lines of its output."""
    last = "\n".join(line for line in said.strip().splitlines()[-6:] if line.strip())
    for pattern, meaning, fix in _TROUBLE:
        if re.search(pattern, said, re.IGNORECASE):
            return WorldError(f"{meaning} (docker compose {subcommand}):\n{last}", hint=fix)
    return WorldError(f"docker compose {subcommand} failed:\n{last}", hint="`brownout doctor` looks for what may be wrong")
