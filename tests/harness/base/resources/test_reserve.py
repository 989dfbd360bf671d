"""Descriptors that are kept for the end."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from brownout.harness.base.resources.reserve import Reserve


def fill(taken: list[int]) -> None:
    """Opens files until there are none left."""
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))


def test_a_process_without_files_left_can_open_some_after_the_release() -> None:
    """Released twice, nothing else is closed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserve = Reserve()
    highest = max(map(int, os.listdir("/proc/self/fd")))  # noqa: PTH208  # names are all that is needed
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            fill(taken)
        reserve.release()
        reserve.release()
        taken += [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for handle in taken:
            os.close(handle)
        reserve.release()
