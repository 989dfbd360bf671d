"""Interrupts under an event loop: in order the first time, at once the second, and not at all where they are ignored."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from brownout.harness.base.interrupts import INTERRUPTED, SIGNALS, interruptible

TWICE = """
import asyncio, os, signal
from brownout.harness.base.interrupts import interruptible
async def main():
    with interruptible(
        asyncio.get_running_loop(),
        first=lambda: print("first", flush=True),
        farewell="left",
        again=lambda: print("again", flush=True),
    ):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0)
            await asyncio.sleep(0.01)
asyncio.run(main())
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_asks_for_an_end_in_order(number: signal.Signals) -> None:
    """Without a way to leave at once, every interrupt asks again, and the handlers from before are back afterwards."""

    async def interrupted() -> bool:
        asked = asyncio.Semaphore(0)
        handlers = {each: signal.getsignal(each) for each in SIGNALS}
        with interruptible(asyncio.get_running_loop(), first=asked.release):
            for _ in range(2):
                os.kill(os.getpid(), number)
                await asyncio.wait_for(asked.acquire(), 10)
        return {each: signal.getsignal(each) for each in SIGNALS} == handlers

    before = {each: signal.getsignal(each) for each in SIGNALS}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        assert asyncio.run(interrupted())
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_the_second_interrupt_leaves_at_once() -> None:
    """It says why, does what must be done, and exits with the code of an interrupted command."""
    ended = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == INTERRUPTED
    assert ended.stdout == "first\nagain\n"
    assert ended.stderr == "\nleft\n"


def test_an_ignored_signal_stays_ignored() -> None:
    """Under nohup a closed terminal ends nothing."""

    async def hung_up() -> bool:
        asked = asyncio.Event()
        with interruptible(asyncio.get_running_loop(), first=asked.set):
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
        return asked.is_set()

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not asyncio.run(hung_up())
    finally:
        signal.signal(signal.SIGHUP, before)
