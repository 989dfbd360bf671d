"""Puts Docker Compose's plugin where the command line finds it, built with Go's client, unless there is one. For CI."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from brownout.harness.errors import BrownoutError
from brownout.harness.worlds.toxiproxy.install import go_command

VERSION = "v5.0.2"
MODULE = "github.com/docker/compose/v5"
PLUGIN = Path.home() / ".docker" / "cli-plugins" / "docker-compose"
TIMEOUT_S = 900


def is_there() -> bool:
    try:
        return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def build() -> None:
    """Builds it and moves it into place whole; raises BrownoutError."""
    with tempfile.TemporaryDirectory() as folder:
        go, environment = go_command(Path(folder), say, what=f"Docker Compose {VERSION}")
        command = [go, "install", f"-ldflags=-s -w -X {MODULE}/internal.Version={VERSION}", f"{MODULE}/cmd@{VERSION}"]
        variables = {**os.environ, "GOBIN": folder, "CGO_ENABLED": "0", **environment}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if done.returncode != 0:
            last = "\n".join(done.stderr.strip().splitlines()[-8:])
            raise BrownoutError(f"Docker Compose could not be built:\n{last}", hint="check the network, then run it again")
        PLUGIN.parent.mkdir(parents=True, exist_ok=True)
        draft = PLUGIN.with_name("docker-compose.new")
        draft.write_bytes((Path(folder) / "cmd").read_bytes())
        draft.chmod(0o755)
        draft.replace(PLUGIN)


def say(text: str) -> None:
    print(f"compose: {text}", flush=True)  # noqa: T201 - what is built is told


def main() -> int:
    if is_there():
        return 0
    try:
        build()
    except BrownoutError as failed:
        sys.stderr.write(f"compose: {failed}\n")
        return 1
    return 0 if is_there() else 1


if __name__ == "__main__":
    sys.exit(main())
