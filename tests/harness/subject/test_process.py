"""An application's process: awaited, looked at, and ended with all that it started, whatever it does and whoever is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.base.processes import await_true
from brownout.harness.base.users.marked import end_marked, marked
from brownout.harness.errors import WorldError
from brownout.harness.subject.keeper import KeeperOrder
from brownout.harness.subject.process import SubjectProcess

PATIENCE_S = 30.0
SERVES = """
import http.server, os
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(os.environ.get("STATUS", "200"))); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVES
GRANDCHILD = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
)


def subject(tmp_path: Path, program: str, *, stop_within_s: float = 10.0, **env: str) -> SubjectProcess:
    port = ephemeral_port()
    order = KeeperOrder(
        command=(sys.executable, "-u", "-c", program),
        folder=str(tmp_path),
        environment={**os.environ, "PORT": str(port), **env},
        stop_within_s=stop_within_s,
        record=str(tmp_path),
    )
    return SubjectProcess(order, f"http://127.0.0.1:{port}/healthz", tmp_path)


def test_it_is_ready_and_ends_when_asked(tmp_path: Path) -> None:
    """SIGTERM ends it, and nothing that it started is left."""

    async def life() -> None:
        process = subject(tmp_path, GRANDCHILD + SERVES)
        process.start()
        await process.await_ready(PATIENCE_S)
        assert len(marked(tmp_path)) == 2
        await process.stop()
        await process.stop()
        assert (process.over["how"], process.over["code"], process.over["left"]) == ("SIGTERM", -signal.SIGTERM, 1)
        assert process.ended is None

    asyncio.run(life())
    assert marked(tmp_path) == ()


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """After its patience, and not before."""

    async def life() -> None:
        process = subject(tmp_path, STUBBORN, stop_within_s=0.3)
        process.start()
        await process.await_ready(PATIENCE_S)
        await process.stop()
        assert (process.over["how"], process.over["code"]) == ("SIGKILL", -signal.SIGKILL)

    asyncio.run(life())
    assert marked(tmp_path) == ()


def test_one_that_ends_is_told_with_its_code_and_last_words(tmp_path: Path) -> None:
    """Before it was ready that is the error, with what it printed."""

    async def life() -> None:
        process = subject(tmp_path, "print('no database'); raise SystemExit(3)")
        process.start()
        try:
            with pytest.raises(WorldError, match="ended with code 3 before it was ready") as raised:
                await process.await_ready(PATIENCE_S)
            assert "no database" in raised.value.hint
        finally:
            await process.stop()
        assert process.ended is not None
        assert process.ended.code == 3

    asyncio.run(life())


def test_one_that_never_gets_ready_is_an_error_that_says_what_was_seen(tmp_path: Path) -> None:
    """The last answer, and the end of its output."""

    async def life() -> None:
        process = subject(tmp_path, "print('warming up')\n" + SERVES, STATUS="503")
        process.start()
        try:
            with pytest.raises(WorldError, match="not ready within 8 s: its last answer had status 503") as raised:
                await process.await_ready(8.0)
            assert "warming up" in raised.value.hint
        finally:
            await process.stop()

    asyncio.run(life())


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The name of the program and the reason."""

    async def life() -> None:
        order = KeeperOrder(("./not-there",), str(tmp_path), dict(os.environ), 1.0, str(tmp_path))
        process = SubjectProcess(order, "http://127.0.0.1:1/", tmp_path)
        process.start()
        try:
            with pytest.raises(WorldError, match=r"could not be started: \./not-there: No such file"):
                await process.await_ready(PATIENCE_S)
        finally:
            await process.stop()

    asyncio.run(life())


def test_somebody_else_s_port_is_not_taken_for_the_subject_s(tmp_path: Path) -> None:
    """What answers there has to be the subject itself."""

    async def life() -> None:
        process = subject(tmp_path, "import time; time.sleep(600)")
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVES, env=dict(process._order.environment))
        process.start()
        try:
            with pytest.raises(WorldError, match="it is not the subject that listens there"):
                await process.await_ready(PATIENCE_S)
        finally:
            other.kill()
            await other.wait()
            await process.stop()

    asyncio.run(life())


RUNNER = """
import asyncio, sys
from pathlib import Path
from brownout.harness.subject.keeper import KeeperOrder
from brownout.harness.subject.process import SubjectProcess
import json, os
order = KeeperOrder.from_line(sys.argv[1].encode())
async def life():
    process = SubjectProcess(order, sys.argv[2], Path(sys.argv[3]))
    process.start()
    await process.await_ready(30)
    print(process._keeper.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(life())
"""


def started_by_another(tmp_path: Path, program: str) -> tuple[subprocess.Popen[str], int]:
    """A process that has a subject, and the pid of the keeper between both."""
    mine = subject(tmp_path, program, stop_within_s=0.5)
    words = [sys.executable, "-c", RUNNER, mine._order.to_line().decode(), mine._ready, str(tmp_path)]
    runner = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert runner.stdout is not None
    return runner, int(runner.stdout.readline())


def test_no_subject_outlives_a_runner_that_was_killed(tmp_path: Path) -> None:
    """Not one that ignores SIGTERM and has started a process in a session of its own."""
    runner, _ = started_by_another(tmp_path, GRANDCHILD + STUBBORN)
    assert len(marked(tmp_path)) == 2
    runner.kill()
    runner.communicate()
    assert await_true(lambda: not marked(tmp_path), PATIENCE_S)


def test_what_outlives_runner_and_keeper_is_found_by_its_environment(tmp_path: Path) -> None:
    """The kernel kills the subject with its keeper; the guardian ends the rest, as it does here."""
    runner, keeper = started_by_another(tmp_path, GRANDCHILD + SERVES)
    for pid in (runner.pid, keeper):
        os.kill(pid, signal.SIGKILL)
    runner.communicate()
    assert await_true(lambda: len(marked(tmp_path)) == 1, PATIENCE_S)
    assert end_marked(tmp_path) == 1
    assert marked(tmp_path) == ()
