"""A stack for a block and faults for a block within it: real processes, real clients, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from brownout.harness.base.processes import await_true
from brownout.harness.base.statedir import ledger_path
from brownout.harness.errors import LeftUnsafe, UsageError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.operate.stacks import stacks
from brownout.harness.testing import NotProven, Stack, stack
from brownout.identity.core.messages import Request

pytestmark = pytest.mark.slow
TOKEN = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net/"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the whole module, in a state folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWNOUT_HOME", str(tmp_path_factory.mktemp("home")))
        with stack() as made:
            yield made
        assert stacks() == ()


def status_of(made: Stack, machine: str) -> int:
    """What the machine's metadata endpoint answers to a request for a token; 0 without an answer."""
    asked = urllib.request.Request(made.machine(machine).imds_url + TOKEN, headers={"Metadata": "true"})
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def test_a_fault_is_there_in_its_block_and_nowhere_else(standing: Stack) -> None:
    """A client is served before and after the block, and refused in it."""
    assert status_of(standing, "web-1") == 200
    with standing.fault("link-refuse", link="client->sydney.host") as fault:
        assert "refuse" in fault.evidence
        assert fault.took_s < 5
        assert status_of(standing, "web-1") == 0
    assert status_of(standing, "web-1") == 200


def test_blocks_nest_and_end_in_any_case(standing: Stack) -> None:
    """An exception of the block comes out as it is, and both faults are reverted."""
    with (
        pytest.raises(ZeroDivisionError),
        standing.fault("link-refuse", link="client->sydney.host"),
        standing.fault("node-pause", target="melbourne.token.z1"),
    ):
        raise ZeroDivisionError
    assert status_of(standing, "web-1") == 200


def test_a_test_with_a_loop_of_its_own_uses_async_with(standing: Stack) -> None:
    """The loop goes on while the fault is applied and reverted."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    async def story() -> int:
        beside = asyncio.ensure_future(tick())
        async with standing.fault("link-refuse", link="client->sydney.host"):
            answered = await asyncio.to_thread(status_of, standing, "web-1")
        beside.cancel()
        return answered

    assert asyncio.run(story()) == 0
    assert ticks > 10
    assert status_of(standing, "web-1") == 200


def test_a_block_that_ends_beside_a_pause_is_undone_with_the_pause(standing: Stack) -> None:
    """Its own end is told as an undo that could not be made yet; the end of the pause makes up for it."""
    with ExitStack() as skewed:
        skewed.enter_context(standing.fault("clock-skew", target="sydney.store", by="20s"))
        with (
            standing.fault("node-pause", target="sydney.store"),
            pytest.raises(LeftUnsafe, match="tried again when node-pause"),
        ):
            skewed.close()
    with Ledger(ledger_path()) as ledger:
        assert ledger.open_faults(standing.id) == ()


def test_what_does_not_bite_proves_nothing(standing: Stack) -> None:
    """A fault on what is paused by another already looks the same before: the block does not begin, and nothing stays."""
    with (
        standing.fault("node-pause", target="sydney.token.z1"),
        pytest.raises(NotProven, match="node-pause"),
        standing.fault("node-pause", target="sydney.token.z1"),
    ):
        pytest.fail("the block began")
    assert status_of(standing, "web-1") == 200


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        ("node-pauze", None, "there is no fault"),
        ("node-pause", "sydney.nothing", "nothing"),
        ("node-pause", None, "needs a target"),
    ],
)
def test_a_wrong_fault_is_refused_before_anything(standing: Stack, kind: str, target: str | None, words: str) -> None:
    """A kind, a target or a parameter that there is not is a UsageError where the fault is named."""
    with pytest.raises(UsageError, match=words):
        standing.fault(kind, target=target)


def test_clients_get_their_variables(standing: Stack) -> None:
    """A machine's environment names its metadata endpoint, and the stack file is there for other programs."""
    assert standing.env("web-1")["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == standing.machine("web-1").imds_url
    assert standing.stack_file.is_file()
    assert set(standing.regions) == {"sydney", "melbourne"}


def test_urls_are_where_clients_are_served(standing: Stack) -> None:
    """Every URL of every region takes a connection, and those of a region are the ones that its entry has."""
    assert standing.urls["melbourne.vault_url"] == standing.regions["melbourne"].vault_url
    assert {name.partition(".")[0] for name in standing.urls} == set(standing.regions)
    for url in standing.urls.values():
        parts = urllib.parse.urlsplit(url)
        socket.create_connection((str(parts.hostname), parts.port or 0), timeout=5).close()


def test_the_clock_is_that_of_the_nodes() -> None:
    """It goes at the stack's rate, and shows what the nodes' own clocks show."""
    with stack(vendors=("azure",), regions="sydney,melbourne", rate=60.0) as made:
        before = made.clock.now()
        shown = asyncio.run(made.world.control("sydney.vault", Request("GET", "/admin/state")))
        assert shown.body is not None
        assert before <= float(shown.body["now_s"]) <= made.now()
        assert (made.clock.rate, made.clock.real_s(60)) == (60.0, 1.0)


def test_a_simulation_is_refused() -> None:
    """No client could reach it."""
    with pytest.raises(UsageError, match="no client can reach it"), stack(world="simulation"):
        pytest.fail("the block began")


KILLED = """
    import sys, time
    from brownout.harness.testing import stack
    with stack() as made, made.fault("node-pause", target="sydney.token.z1"):
        print(made.id, flush=True)
        time.sleep(600)
"""


def test_a_killed_process_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guardian reverts the fault and takes the stack down, without another command."""
    home = tmp_path / "home"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED)],
        env={**os.environ, "BROWNOUT_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        stack_id = process.stdout.readline().strip()
        assert stack_id.startswith("test-")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    monkeypatch.setenv("BROWNOUT_HOME", str(home))
    assert await_true(lambda: stacks() == (), timeout_s=60)
    with Ledger(ledger_path()) as ledger:
        assert [fault.state for fault in ledger.faults(stack_id)] == ["healed"]
