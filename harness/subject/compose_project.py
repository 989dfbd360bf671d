"""The user's own Compose file: what it says of the application's service, and what a run puts over it.

The file is read as Compose resolves it (`docker compose config`), and is used as it is. A second file of the run's own goes
over it: the label by which everything is found and removed, the client network of the stack, the environment of a client on a
machine, and one port on loopback for the load. Nothing is pulled or built in a run: its time would have no bound.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.ports import HOST
from brownout.harness.client_env.shell_variables import ELSEWHERE, TRUST_NAMES
from brownout.harness.errors import UsageError, WorldError
from brownout.harness.experiment.subject import Subject
from brownout.harness.worlds.compose.cli import Compose
from brownout.harness.worlds.compose.engine import OWNER_LABEL, SUBJECT_LABEL, DockerEngine
from brownout.harness.worlds.compose.inspected import ANY
from brownout.harness.worlds.compose.layout import TOXIPROXY

DEFAULT, CLIENTS, DOOR = "default", "brownout-clients", "brownout-door"
# What an image trusts is its own business; where it goes and as whom is not.
_UNSET = ELSEWHERE - frozenset(TRUST_NAMES)


class _Read(BaseModel):
    """A part of what `docker compose config` prints. Keys that a run has no use for are left."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class PublishedPort(_Read):
    """A port of a service on the machine; `published` is empty where the engine picks it, and may be a range."""

    host_ip: str = ""
    published: str = ""
    protocol: str = "tcp"


class UserService(_Read):
    """One service of the user's file."""

    image: str = ""
    build: Any = None
    network_mode: str = ""
    networks: Mapping[str, Any] | None = None
    depends_on: Mapping[str, Any] = Field(default_factory=dict)
    environment: Mapping[str, str | None] | None = None
    ports: tuple[PublishedPort, ...] = ()


class UserPlace(_Read):
    """A network or a volume of the user's file."""

    external: bool = False
    internal: bool = False


class UserProject(_Read):
    """The user's file as Compose resolves it."""

    name: str
    services: Mapping[str, UserService] = Field(default_factory=dict)
    networks: Mapping[str, UserPlace] = Field(default_factory=dict)
    volumes: Mapping[str, UserPlace] = Field(default_factory=dict)

    def along(self, service: str) -> tuple[str, ...]:
        """The service and all that it depends on, as `docker compose up SERVICE` starts them."""
        found, rest = {service: None}, [service]
        while rest:
            for name in self.services[rest.pop()].depends_on:
                if name in self.services and name not in found:
                    found[name] = None
                    rest.append(name)
        return tuple(found)

    def secrets_of(self, service: str, words: Iterable[str]) -> tuple[str, ...]:
        """Values of the service's own variables whose names have one of the words in them."""
        given = self.services[service].environment or {}
        found = (value for name, value in given.items() if value and any(word in name.upper() for word in words))
        return tuple(value.replace("$$", "$") for value in found)

    def image_of(self, service: str) -> str:
        """The image of a service, under the name that Compose gives one that it builds itself."""
        return self.services[service].image or f"{self.name}-{service}"


@dataclass(frozen=True, slots=True)
class Joined:
    """How a service joins a stack: what goes over the user's file. `port` is that on loopback, `environment` is added."""

    stack: str
    owner: str
    network: str
    port: int
    container_port: int
    environment: Mapping[str, str]


def read_project(file: Path) -> UserProject:
    """The user's file, resolved; raises UsageError for one that is not there or wrong, WorldError without Compose."""
    if not file.is_file():
        hint = "`subject.compose` is seen from the experiment's folder"
        raise UsageError(f"the subject's Compose file {file} is not there", hint=hint)
    hint = f"see `docker compose -f {file} config`"
    try:  # a service of a profile is not in what Compose prints unless that profile is asked for
        text = Compose("", file, {"COMPOSE_PROFILES": "*"}).run("config", "--format", "json")
        return UserProject.model_validate_json(text)
    except ValidationError as odd:
        raise UsageError(f"{file} cannot be used: {odd.errors()[0]['msg']}", hint=hint) from odd
    except WorldError as refused:
        raise UsageError(f"{file}: {refused.message}", hint=hint) from refused


