"""Every effect against the real server, seen from both ends of real sockets."""

from __future__ import annotations

import time

import pytest
import requests

from brownout.harness.effects import LinkEffect
from brownout.harness.errors import WorldError
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from support.toxiproxy_wire import EchoServer, Link, ask

pytestmark = pytest.mark.xdist_group("toxiproxy")

REFUSE = LinkEffect("refuse")
SLOW = LinkEffect("slow", "upstream", latency_ms=150)


def stall(direction: str = "both") -> LinkEffect:
    return LinkEffect("stall", direction)


def reset(direction: str) -> LinkEffect:
    return LinkEffect("reset", direction)


def slow(direction: str, latency_ms: int) -> LinkEffect:
    return LinkEffect("slow", direction, latency_ms=latency_ms)


def round_trip_s(link: Link) -> float:
    with link.connect() as connection:
        ask(connection, b"warm")
        start_s = time.perf_counter()
        assert ask(connection, b"ping") == b"ping"
        return time.perf_counter() - start_s


def add_foreign_toxic(client: Toxiproxy, link: Link) -> None:
    body = {"name": "somebody", "type": "latency", "stream": "downstream", "attributes": {"latency": 1, "jitter": 0}}
    requests.post(f"{client.api_url}/proxies/{link.name}/toxics", json=body, timeout=5).raise_for_status()


def test_baseline_passes_bytes_and_has_no_holds(client: Toxiproxy, link: Link) -> None:
    """A new proxy is enabled, empty, and carries bytes both ways."""
    with link.connect() as connection:
        assert ask(connection, b"hello") == b"hello"
    seen = client.read(link.name)
    assert seen["enabled"] is True
    assert seen["holds"] == {}
    assert seen["foreign"] == []
    assert seen["listen"] == f"127.0.0.1:{link.address[1]}"


def test_refuse_turns_new_connections_away(client: Toxiproxy, link: Link) -> None:
    """Under `refuse` a connect fails at once, and works again after the release."""
    client.hold(link.name, "f-1-refuse-a", REFUSE)
    with pytest.raises(ConnectionRefusedError):
        link.connect()
    client.release(link.name, "f-1-refuse-a")
    with link.connect() as connection:
        assert ask(connection, b"again") == b"again"


def test_refuse_closes_established_connections(client: Toxiproxy, link: Link) -> None:
    """A connection that was open when `refuse` came is closed."""
    with link.connect() as connection:
        assert ask(connection, b"before") == b"before"
        client.hold(link.name, "f-1", REFUSE)
        assert connection.recv(10) == b""


@pytest.mark.parametrize("established", [False, True])
@pytest.mark.parametrize(("direction", "arrives"), [("upstream", False), ("downstream", True), ("both", False)])
def test_stall_moves_no_byte_in_its_direction(
    client: Toxiproxy, link: Link, echo: EchoServer, direction: str, arrives: bool, established: bool
) -> None:
    """Under `stall` a connect succeeds and no answer comes; only a downstream stall lets the question arrive."""
    before = link.connect()
    assert ask(before, b"before") == b"before"
    client.hold(link.name, "f-1", stall(direction))
    with before, link.connect() as after:
        connection = before if established else after
        with pytest.raises(TimeoutError):
            ask(connection, b"question", timeout_s=0.3)
        assert (b"question" in echo.received) is arrives


@pytest.mark.parametrize("direction", ["upstream", "downstream", "both"])
def test_release_of_stall_closes_what_lived_through_it(client: Toxiproxy, link: Link, direction: str) -> None:
    """After a stall its connections are closed, not resumed with a hole in them, and new ones work."""
    with link.connect() as connection:
        assert ask(connection, b"before") == b"before"
        client.hold(link.name, "f-1", stall(direction))
        connection.sendall(b"lost")
        client.release(link.name, "f-1")
        assert connection.recv(10) == b""
    with link.connect() as connection:
        assert ask(connection, b"after") == b"after"


def test_stall_lets_the_target_hear_a_caller_hang_up(client: Toxiproxy, link: Link, echo: EchoServer) -> None:
    """Callers that give up during a stall leave nothing open at the target."""
    client.hold(link.name, "f-1", stall())
    for _ in range(5):
        with link.connect() as connection:
            connection.sendall(b"anybody?")
    assert echo.wait_closed(5)
    assert b"anybody?" not in echo.received


