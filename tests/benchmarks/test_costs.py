"""What a process costs, as Linux tells it."""

from __future__ import annotations

import os
import time

import pytest

from benchmarks.costs import cpu_s


def test_a_process_has_its_own_processor_time() -> None:
    """It is what the process says of itself, between two looks at that."""
    before = time.process_time()
    found = cpu_s(os.getpid())
    assert before <= found <= time.process_time()


def test_no_process_has_no_processor_time() -> None:
    """A pid that no process has is an error and not a cost of 0."""
    with pytest.raises(OSError, match="Invalid argument"):
        cpu_s(2**22 + 1)  # the kernel gives no higher pid than 2**22
