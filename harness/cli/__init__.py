"""The command `brownout`. Progress goes to stderr, results to stdout; exit codes are DESIGN section 8's and 130.

Modules of this package import what they need when a command runs, so that `brownout --help` is quick.
"""

from brownout.harness.cli.main import main

__all__ = ["main"]