@pytest.mark.parametrize(("direction", "arrives"), [("upstream", False), ("downstream", True), ("both", False)])
def test_reset_ends_new_connections_at_their_first_byte(
    client: Toxiproxy, link: Link, echo: EchoServer, direction: str, arrives: bool
) -> None:
    """Under `reset` a connect succeeds and the first byte ends it with RST; only a downstream one lets the question arrive."""
    client.hold(link.name, "f-1", reset(direction))
    with link.connect() as connection:
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(10)
        with pytest.raises(ConnectionResetError):
            ask(connection, b"question")
    assert echo.wait_closed(1)
    assert (b"question" in echo.received) is arrives
    client.release(link.name, "f-1")
    with link.connect() as connection:
        assert ask(connection, b"after") == b"after"


@pytest.mark.parametrize(("direction", "arrives"), [("upstream", False), ("downstream", True), ("both", False)])
def test_reset_ends_open_connections_at_their_next_byte(
    client: Toxiproxy, link: Link, echo: EchoServer, direction: str, arrives: bool
) -> None:
    """A connection that was open before `reset` is left alone until it is used, and then closed."""
    with link.connect() as connection:
        assert ask(connection, b"before") == b"before"
        client.hold(link.name, "f-1", reset(direction))
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(10)
        assert ask(connection, b"question") == b""
    assert echo.wait_closed(1)
    assert (b"question" in echo.received) is arrives


@pytest.mark.parametrize("direction", ["upstream", "downstream", "both"])
@pytest.mark.parametrize("born", ["before", "during"])
def test_release_of_reset_closes_what_lived_through_it(client: Toxiproxy, link: Link, direction: str, born: str) -> None:
    """No connection is left that would end with RST, and tear an answer's end off, long after the fault."""
    with link.connect() as early:
        ask(early, b"before")
        client.hold(link.name, "f-1", reset(direction))
        with link.connect() as late:
            client.release(link.name, "f-1")
            connection = early if born == "before" else late
            connection.settimeout(2)
            try:
                assert connection.recv(10) == b""
            except ConnectionResetError:
                assert born == "during"


@pytest.mark.parametrize("order", [("f-reset", "f-stall"), ("f-stall", "f-reset")], ids="-then-".join)
@pytest.mark.parametrize("first_released", ["f-reset", "f-stall"])
def test_reset_is_stronger_than_stall_whichever_came_first(
    client: Toxiproxy, link: Link, order: tuple[str, str], first_released: str
) -> None:
    """Toxics act in the order in which they stand; what holds mean does not depend on the order in which they came."""
    states = {"f-reset": reset("both"), "f-stall": stall("both")}
    for fault_id in order:
        client.hold(link.name, fault_id, states[fault_id])
    with link.connect() as connection, pytest.raises(ConnectionResetError):
        ask(connection, b"question")
    client.release(link.name, first_released)
    with link.connect() as connection, pytest.raises(TimeoutError if first_released == "f-reset" else ConnectionResetError):
        ask(connection, b"question", timeout_s=0.3)
    for fault_id in states:
        client.release(link.name, fault_id)
    with link.connect() as connection:
        assert ask(connection, b"after") == b"after"


def test_a_stall_that_takes_over_from_a_reset_lets_nothing_through(client: Toxiproxy, link: Link, echo: EchoServer) -> None:
    """Between the end of the reset and the beginning of the stall behind it no byte gets past."""
    for round_number in range(10):
        client.hold(link.name, "f-reset", reset("both"))
        client.hold(link.name, "f-stall", stall("both"))
        with link.connect() as connection:
            client.release(link.name, "f-reset")
            connection.settimeout(0.05)
            with pytest.raises((TimeoutError, ConnectionError)):
                ask(connection, b"question %d" % round_number, timeout_s=0.05)
        client.release(link.name, "f-stall")
    assert b"question" not in echo.received


@pytest.mark.parametrize(("direction", "expected_ms"), [("upstream", 150), ("downstream", 150), ("both", 300)])
def test_slow_delays_each_direction_named(client: Toxiproxy, link: Link, direction: str, expected_ms: int) -> None:
    """`slow` adds its latency once for each direction, and release takes it away."""
    normal_s = round_trip_s(link)
    client.hold(link.name, "f-1", slow(direction, 150))
    assert expected_ms / 1000 * 0.95 <= round_trip_s(link) <= expected_ms / 1000 + normal_s + 0.12
    client.release(link.name, "f-1")
    assert round_trip_s(link) < 0.1


