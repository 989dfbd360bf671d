"""Docker's own command line, as a user has it: tests look at the engine, and make what is not ours, through it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

KINDS = (("ps", "--all", "--format", "{{.Names}}"), ("network", "ls", "--format", "{{.Name}}"), ("volume", "ls", "--quiet"))


def docker(*arguments: str) -> str:
    """What the command printed; a failure is the test's."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def labelled(label: str) -> list[str]:
    """Every container, network and volume that carries a label, by name."""
    return [name for kind in KINDS for name in docker(*kind, "--filter", f"label={label}").splitlines()]


def eventually(holds: Callable[[], object], within_s: float, *, what: str) -> None:
    """Returns once `holds`; fails the test when it does not in time."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.05)
