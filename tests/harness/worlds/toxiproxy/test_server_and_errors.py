"""The server process, and what a user is told when the API says no, says nonsense, or says nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import brownout.harness.worlds.toxiproxy.client as adapter
from brownout.harness.base.ports import ephemeral_port
from brownout.harness.base.processes import ProcessId
from brownout.harness.effects import LinkEffect
from brownout.harness.errors import WorldError
from brownout.harness.worlds.toxiproxy.client import ServerProcess, Toxiproxy, ToxiproxyError, start_server, stop_server
from support.toxiproxy_wire import EchoServer, Link, ask

pytestmark = pytest.mark.xdist_group("toxiproxy")


def test_a_stranger_that_takes_the_port_meanwhile_is_not_taken_for_ours(
    server: ServerProcess, server_binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer on the port counts only if it comes from the Toxiproxy that was started, and not from another program."""
    monkeypatch.setattr(adapter, "check_port_free", lambda port: None)
    monkeypatch.setattr(adapter, "START_TIMEOUT_S", 0.5)
    with pytest.raises(WorldError, match=r"did not open its port: .*address already in use"):
        start_server(server_binary, port=int(server.api_url.rpartition(":")[2]), log=tmp_path / "log")


@contextmanager
def answering(answer: bytes | None) -> Iterator[str]:
    """A server that gives every request the same answer, or none at all; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                taken.append(connection)
                if answer is not None:
                    connection.recv(65536)
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=3)
        for connection in taken:
            connection.close()


def http(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()


def test_the_server_tells_its_version(client: Toxiproxy) -> None:
    """The version read from the server is the one that was built."""
    assert client.version().startswith("2.")


def test_an_unknown_proxy_is_named(client: Toxiproxy) -> None:
    """Reading, holding and releasing a proxy that is not there raises with its name and status 404."""
    for act in (
        lambda: client.read("nowhere"),
        lambda: client.hold("nowhere", "f-1", LinkEffect("refuse")),
        lambda: client.release("nowhere", "f-1"),
    ):
        with pytest.raises(ToxiproxyError, match="no proxy nowhere") as caught:
            act()
        assert caught.value.status == 404


def test_a_second_proxy_of_the_same_name_is_refused(client: Toxiproxy, link: Link, echo: EchoServer) -> None:
    """Creating a name again raises with status 409 and leaves the first one working."""
    with pytest.raises(ToxiproxyError, match="already has") as caught:
        client.create(link.name, "127.0.0.1:0", echo.address)
    assert caught.value.status == 409
    with link.connect() as connection:
        assert ask(connection, b"still") == b"still"


def test_create_many_is_all_or_none(client: Toxiproxy, echo: EchoServer) -> None:
    """When one listen address is taken, the error tells the server's reason and none of the batch is left."""
    before = client.names()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = {"many-1": ("127.0.0.1:0", echo.address), "many-2": (f"127.0.0.1:{port}", echo.address)}
        with pytest.raises(ToxiproxyError, match="address already in use"):
            client.create_many(wanted)
    assert client.names() == before


def test_create_many_returns_where_each_listens(client: Toxiproxy, echo: EchoServer) -> None:
    """Every proxy of a batch listens at the address returned for it."""
    made = client.create_many({f"batch-{n}->x": ("127.0.0.1:0", echo.address) for n in range(3)})
    assert set(made) == {"batch-0->x", "batch-1->x", "batch-2->x"}
    for address in made.values():
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=2) as connection:
            assert ask(connection, b"hello") == b"hello"
    assert client.create_many({}) == {}


def test_a_port_taken_meanwhile_makes_release_say_so(client: Toxiproxy, link: Link) -> None:
    """When a released link cannot listen again, the server's reason is raised, and a later release succeeds."""
    client.hold(link.name, "f-1", LinkEffect("refuse"))
    with (
        socket.create_server(link.address, reuse_port=False),
        pytest.raises(ToxiproxyError, match="address already in use"),
    ):
        client.release(link.name, "f-1")
    client.release(link.name, "f-1")
    with link.connect() as connection:
        assert ask(connection, b"back") == b"back"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http("500 Internal Server Error", '{"error": "bind: no luck", "status": 500}'), "500 .*bind: no luck"),
        (http("503 Service Unavailable", "<html>Timeout</html>"), "503 .*<html>Timeout"),
        (http("404 Not Found", '{"error": "proxy not found", "status": 404}'), "404 .*proxy not found"),
        (http("409 Conflict", '{"error": "toxic already exists"}'), "409 .*toxic already exists"),
        (http("400 Bad Request", '{"error": "bad request body"}'), "400 .*bad request body"),
        (http("500 Internal Server Error", ""), "500 .*no reason given"),
    ],
)
def test_every_failure_status_is_an_error_with_the_reason(answer: bytes, words: str) -> None:
    """Whatever the status, the message has it together with the server's own `error`."""
    with answering(answer) as url, pytest.raises(ToxiproxyError, match=words):
        Toxiproxy(url).names()