def test_slow_holds_established_connections_and_keeps_them(client: Toxiproxy, link: Link) -> None:
    """A connection that was open before `slow` is slowed, and goes on unharmed after the release."""
    with link.connect() as connection:
        assert ask(connection, b"before") == b"before"
        client.hold(link.name, "f-1", SLOW)
        start_s = time.perf_counter()
        assert ask(connection, b"slowed") == b"slowed"
        assert time.perf_counter() - start_s >= 0.14
        client.release(link.name, "f-1")
        assert ask(connection, b"after") == b"after"


def test_slow_jitter_stays_within_its_bounds(client: Toxiproxy, link: Link) -> None:
    """With jitter, a round trip takes between latency - jitter and latency + jitter, and not always the same."""
    client.hold(link.name, "f-1", LinkEffect("slow", "upstream", latency_ms=60, jitter_ms=40))
    with link.connect() as connection:
        took_s = []
        for _ in range(12):
            start_s = time.perf_counter()
            ask(connection, b"ping")
            took_s.append(time.perf_counter() - start_s)
    assert min(took_s) >= 0.019
    assert max(took_s) - min(took_s) > 0.01


def test_slow_can_be_turned_up_in_place(client: Toxiproxy, link: Link) -> None:
    """A hold with an id that the link has replaces that hold, on live connections too."""
    client.hold(link.name, "f-1", slow("upstream", 20))
    with link.connect() as connection:
        ask(connection, b"warm")
        client.hold(link.name, "f-1", slow("upstream", 200))
        start_s = time.perf_counter()
        assert ask(connection, b"ping") == b"ping"
        assert time.perf_counter() - start_s >= 0.19
    assert client.read(link.name)["holds"] == {"f-1": slow("upstream", 200).to_json()}


def test_two_slow_holds_add_up(client: Toxiproxy, link: Link) -> None:
    """Two `slow` holds delay by their sum; releasing one leaves the other's latency."""
    client.hold(link.name, "f-1", slow("upstream", 100))
    client.hold(link.name, "f-2", slow("upstream", 60))
    assert 0.155 <= round_trip_s(link) < 0.3
    client.release(link.name, "f-1")
    assert 0.055 <= round_trip_s(link) < 0.15


@pytest.mark.parametrize("order", [("f-1", "f-2"), ("f-2", "f-1")])
def test_two_refusals_are_lifted_by_the_last_release(client: Toxiproxy, link: Link, order: tuple[str, str]) -> None:
    """With two `refuse` holds the link refuses until both are released, in either order."""
    client.hold(link.name, "f-1", REFUSE)
    client.hold(link.name, "f-2", REFUSE)
    client.release(link.name, order[0])
    with pytest.raises(ConnectionRefusedError):
        link.connect()
    client.release(link.name, order[1])
    with link.connect() as connection:
        assert ask(connection, b"again") == b"again"


@pytest.mark.parametrize("first_released", ["f-refuse", "f-slow"])
def test_refuse_and_slow_overlap(client: Toxiproxy, link: Link, first_released: str) -> None:
    """Releasing one of `refuse` and `slow` leaves exactly the other's effect."""
    client.hold(link.name, "f-refuse", REFUSE)
    client.hold(link.name, "f-slow", SLOW)
    client.release(link.name, first_released)
    if first_released == "f-refuse":
        assert round_trip_s(link) >= 0.14
    else:
        with pytest.raises(ConnectionRefusedError):
            link.connect()


@pytest.mark.parametrize("order", [("f-1", "f-2"), ("f-2", "f-1")])
def test_overlapping_stalls_keep_connections_stalled(client: Toxiproxy, link: Link, order: tuple[str, str]) -> None:
    """Releasing one of two stalls neither moves a byte nor cuts a connection that the other still holds."""
    with link.connect() as connection:
        ask(connection, b"before")
        client.hold(link.name, "f-1", stall())
        client.hold(link.name, "f-2", stall("upstream"))
        client.release(link.name, order[0])
        if order[0] == "f-2":
            with pytest.raises(TimeoutError):
                ask(connection, b"question", timeout_s=0.3)
    with link.connect() as connection, pytest.raises(TimeoutError):
        ask(connection, b"question", timeout_s=0.3)


