"""The metrics' server answers programs of this machine and nobody else, and ends when told."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from brownout.harness.base.ports import ephemeral_port
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.telemetry.samples import MetricsSnapshot
from brownout.harness.telemetry.server import ListenAddress, MetricsServer


class Source:
    """What is served; `failed` is raised instead when set."""

    failed: BrownoutError | None = None

    def snapshot(self) -> MetricsSnapshot:
        if self.failed is not None:
            raise self.failed
        return MetricsSnapshot(started_s=7.0)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def server(source: Source) -> Iterator[MetricsServer]:
    with MetricsServer(ListenAddress("127.0.0.1", ephemeral_port()), source.snapshot) as made:
        yield made


def ask(server: MetricsServer, method: str = "GET", path: str = "/metrics", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(server.address.host, server.address.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("9464", "http://127.0.0.1:9464/metrics"),
        (":9464", "http://127.0.0.1:9464/metrics"),
        ("localhost:1", "http://127.0.0.1:1/metrics"),
        ("127.0.0.9:65535", "http://127.0.0.9:65535/metrics"),
        ("[::1]:9464", "http://[::1]:9464/metrics"),
    ],
)
def test_an_address_of_loopback_is_understood(text: str, url: str) -> None:
    """A port alone is one of 127.0.0.1."""
    assert ListenAddress.parse(text).url == url


@pytest.mark.parametrize(
    "text", ["", "x", "0", "65536", "-1", "1.5", "²", "0.0.0.0:9464", "192.168.1.1:9464", "example.org:1", "::9"]
)
def test_any_other_address_is_refused_with_what_to_write(text: str) -> None:
    """Metrics are never served to other machines."""
    with pytest.raises(UsageError) as raised:
        ListenAddress.parse(text)
    assert "such as 9464" in str(raised.value.hint)


def test_metrics_are_served(server: MetricsServer) -> None:
    """At /metrics, and elsewhere it is said where they are."""
    status, text = ask(server)
    assert (status, "brownout_run_start_time_seconds 7.0" in text) == (200, True)
    assert ask(server, path="/") == (404, "the metrics are at /metrics\n")
    assert ask(server, "HEAD") == (200, "")
    assert ask(server, "POST")[0] == 405


def test_ipv6_is_served_too() -> None:
    """[::1] is loopback as well."""
    with MetricsServer(ListenAddress("::1", ephemeral_port()), Source().snapshot) as made:
        assert ask(made)[0] == 200


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_a_page_of_another_site_is_refused(server: MetricsServer, headers: dict[str, str]) -> None:
    """Neither by a name that points here nor by its origin does it read the figures."""
    assert ask(server, **headers)[0] == 403


def test_what_cannot_be_seen_is_no_empty_answer(server: MetricsServer, source: Source) -> None:
    """A scrape fails then, so that `up` is 0, and the next may succeed."""
    source.failed = UsageError("no stack 'x' is up")
    assert ask(server) == (503, "no stack 'x' is up\n")
    source.failed = None
    assert ask(server)[0] == 200


def test_a_taken_port_is_told_before_anything_starts(server: MetricsServer) -> None:
    """Two runs cannot have one port."""
    with pytest.raises(UsageError, match="cannot be used"):
        MetricsServer(server.address, Source().snapshot)


def test_a_closed_server_lets_its_port_go() -> None:
    """Also when it is closed twice, and with a client that never sends anything."""
    made = MetricsServer(ListenAddress("127.0.0.1", ephemeral_port()), Source().snapshot)
    idle = http.client.HTTPConnection(made.address.host, made.address.port, timeout=10)
    idle.connect()
    made.close()
    made.close()
    idle.close()
    with MetricsServer(made.address, Source().snapshot) as again:
        assert ask(again)[0] == 200
