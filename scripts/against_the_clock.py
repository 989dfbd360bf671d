"""Runs tests that go by the clock: `python scripts/against_the_clock.py PYTEST-ARGUMENTS`; the exit code is pytest's.

Such a test has seconds for what takes a fraction of one, and a virtual machine that its host takes off the processor for
longer fails it, whatever the code does. So a few that failed are run once more, one at a time, with nothing beside them. What
fails again fails the run. What does not is named, because it may as well be a race of ours, which a second try does not mend.
Many failures are no accident, so they are not tried again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

AT_MOST = 4  # of some 900 tests
FAILED = 1  # pytest's exit code when tests failed and nothing else went wrong


def tell(text: str) -> None:
    print(f"tests: {text}", flush=True)  # noqa: T201 - what is run again is told


def run_tests(arguments: list[str], cache: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", *arguments], check=False).returncode


def failed_tests(cache: str) -> list[str]:
    """The names of those that failed, as pytest keeps them for its option --last-failed."""
    return sorted(json.loads((Path(cache) / "v" / "cache" / "lastfailed").read_text()))


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="brownout-tests-") as cache:
        code = run_tests(arguments, cache)
        if code != FAILED:
            return code
        failed = failed_tests(cache)
        if len(failed) > AT_MOST:
            return code
        tell(f"{len(failed)} failed; run once more, each with the machine to itself")
        code = run_tests(failed, cache)
        if code == 0:
            tell(f"passed when run alone, so a race or a machine that stood still: {', '.join(failed)}")
        return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
