"""A port that is reserved refuses connections and is nobody else's, whatever options others use."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from brownout.harness.base import ports
from brownout.harness.base.ports import HOST, ReservedPort

ADDRESSES = (HOST, "0.0.0.0")  # what another program may try
OPTIONS = ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT))


@pytest.fixture
def kept() -> Iterator[ReservedPort]:
    (bound,) = ports.reserve(1)
    reserved = ReservedPort(bound)
    yield reserved
    reserved.close()


def attempt(port: int, address: str = HOST, options: tuple[int, ...] = (socket.SO_REUSEADDR,)) -> socket.socket | None:
    """Another program's listener on the port, None where it cannot have it."""
    listener = socket.socket()
    for option in options:
        listener.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        listener.bind((address, port))
        listener.listen()
    except OSError:
        listener.close()
        return None
    return listener


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("options", OPTIONS)
def test_nobody_can_take_a_kept_port(kept: ReservedPort, address: str, options: tuple[int, ...]) -> None:
    """It refuses connections, and no listener gets it, also after it was lent and given back."""
    assert attempt(kept.port, address, options) is None
    kept.lend()
    kept.keep()
    assert attempt(kept.port, address, options) is None
    assert ports.refuses(kept.port)


def test_a_lent_port_is_its_listeners_and_stays_that(kept: ReservedPort) -> None:
    """The listener keeps it when it is kept again, serves it, and leaves it refused and kept when it ends."""
    kept.lend()
    listener = attempt(kept.port)
    assert listener is not None
    kept.keep()
    assert not ports.refuses(kept.port)
    assert attempt(kept.port) is None
    listener.close()
    assert ports.refuses(kept.port)
    assert attempt(kept.port) is None


def test_a_stack_that_looks_for_ports_gets_no_lent_one(kept: ReservedPort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other stacks bind exclusively, so they pass over a port in the moment in which it is lent."""
    monkeypatch.setattr(ports, "FIRST_PORT", kept.port)
    monkeypatch.setattr(ports, "LAST_PORT", kept.port)
    kept.lend()
    with pytest.raises(ports.NoPortError):
        ports.reserve(1)
