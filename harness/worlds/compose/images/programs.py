"""Programs that a build of images runs: what each prints, and what to do when one fails or is missing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from brownout.harness.errors import WorldError

_LAST_LINES = 15
_HINTS = (  # pattern in a program's output, and what to do about it
    (r"no space left on device", "free disk space (`docker system df` lists what takes it)"),
    (
        r"cannot connect to the docker daemon|docker daemon running|permission denied.*docker",
        "start the engine, or join the group docker; `brownout doctor --world compose` looks at it",
    ),
    (
        r"could not resolve|temporary failure|name resolution|no such host|unreachable|connection refused|timed? ?out",
        "check the network and its proxy's settings, then run it again: what is done is kept; "
        "`brownout images --offline` needs no image registry",
    ),
)
_INSTALL = {
    "docker": "install Docker 20.10 or newer",
    "mmdebstrap": "`apt-get install mmdebstrap`, or `brownout images` where an image registry can be reached",
}


class ImageError(WorldError):
    """An image cannot be built."""


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> str:
    """Runs a program and returns what it printed; raises ImageError with its last lines."""
    try:
        done = subprocess.run(
            command, env={**os.environ, **(env or {})}, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError as missing:
        program = Path(command[0]).name
        raise ImageError(f"{program} is not installed", hint=_INSTALL.get(program, "install it")) from missing
    if done.returncode != 0:
        raise trouble(" ".join(map(str, command[:4])), done.stdout + done.stderr)
    return done.stdout


def trouble(command: str, said: str) -> ImageError:
    """The error for a command that failed: the last lines of its output, and what to do where that is known."""
    last = "\n".join(said.strip().splitlines()[-_LAST_LINES:])
    fix = next((hint for pattern, hint in _HINTS if re.search(pattern, said, re.IGNORECASE)), "")
    return ImageError(f"{command} failed:\n{last}", hint=fix)
