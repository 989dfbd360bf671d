"""A real Toxiproxy server for the session, and a link through it to an echo server for each test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.worlds.toxiproxy.client import ServerProcess, Toxiproxy, start_server, stop_server
from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from support.toxiproxy_wire import EchoServer, Link


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the tests out of the user's own state folder."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = EchoServer(listener)
        accepting = threading.Thread(target=server.serve)
        accepting.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(timeout=3)


@pytest.fixture(scope="session")
def server_binary() -> Path:
    return toxiproxy_server(say=lambda _: None)


@pytest.fixture(scope="session")
def server(server_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    log = tmp_path_factory.mktemp("toxiproxy") / "server.log"
    started = start_server(server_binary, port=ephemeral_port(), log=log)
    yield started
    stop_server(started)


@pytest.fixture
def client(server: ServerProcess) -> Toxiproxy:
    return Toxiproxy(server.api_url)


@pytest.fixture
def link(client: Toxiproxy, echo: EchoServer, request: pytest.FixtureRequest) -> Link:
    name = f"sydney.token->{len(client.names())}.store"
    host, _, port = client.create(name, "127.0.0.1:0", echo.address).rpartition(":")
    return Link(name, (host, int(port)))
