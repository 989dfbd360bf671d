"""The command `brownout`. Progress goes to stderr, results to stdout; exit codes are in docs/reading-a-verdict.md.

Commands import what they need inside their functions, so that `brownout --help` is fast.
"""

from brownout.harness.cli import (
    files,
    gameday,
    halt,
    latent,
    load,
    machine,
    matrix,
    run,
    search,
    series,
    shell,
    stacks,
    status,
)  # each adds its commands to the group
from brownout.harness.cli.frame import main
from brownout.harness.cli.telemetry import metrics

__all__ = [
    "files",
    "gameday",
    "halt",
    "latent",
    "load",
    "machine",
    "main",
    "matrix",
    "metrics",
    "run",
    "search",
    "series",
    "shell",
    "stacks",
    "status",
]
