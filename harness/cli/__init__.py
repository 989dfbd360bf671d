"""The command `brownout`. Progress goes to stderr, results to stdout; exit codes are in docs/reading-a-verdict.md.

Modules of this package import what they need when a command runs, so that `brownout --help` is quick.
"""

from brownout.harness.cli import files, gameday, load, run, stacks, status  # each adds its commands to the group
from brownout.harness.cli.frame import main

__all__ = ["files", "gameday", "load", "main", "run", "stacks", "status"]
