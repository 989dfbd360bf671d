"""What is on disk: a node's records through its death, the stack's specification, and the ports between two lives."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from brownout.harness.base import ports as port_range
from brownout.harness.base.ports import FIRST_PORT, LAST_PORT, NoPortError
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.server.clock import Clock
from brownout.identity.server.durable import DurableRecords
from brownout.identity.server.spec_file import Authority, ServedStack, Sidecar, read_served, serialized


def test_what_was_written_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    """A write that has returned survives SIGKILL right after it, in the order written; a deleted record stays gone."""
    path = tmp_path / "node.sqlite"
    text = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from brownout.identity.server.durable import DurableRecords\n"
        "async def main():\n"
        "    records = DurableRecords(Path(sys.argv[1]))\n"
        "    for number in range(20):\n"
        "        await records.write('key:a', {'number': number})\n"
        "    await records.write('key:b', {'gone': True})\n"
        "    await records.write('key:b', None)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", text, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert DurableRecords(path).read_all() == {"key:a": {"number": 19}}


def test_records_that_were_opened_ahead_are_kept_like_others(tmp_path: Path) -> None:
    """A file made before the first write has no records, takes them, and gives them to the next life of its node."""
    path = tmp_path / "node.sqlite"
    records = DurableRecords(path)
    records.open_ahead()
    assert path.exists()
    assert records.read_all() == {}
    asyncio.run(records.write("key:a", {"number": 1}))
    records.close()
    assert DurableRecords(path).read_all() == {"key:a": {"number": 1}}


def test_a_node_that_never_persists_has_no_file(tmp_path: Path) -> None:
    """Reading back nothing makes no file."""
    records = DurableRecords(tmp_path / "node.sqlite")
    assert records.read_all() == {}
    records.close()
    assert list(tmp_path.iterdir()) == []


def test_writes_at_once_keep_their_order(tmp_path: Path) -> None:
    """Of writes to one key that are under way together the last begun is the one that stays."""
    records = DurableRecords(tmp_path / "node.sqlite")

    async def write_many() -> None:
        await asyncio.gather(*(records.write("k", {"number": number}) for number in range(50)))

    asyncio.run(write_many())
    records.close()
    assert records.read_all() == {"k": {"number": 49}}


def test_a_damaged_file_is_an_error_and_not_an_empty_node(tmp_path: Path) -> None:
    """A node whose file cannot be read does not start as if it had never lived."""
    path = tmp_path / "node.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        DurableRecords(path).read_all()


def test_a_specification_comes_back_as_it_was(tmp_path: Path) -> None:
    """Everything that a stack's processes are told survives the file."""
    stack = build_stack(seed=3, settings={"token_alg": "RS256", "pins": {"sydney": "1.0"}})
    sidecar = Sidecar("toxiproxy", ("/bin/true", "-x"), {"LOG_LEVEL": "error"})
    served = ServedStack(
        stack,
        Clock(1.5, 2.5, 200.0),
        {"client->sydney.host": "127.0.0.1:1"},
        (sidecar,),
        doors={"proxy.sydney": "127.0.0.1:2"},
        authority=Authority("ca", "certificate", "key"),
    )
    path = tmp_path / "spec.json"
    path.write_bytes(serialized(served))
    assert read_served(path) == served


def test_a_file_that_is_no_specification_is_named(tmp_path: Path) -> None:
    """The error for a wrong file has its path."""
    path = tmp_path / "spec.json"
    path.write_text('{"sidecars": []}')
    with pytest.raises(ValueError, match=r"spec\.json is not a stack's specification"):
        read_served(path)


def test_a_node_is_told_its_own_links_only() -> None:
    """A token node knows the addresses of its region's links, not those of other sources."""
    stack = build_stack(seed=3)
    links = {str(link): f"127.0.0.1:{number}" for number, link in enumerate(stack.links())}
    told = ServedStack(stack, Clock(0, 0, 1), links).addresses_for("melbourne.token.z2")
    assert told == {
        target: links[f"melbourne.token->{target}"] for target in ("sydney.directory", "sydney.store", "melbourne.store")
    }


def test_a_taken_port_is_passed_over() -> None:
    """A port that another program has bound is not given out, and no port is given out twice."""
    first = port_range.reserve(3)
    second = port_range.reserve(3)
    ports = [port_range.port_of(bound) for bound in (*first, *second)]
    for bound in (*first, *second):
        bound.close()
    assert len(set(ports)) == 6
    assert all(FIRST_PORT <= port <= LAST_PORT for port in ports)


def test_a_port_that_a_companion_will_bind_is_left_alone() -> None:
    """No node gets the port that the proxy server is about to take, free as it still is."""
    first = port_range.free_ports(1)[0]
    reserved = port_range.reserve(3, besides={first})
    try:
        assert first not in {port_range.port_of(bound) for bound in reserved}
    finally:
        for bound in reserved:
            bound.close()


def test_no_port_left_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every port of the range taken the error says how many were wanted and from where."""
    taken = port_range.reserve(1)[0]
    port = port_range.port_of(taken)
    monkeypatch.setattr(port_range, "FIRST_PORT", port)
    monkeypatch.setattr(port_range, "LAST_PORT", port)
    with taken, pytest.raises(NoPortError, match=f"only 0 of 2 ports are free on 127.0.0.1 from {port} to {port}"):
        port_range.reserve(2)


def test_a_nodes_port_can_be_bound_again_at_once() -> None:
    """Connections that linger after a node's death do not keep its port from its next life; another listener does."""
    (listener,) = port_range.reserve(1)
    port = port_range.port_of(listener)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.listen()
    with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
        listener.close()
        assert port_range.refuses(port)
        again = port_range.rebind(port)
        again.listen()
        with pytest.raises(NoPortError, match=f"port {port} was taken"):
            port_range.rebind(port)
        again.close()


def test_a_clock_is_the_same_in_every_process() -> None:
    """Two processes with the same three numbers agree on emulated time."""
    clock = Clock.starting_now(5000.0, 100.0)
    text = f"from brownout.identity.server.clock import Clock; print(Clock(5000.0, {clock.monotonic_s!r}, 100.0).now())"
    before = clock.now()
    told = float(subprocess.run([sys.executable, "-c", text], capture_output=True, check=True, timeout=60).stdout)
    assert before < told < clock.now()


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_clock_needs_a_positive_rate(rate: float) -> None:
    """A rate that is not above zero is refused."""
    with pytest.raises(ValueError, match="above 0"):
        Clock.starting_now(0.0, rate)
