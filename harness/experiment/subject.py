"""The user's own application in an experiment file: how it is started as if on a machine, and when it is ready.

A run starts its subject itself, on a port that it chooses, so that load and faults never reach what the run did not start. That
is why `ready` names a loopback address and `{port}` in place of a port: another host, or another program's port, is refused.

One file serves two worlds: `command` is a process of the machine, `service` a container of the user's own Compose file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictBool, StrictInt, model_validator

from brownout.harness.base.durations import Duration
from brownout.harness.base.models import FrozenModel
from brownout.harness.base.plain import OneLine, Text
from brownout.harness.load.models.asks import Command, words_of

PORT, PYTHON = "{port}", "{python}"
LOOPBACK = ("127.0.0.1", "localhost")
READY_WITHIN_S, READY_WITHIN_MAX_S = 15.0, 300.0
STOP_WITHIN_S, STOP_WITHIN_MAX_S = 10.0, 60.0
COMPOSE_FILE, CONTAINER_PORT = "compose.yaml", 8080
_IN_A_URL = "0"  # what stands for the port while a URL is read


def _ready(value: str) -> str:
    parts = urlsplit(value.replace(PORT, _IN_A_URL))
    hint = f"write http://127.0.0.1:{PORT}/healthz"
    if parts.scheme != "http":
        raise ValueError(f"{value!r} is not a URL of plain HTTP; {hint}")
    if parts.hostname not in LOOPBACK or "@" in parts.netloc:
        raise ValueError(f"{value!r} names a host that the run does not start: only 127.0.0.1 is the subject's; {hint}")
    if parts.netloc.partition(":")[2] != _IN_A_URL or PORT not in value:
        raise ValueError(f"{value!r} names a port that is not the subject's: the run picks one; {hint}")
    return value


def _variable(name: str) -> str:
    if not name.isascii() or not name.replace("_", "a").isalnum() or name[0].isdigit():
        raise ValueError(f"{name!r} is no name of a variable")
    if name == "PORT":
        raise ValueError("PORT is set by the run: it is the port that the subject is to listen on")
    return name


ReadyUrl = Annotated[OneLine, AfterValidator(_ready)]
VariableName = Annotated[OneLine, AfterValidator(_variable)]


class Subject(FrozenModel):
    """The application that an experiment is about: started by the run as if on a machine, stopped with it."""

    command: Command | None = Field(
        None,
        description=f"in processes: the program and its words, or one line that is split as a shell splits it; {PORT} is the "
        f"port that the run picked, {PYTHON} the interpreter that runs Brownout. It stays in the foreground",
    )
    service: OneLine | None = Field(
        None, description="in compose: the application's service in the Compose file; what it depends on comes along"
    )
    compose: OneLine = Field(COMPOSE_FILE, description="your own Compose file, from the experiment's folder")
    container_port: StrictInt = Field(
        CONTAINER_PORT, ge=1, le=65_535, description="in compose: the port that the service listens on, in the variable PORT"
    )
    folder: Text = Field("", description="the working directory, from the experiment's folder, which is the default")
    env_of: OneLine | None = Field(
        None,
        description="the machine whose environment it gets (`brownout env --machine`); a client on no machine by default",
    )
    proxy: StrictBool = Field(False, description="as `brownout env --proxy`: the vendors' own names lead into the stack")
    container: StrictBool = Field(False, description="as `brownout env --container`: AWS's credentials of a container")
    endpoint: OneLine = Field("imds", description="as `brownout env --endpoint`: Azure's token endpoint of the machine")
    ready: ReadyUrl = Field(description=f"it is ready once this answers with 2xx, such as http://127.0.0.1:{PORT}/healthz")
    env: Mapping[VariableName, Text] = Field(default_factory=dict, description="further variables of its environment")
    ready_within_s: Duration = Field(
        READY_WITHIN_S,
        alias="ready_within",
        description="how long its start may take; the run's baseline begins once it is ready",
    )
    stop_within_s: Duration = Field(
        STOP_WITHIN_S, alias="stop_within", description="how long it may take to end after SIGTERM, before it is killed"
    )

    @model_validator(mode="after")
    def _started_somehow(self) -> Self:
        if self.command is None and self.service is None:
            raise ValueError("a subject has a command (a process), a service (of a Compose file), or both")
        return self

    @property
    def words(self) -> tuple[str, ...]:
        """The program and its words, with the placeholders as they were written; none for a service alone."""
        return () if self.command is None else words_of(self.command)

    def limits(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the two times, by key."""
        if not 0 < self.ready_within_s <= READY_WITHIN_MAX_S:
            yield "ready_within", f"{self.ready_within_s:g} s is not above 0 and at most {READY_WITHIN_MAX_S:g} s"
        if not 0 < self.stop_within_s <= STOP_WITHIN_MAX_S:
            yield "stop_within", f"{self.stop_within_s:g} s is not above 0 and at most {STOP_WITHIN_MAX_S:g} s"