def test_replacing_refuse_by_slow_opens_the_port(client: Toxiproxy, link: Link) -> None:
    """A hold replaced by one of another effect leaves nothing of the old effect behind."""
    client.hold(link.name, "f-1", REFUSE)
    seen = client.hold(link.name, "f-1", SLOW)
    assert seen["enabled"] is True
    assert seen["holds"] == {"f-1": SLOW.to_json()}
    assert round_trip_s(link) >= 0.14


def test_holds_are_read_back_by_another_client(client: Toxiproxy, link: Link) -> None:
    """Everything about the holds lives in the server: a client made afterwards reads and releases them."""
    client.hold(link.name, "f-3-link-stall-1a2b", stall("downstream"))
    client.hold(link.name, "f-4", REFUSE)
    other = Toxiproxy(client.api_url)
    assert other.read(link.name)["holds"] == {
        "f-3-link-stall-1a2b": stall("downstream").to_json(),
        "f-4": REFUSE.to_json(),
    }
    for fault_id in ("f-4", "f-3-link-stall-1a2b"):
        other.release(link.name, fault_id)
    assert client.read(link.name)["holds"] == {}
    assert client.read(link.name)["enabled"] is True


def test_hold_and_release_may_run_twice(client: Toxiproxy, link: Link) -> None:
    """The same hold twice is one hold; a second release, or one of an unknown id, is success and changes nothing."""
    client.hold(link.name, "f-1", REFUSE)
    seen = client.hold(link.name, "f-1", REFUSE)
    assert seen["holds"] == {"f-1": REFUSE.to_json()}
    client.release(link.name, "never-held")
    assert client.read(link.name)["enabled"] is False
    client.release(link.name, "f-1")
    client.release(link.name, "f-1")
    assert client.read(link.name)["enabled"] is True


def test_foreign_toxics_survive_and_are_reported(client: Toxiproxy, link: Link) -> None:
    """A toxic of another program is listed in `foreign` and is not changed by holds and releases."""
    add_foreign_toxic(client, link)
    client.hold(link.name, "f-1", stall())
    assert client.read(link.name)["foreign"] == ["toxic somebody (latency, downstream)"]
    client.release(link.name, "f-1")
    assert client.read(link.name)["foreign"] == ["toxic somebody (latency, downstream)"]


def test_a_proxy_disabled_by_somebody_else_stays_disabled(client: Toxiproxy, link: Link) -> None:
    """A proxy that another program disabled is reported as foreign and stays disabled after a hold and its release."""
    requests.post(f"{client.api_url}/proxies/{link.name}", json={"enabled": False}, timeout=5).raise_for_status()
    assert client.read(link.name)["foreign"] == ["disabled without a hold"]
    client.hold(link.name, "f-1", SLOW)
    client.release(link.name, "f-1")
    assert client.read(link.name)["enabled"] is False


def test_an_effect_that_toxics_cannot_have_is_refused(client: Toxiproxy, link: Link) -> None:
    """A black hole raises WorldError and touches nothing."""
    with pytest.raises(WorldError, match="vanish"):
        client.hold(link.name, "f-1", LinkEffect("blackhole"))
    assert client.read(link.name)["holds"] == {}


@pytest.mark.parametrize("fault_id", ["", "a|b", "a/b", "a b", "../x"])
def test_a_fault_id_that_cannot_be_a_name_is_refused(client: Toxiproxy, link: Link, fault_id: str) -> None:
    """An id that would not survive as part of a toxic's name raises WorldError before anything is sent."""
    with pytest.raises(WorldError, match="cannot be used"):
        client.hold(link.name, fault_id, REFUSE)
    with pytest.raises(WorldError, match="cannot be used"):
        client.release(link.name, fault_id)


@pytest.mark.parametrize("effect", [LinkEffect("refuse"), LinkEffect("stall"), LinkEffect("slow", latency_ms=50)])
def test_a_hold_that_another_program_undid_is_told_as_lacking(client: Toxiproxy, link: Link, effect: LinkEffect) -> None:
    """The marker may stay while its effect is gone: a proxy enabled again, a toxic removed. A reset takes both away."""
    client.hold(link.name, "f-1", effect)
    assert "lacking" not in client.read(link.name)
    with client._library() as server:
        proxy = server.get_proxy(link.name)
        proxy.enable()
        for toxic in list(client._see(link.name).toxics):
            proxy.destroy_toxic(toxic)
    assert client.read(link.name)["lacking"]
    assert "f-1" in client.read(link.name)["holds"]
    client.release(link.name, "f-1")
    assert "lacking" not in client.read(link.name)
