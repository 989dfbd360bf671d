"""Real botocore without sockets: it goes by a clock of the test's, sleeps on it, and what it sends is answered in this process.

Credential providers make clients of their own (of STS) or none (of IMDS), so what is replaced is the one place through which
all of botocore sends.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.loaders import Loader, create_loader

from brownout.harness.load.canary.botocore_clock import botocore_clock
from brownout.identity.core.messages import CallFailed
from support.simulated_aws import PATIENCE_S, SimulatedAws, StreamedBody, wire_request

SEED = 7  # of the jitter of retries


@dataclass(frozen=True, slots=True)
class Sent:
    """One HTTP request that botocore made."""

    at_s: float
    host: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What it got; `failure` instead of an answer is as in CallFailed."""

    status: int = 0
    payload: bytes = b""
    failure: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class SleptClock:
    """A clock that only sleeping moves."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def now(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


Answering = Callable[[AWSPreparedRequest], Answer]


@cache
def _loader(search_paths: str | None = None) -> Loader:
    """One for all sessions of this process: to read the models of services anew takes most of a session's time."""
    made: Loader = create_loader(search_paths)
    return made


@contextmanager
def botocore_wire(now: Callable[[], float], sleep: Callable[[float], None], answer: Answering) -> Iterator[list[Sent]]:
    """While it is open, botocore sends nowhere else; yields all that it has sent so far."""
    sent: list[Sent] = []

    def send(_: Any, prepared: AWSPreparedRequest) -> AWSResponse:
        sent.append(Sent(now(), urlsplit(prepared.url).hostname or ""))
        got = answer(prepared)
        if got.failure:
            raise _error(got.failure, prepared.url)
        return AWSResponse(prepared.url, got.status, got.headers, StreamedBody(got.payload))

    random.seed(SEED)
    with (
        botocore_clock(now),
        mock.patch("botocore.session.create_loader", _loader),
        mock.patch("botocore.httpsession.URLLib3Session.send", send),
        mock.patch("botocore.endpoint.time.sleep", side_effect=sleep),
        mock.patch("botocore.retries.bucket.Clock.current_time", side_effect=now),
        mock.patch("botocore.retries.bucket.threading", _virtual_threading(sleep)),
    ):
        yield sent


def _virtual_threading(sleep: Callable[[float], None]) -> Any:
    """What the rate limiter of the mode `adaptive` waits with."""

    class Condition(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            sleep(timeout)
            return False

    return SimpleNamespace(Condition=lambda lock=None: Condition(lock), RLock=threading.RLock, Lock=threading.Lock)


def _error(failure: str, url: str) -> Exception:
    """What urllib3's trouble becomes in botocore."""
    if failure == "refused":
        return EndpointConnectionError(endpoint_url=url, error="connection refused")
    if failure == "reset":
        return ConnectionClosedError(endpoint_url=url)
    return ReadTimeoutError(endpoint_url=url)


def from_stack(aws: SimulatedAws, node_of: Callable[[str], str]) -> Answering:
    """Answers of a simulated stack's nodes, each by the host name that was asked."""

    def answer(prepared: AWSPreparedRequest) -> Answer:
        node = node_of(urlsplit(prepared.url).hostname or "")
        try:
            got = aws.world.run(aws.world.client(node, wire_request(prepared), timeout_s=PATIENCE_S))
        except CallFailed as failed:
            return Answer(failure=failed.failure)
        headers = {name.decode(): value.decode() for name, value in got.raw_headers}
        return Answer(got.status, got.payload, headers=headers)

    return answer