def test_a_hanging_api_is_given_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that accepts and never answers raises within the answer time-out and says which request it was."""
    monkeypatch.setattr(adapter, "ANSWER_TIMEOUT_S", 0.2)
    start_s = time.monotonic()
    with answering(None) as url, pytest.raises(ToxiproxyError, match=r"did not answer in time \(GET /proxies\)"):
        Toxiproxy(url).names()
    assert time.monotonic() - start_s < 2


def test_every_call_of_the_library_has_time_outs() -> None:
    """The library's own module cannot make a request that is without a time-out or obeys proxy variables."""
    assert adapter.toxiproxy.api.requests is adapter._calls
    assert (adapter.CONNECT_TIMEOUT_S, adapter.ANSWER_TIMEOUT_S) == (2.0, 5.0)


def test_an_api_that_is_not_there_is_named() -> None:
    """Nothing listening gives one clear error with the address."""
    port = ephemeral_port()
    with pytest.raises(ToxiproxyError, match=f"127.0.0.1:{port} cannot be reached"):
        Toxiproxy(f"http://127.0.0.1:{port}").wait_ready(0.05)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8474", "https://127.0.0.1:8474", "http://127.0.0.1"])
def test_an_address_without_scheme_host_or_port_is_refused(url: str) -> None:
    """The address of the API must be complete."""
    with pytest.raises(WorldError, match="not the address"):
        Toxiproxy(url)


def test_proxy_variables_are_ignored(client: Toxiproxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY in the environment does not lead calls to loopback astray."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert client.version()


def test_two_servers_are_kept_apart(client: Toxiproxy, server_binary: Path, tmp_path: Path, link: Link) -> None:
    """Clients of two servers used in turn each talk to their own."""
    second = start_server(server_binary, port=ephemeral_port(), log=tmp_path / "second.log")
    try:
        other = Toxiproxy(second.api_url)
        assert other.names() == ()
        assert link.name in client.names()
        assert other.names() == ()
    finally:
        stop_server(second)


def test_a_taken_port_is_told_before_anything_starts(server: ServerProcess, server_binary: Path, tmp_path: Path) -> None:
    """A server is not started on a port in use, also when another Toxiproxy answers there."""
    port = int(server.api_url.rpartition(":")[2])
    with pytest.raises(WorldError, match=f"port {port} cannot be used"):
        start_server(server_binary, port=port, log=tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_a_program_that_is_missing_or_dies_is_told(tmp_path: Path) -> None:
    """A missing program and one that ends at once raise with the reason, the latter with its last words."""
    with pytest.raises(WorldError, match="cannot be started: No such file"):
        start_server(tmp_path / "missing", port=ephemeral_port(), log=tmp_path / "log")
    dying = tmp_path / "dying"
    dying.write_text("#!/bin/sh\necho no config here >&2\nexit 3\n")
    dying.chmod(0o755)
    with pytest.raises(WorldError, match="ended at its start: no config here"):
        start_server(dying, port=ephemeral_port(), log=tmp_path / "log")


def test_a_program_that_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never opens its API is given up on and does not stay behind."""
    monkeypatch.setattr(adapter, "START_TIMEOUT_S", 0.3)
    silent = tmp_path / "silent"
    silent.write_text(f"#!/bin/sh\necho $$ > '{tmp_path}/pid'\nexec sleep 60\n")
    silent.chmod(0o755)
    with pytest.raises(WorldError, match="did not open its port"):
        start_server(silent, port=ephemeral_port(), log=tmp_path / "log")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_server_outlives_its_starter_and_is_stopped_by_another(server_binary: Path, tmp_path: Path) -> None:
    """A server started by a process that was killed runs on in a session of its own, until anybody stops it."""
    port = ephemeral_port()
    program = (
        "import os, sys, pathlib; from brownout.harness.worlds.toxiproxy.client import start_server\n"
        f"s = start_server(pathlib.Path(sys.argv[1]), port={port}, log=pathlib.Path(sys.argv[2]))\n"
        "print(s.pid, s.identity.started, s.api_url, flush=True); os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", program, str(server_binary), str(tmp_path / "log")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    pid, started, url = ended.stdout.split()
    server = ServerProcess(ProcessId(int(pid), started), url)
    try:
        assert server.is_running()
        assert Toxiproxy(url).version()
        assert os.getsid(server.pid) == server.pid
    finally:
        stop_server(server)
    assert not server.is_running()
    stop_server(server)


def test_a_process_with_a_used_number_is_not_taken_for_the_server() -> None:
    """Number and start time together name a process: another one with that number is not running, nor stopped."""
    stranger = ServerProcess(ProcessId(os.getpid(), "earlier"), "http://127.0.0.1:1")
    assert not stranger.is_running()
    stop_server(stranger)
