"""The library that moves the time of day of Java's client, tried on a program of Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from brownout.suites.clients.programs.others import SOURCES

AHEAD_S = 86_400
PROGRAM = f"""
import json, os, time

before = time.time(), time.monotonic()
with open(os.environ["CLOCK_FILE"], "r+b") as file:
    file.write(({AHEAD_S}).to_bytes(8, "{sys.byteorder}"))
print(json.dumps([time.time() - before[0], time.monotonic() - before[1]]))
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_the_time_of_day_moves_and_waits_do_not(tmp_path: Path) -> None:
    """By as much as stands in the file, from the moment on at which it does."""
    library, clock = tmp_path / "ahead.so", tmp_path / "clock"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(SOURCES / "java" / "ahead.c")], check=True)
    clock.write_bytes(bytes(8))
    environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(clock)}
    told = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    of_day_s, counted_s = json.loads(told.stdout)
    assert AHEAD_S <= of_day_s < 2 * AHEAD_S
    assert counted_s < AHEAD_S