def require_service(subject: Subject) -> None:
    """Raises UsageError where the service cannot be started beside a stack: nothing is started for this look."""
    file, service = Path(subject.compose), subject.service or ""
    project = read_project(file)
    if service not in project.services:
        raise UsageError(f"{file} has no service {service!r}", hint=did_you_mean(service, project.services))
    mode = project.services[service].network_mode
    if mode:
        raise UsageError(
            f"service {service} has `network_mode: {mode}` and cannot join the stack's client network",
            hint=f"leave `network_mode` out of {service}; its other networks stay, and the run publishes its port on {HOST}",
        )
    if TOXIPROXY in project.along(service):
        raise UsageError(
            f"service {service} brings a service named {TOXIPROXY}, which is the stack's own name on the network that it joins",
            hint="give yours another name",
        )
    _require_images(file, project, service)
    for name in project.along(service):
        for port in project.services[name].ports:
            _require_free(name, port)


def _require_images(file: Path, project: UserProject, service: str) -> None:
    """Raises UsageError for the first image that the engine does not have."""
    engine = DockerEngine()
    try:
        for name in project.along(service):
            image = project.image_of(name)
            if not engine.has_image(image):
                how = "build" if project.services[name].build else "pull"
                hint = f"`docker compose -f {file} {how} {name}` gets it; a run neither pulls nor builds"
                raise UsageError(f"the image {image} of service {name} is not there", hint=hint)
    finally:
        engine.close()


def _require_free(service: str, port: PublishedPort) -> None:
    """Raises UsageError where another program has the port; a range is the engine's to pick from."""
    if port.protocol != "tcp" or not port.published.isdigit():
        return
    where = port.host_ip or ANY
    with suppress(OSError), socket.create_server((where, int(port.published))):
        return
    raise UsageError(
        f"service {service} publishes port {port.published}, and another program has it or it cannot be had ({where})",
        hint=f"end that program, or leave `ports` out of {service}: the run publishes the port that it needs",
    )


def overlay(project: UserProject, service: str, joined: Joined) -> Mapping[str, Any]:
    """What goes over the user's file, as a Compose file."""
    labels = {SUBJECT_LABEL: joined.stack, OWNER_LABEL: joined.owner}
    own = dict.fromkeys(name for name, place in project.networks.items() if not place.external)
    made: dict[str, Any] = {name: {"labels": labels} for name in own}
    made |= {CLIENTS: {"external": True, "name": joined.network}}
    if DOOR in (joining := _networks(project, service)):
        made |= {DOOR: {"labels": labels}}
    services: dict[str, Any] = {name: {"labels": labels, "image": project.image_of(name)} for name in project.along(service)}
    services[service] |= {
        "environment": {**dict.fromkeys(_UNSET), **{key: _escaped(value) for key, value in joined.environment.items()}},
        "networks": dict.fromkeys(joining),
        "ports": [f"{HOST}:{joined.port}:{joined.container_port}"],
        "restart": "no",  # one that ends shall be seen to have ended
        "logging": {"driver": "json-file", "options": {"max-size": "50m", "max-file": "2"}},
    }
    volumes = {name: {"labels": labels} for name, place in project.volumes.items() if not place.external}
    return {"services": services, "networks": made, "volumes": volumes}


def _escaped(value: str) -> str:
    """A value that Compose does not take for one with variables in it."""
    return value.replace("$", "$$")


def _networks(project: UserProject, service: str) -> tuple[str, ...]:
    """The networks that are added to a service: the stack's and, where Compose would now leave it out, the project's own.

    A port of a service that is on internal networks only cannot be published: it gets one network more for that.
    """
    theirs = tuple(project.services[service].networks or {DEFAULT: None})
    closed = all(project.networks.get(name, UserPlace()).internal for name in theirs)
    return (*((DEFAULT,) if DEFAULT in theirs else ()), CLIENTS, *((DOOR,) if closed else ()))
