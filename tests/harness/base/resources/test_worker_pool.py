"""Workers end with their owner, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brownout.harness.base.resources.worker_pool import Start, worker_pool

OWNER = """
import os, signal, sys
from brownout.harness.base.resources.worker_pool import Start, worker_pool
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
if __name__ == "__main__":
    with worker_pool(2, start=sys.argv[1]) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), int(sys.argv[2]))
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_workers_end_with_their_owner(tmp_path: Path, start: str, number: int, code: int) -> None:
    """No process is left that waits for work for ever."""
    program = tmp_path / "owner.py"
    program.write_text(OWNER)
    command = [sys.executable, str(program), start, str(int(number))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == code, ended.stderr
    worker = Path("/proc") / ended.stdout.strip()
    ends_s = time.monotonic() + 60
    while worker.exists() and time.monotonic() < ends_s:
        time.sleep(0.05)
    assert not worker.exists()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_what_waits_is_dropped_and_a_worker_has_no_handler_of_its_owner(start: Start) -> None:
    """A block that is left leaves what is not begun undone."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with worker_pool(1, start=start) as pool:
            assert pool.submit(signal.getsignal, signal.SIGTERM).result() == signal.SIG_DFL
            assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
            waiting = [pool.submit(time.sleep, 0.05) for _ in range(200)]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert waiting[-1].cancelled()
