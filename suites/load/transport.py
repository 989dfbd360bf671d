"""One HTTP request over FastHttp's keep-alive connections: sent at most once, answered or failed within its deadline.

Of FastHttp only the connection pool and the parser are used. Its own client repeats an idempotent request, up to
`concurrency + 1` times, whenever the peer closes the connection. Against a service that drops connections that turns one
arrival into thousands of requests, and a request that may have happened can look like one that certainly did not. That
client also follows redirects and stores cookies, which no client of an identity service does.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import gevent
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse

from brownout.harness.load.models.asks import SUBJECT
from brownout.identity import wire
from brownout.identity.core.messages import CallFailed, HeaderLines, Request, Response
from brownout.identity.core.topology import CLIENT, Link
from brownout.identity.core.trail import LOAD

# Enough for twice the advertised 1,000 requests per second with all of them stuck for a deadline of 2 s.
CONNECTIONS_PER_NODE = 4000
_LONGER_THAN_ANY_DEADLINE_S = 600.0
_OF_THE_LOAD = ((LOAD.encode(), b"1"),)  # so that nodes can tell it from real clients
_TRACEPARENT = b"traceparent"
_TO_SUBJECT = str(Link(CLIENT, SUBJECT))
_OWN_LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.EADDRNOTAVAIL, errno.ENOMEM})


class GeneratorFault(Exception):
    """The generator itself could not send: out of file handles or ports, or the plan lacks an address."""


class Transport:
    """Sends requests to nodes by the plan's `urls` (`client->NODE` to base URL).

    Those to the user's own application name the trace `traceparent`, unless there is none or a request names its own.
    """

    def __init__(self, urls: Mapping[str, str], *, traceparent: str = "") -> None:
        self._origins = {link: _Origin(url, traceparent if link == _TO_SUBJECT else "") for link, url in urls.items()}

    def send(self, node: str, request: Request, *, timeout_s: float) -> Response:
        """The answer to `request`; raises CallFailed within `timeout_s` of network time, or GeneratorFault."""
        origin = self._origins.get(str(Link(CLIENT, node)))
        if origin is None:
            raise GeneratorFault(f"the load plan has no URL for {Link(CLIENT, node)}")
        if timeout_s <= 0:
            raise CallFailed("timeout", node)
        try:
            with gevent.Timeout(timeout_s):
                return origin.exchange(node, request)
        except gevent.Timeout:
            raise CallFailed("timeout", node) from None

    def close(self) -> None:
        for origin in self._origins.values():
            origin.pool.close()


class _Origin:
    """One base URL and the connections to it."""

    def __init__(self, url: str, traceparent: str) -> None:
        self._traced = ((_TRACEPARENT, traceparent.encode("ascii")),) if traceparent else ()
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        self.prefix = parts.path.rstrip("/")
        self.host_header = parts.netloc
        self.pool = ConnectionPool(
            host,
            port,
            host,
            port,
            size=CONNECTIONS_PER_NODE,
            connection_timeout=_LONGER_THAN_ANY_DEADLINE_S,
            network_timeout=_LONGER_THAN_ANY_DEADLINE_S,
        )

    def exchange(self, node: str, request: Request) -> Response:
        sock = self._connect(node)
        also = _OF_THE_LOAD if request.header("traceparent") else (*_OF_THE_LOAD, *self._traced)
        try:
            sock.sendall(wire.encode_request(request, self.host_header, prefix=self.prefix, also=also))
        except OSError:
            self.pool.release_socket(sock)
            raise CallFailed("reset", node) from None
        except BaseException:
            self.pool.release_socket(sock)
            raise
        try:
            answer = HTTPSocketPoolResponse(sock, self.pool, method=request.method)
            return wire.response_from(answer.get_code(), _header_lines(answer), bytes(answer.read()))
        except (OSError, HTTPParseError):
            raise CallFailed("reset", node) from None

    def _connect(self, node: str) -> Any:
        try:
            return self.pool.get_socket()
        except OSError as failed:
            if failed.errno in _OWN_LIMITS:
                raise GeneratorFault(f"cannot open a connection: {failed.strerror}") from None
            # Nothing was sent: whatever the reason, the request certainly did not happen.
            raise CallFailed("refused", node) from None


def _header_lines(answer: HTTPSocketPoolResponse) -> HeaderLines:
    """The lines of one name stand together, whatever their order was."""
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.items())
