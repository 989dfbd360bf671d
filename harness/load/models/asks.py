"""What the clients of a user's own application ask it for: one HTTP request, or a command, the same for all of a cohort.

They are the keys `http` and `command` of a cohort whose model is of that name. Neither names a host: requests go to the subject
of the run and nowhere else.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt, StrictInt

from brownout.harness.base.durations import Duration
from brownout.harness.base.models import FrozenModel
from brownout.harness.base.plain import OneLine, Text
from brownout.identity.core.messages import Request

SUBJECT = "subject"  # where requests to the application go; no node of a stack has this name
COMMAND = "command"  # where runs of a cohort's command go, likewise
STATUS_CLASS = re.compile(r"[1-5]xx")
WORDS_MAX = 200
AT_ONCE_MAX = 64
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_OF_THE_CONNECTION = frozenset({"content-length", "transfer-encoding", "connection", "host", "upgrade", "expect"})


def words_of(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """The words of a command; one line is split as a shell splits it. Raises ValueError for a quote that is never closed."""
    return tuple(shlex.split(command)) if isinstance(command, str) else command


def _command(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    words = words_of(value)
    if not words or not words[0]:
        raise ValueError("a command has at least the name of a program")
    return value


def _path(value: str) -> str:
    if not value.startswith("/") or value.startswith("//"):
        raise ValueError(f"{value!r} is not a path: it begins with one slash, and the host is always the subject's")
    if not value.isascii() or any(char.isspace() or char == "#" for char in value):
        raise ValueError(f"{value!r} has characters that a request line cannot hold; write them with % escapes")
    return value


def _status(value: int | str) -> int | str:
    if isinstance(value, int) and 100 <= value <= 599:
        return value
    if isinstance(value, str) and STATUS_CLASS.fullmatch(value):
        return value
    raise ValueError(f"{value!r} is no status: write a number such as 200, or a class such as 2xx")


def _header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is no name of a header")
    if value.lower() in _OF_THE_CONNECTION:
        raise ValueError(f"{value} is the connection's own and cannot be set")
    return value


ExpectedStatus = Annotated[StrictInt | OneLine, AfterValidator(_status)]
PathOfUrl = Annotated[OneLine, AfterValidator(_path)]
Command = Annotated[OneLine | tuple[OneLine, ...], Field(max_length=WORDS_MAX), AfterValidator(_command)]
HeaderName = Annotated[OneLine, AfterValidator(_header_name)]


class HttpAsk(FrozenModel):
    """One HTTP request to the subject, and the statuses with which it counts as happened."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field("GET", description="its method")
    path: PathOfUrl = Field("/", description="path and query; the host is always the subject's")
    status: ExpectedStatus | tuple[ExpectedStatus, ...] = Field(
        "2xx", description="the expected status: a number, a class such as 2xx, or a list of these"
    )
    headers: Mapping[HeaderName, OneLine] = Field(default_factory=dict, description="further header lines")
    body: Text = Field("", description="the payload, as text")
    timeout_s: Duration | None = Field(
        None, alias="timeout", description="how long the client waits for the answer; the load's deadline by default"
    )

    def __str__(self) -> str:
        wanted = self.status if isinstance(self.status, tuple) else (self.status,)
        return f"{self.method} {self.path} expects {' or '.join(map(str, wanted))}"

    @cached_property
    def request(self) -> Request:
        """The request as it is sent; one value for all arrivals."""
        lines = tuple((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in self.headers.items())
        return Request.raw(self.method, self.path, lines, self.body.encode())

    def expects(self, status: int) -> bool:
        """Whether an answer with this status is the expected one."""
        wanted = self.status if isinstance(self.status, tuple) else (self.status,)
        return any(status == each if isinstance(each, int) else f"{status // 100}xx" == each for each in wanted)


class CommandAsk(FrozenModel):
    """A command that an arrival runs, in the subject's folder and environment; exit code 0 counts as happened."""

    run: Command = Field(description="the program and its words, or one line that is split as a shell splits it")
    at_once: PositiveInt = Field(
        8, le=AT_ONCE_MAX, description="so many run at once; later ones wait in line, within the deadline"
    )

    def __str__(self) -> str:
        return f"runs {shlex.join(words_of(self.run))}"


Ask = HttpAsk | CommandAsk
