"""Bringing a stack of containers up and taking it down, with nothing left on the engine.

Theory. The stack's name is written to `world.json` before the first call to the engine, and everything on the engine carries
that name as a label. So a later command finds and removes all of it by the label alone, also if the starter was killed. The
specification goes into the shared volume between `create` and `up`. The clock follows once every node waits for it, so that
all nodes begin at the same moment (brownout.identity.server.shared_spec).
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx
import orjson

from brownout.harness.base import hints
from brownout.harness.base.files import OWNER_ONLY, read_regular, replace_whole
from brownout.harness.base.ports import HOST, NoPortError, consecutive_ports
from brownout.harness.base.statedir import state_dir
from brownout.harness.errors import StackGone, WorldError
from brownout.harness.worlds.catalog import COMPOSE
from brownout.harness.worlds.compose.cli import PORT_TAKEN, Compose, version
from brownout.harness.worlds.compose.compose_files import COMPOSE_NAME, PROXIES_NAME, write_compose_files
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.image_names import FIREWALL_IMAGE, IDENTITY_IMAGE, TOXIPROXY_IMAGE
from brownout.harness.worlds.compose.init_container import PORTS_VARIABLE, served_stack
from brownout.harness.worlds.compose.inspected import Container
from brownout.harness.worlds.compose.layout import (
    FIREWALL,
    INIT,
    SPEC_FOLDER,
    control_name,
    proxies,
    published_ports,
    service_of,
)
from brownout.harness.worlds.live.served_file import write_served
from brownout.harness.worlds.live.trust import CA_NAME, TRUST_NAME, make_trust
from brownout.identity.core.topology import HEALTH_PATH, StackSpec
from brownout.identity.server.clock import Clock
from brownout.identity.server.shared_spec import GO_NAME, SPEC_NAME
from brownout.identity.server.spec_file import ServedStack

SCHEMA = "brownout/world/v1"
RECORD_NAME, HOLDS_NAME, VARIABLES_NAME = "world.json", "node-holds.json", "compose.env"
USER_ID = 10001
START_TIMEOUT_S = 60.0
LOOK_INTERVAL_S = 0.02
PORT_ATTEMPTS = 3
HEALTH_INTERVAL = "30s"


@dataclass(frozen=True, slots=True)
class ComposeStack:
    """A stack on the engine, up or being started: all that another process needs to use it or to take it down.

    The published proxies have the loopback ports from `first_port` to `last_port`; the one after is Toxiproxy's API, the next
    the firewall's control plane.
    """

    folder: Path
    stack: str
    project: str
    first_port: int
    last_port: int

    @property
    def published(self) -> int:
        """How many proxies are published."""
        return self.last_port - self.first_port + 1

    @property
    def api_port(self) -> int:
        return self.last_port + 1

    @property
    def toxiproxy_url(self) -> str:
        return f"http://{HOST}:{self.api_port}"

    @property
    def firewall_url(self) -> str:
        return f"http://{HOST}:{self.api_port + 1}"

    def compose(self, tags: Mapping[str, str] | None = None) -> Compose:
        """The stack as a compose project; `tags` are image tags by variable, where a node has another than the usual one."""
        variables = {
            "BROWNOUT_STACK": self.stack,
            "BROWNOUT_OWNER": owner(),
            PORTS_VARIABLE: f"{self.first_port}-{self.last_port}",
            "BROWNOUT_API_PORTS": f"{self.api_port}-{self.api_port + 1}",
            "BROWNOUT_HEALTH_INTERVAL": HEALTH_INTERVAL,
        }
        return Compose(self.project, self.folder / COMPOSE_NAME, {**variables, **(tags or {})})

    def write(self) -> None:
        """Writes the record and, for `docker compose --env-file` by hand, the variables of the stack, its file among them."""
        compose = self.compose()
        variables = {"COMPOSE_PROJECT_NAME": self.project, "COMPOSE_FILE": str(compose.file), **compose.variables}
        lines = [f"{name}={value}" for name, value in variables.items()]
        replace_whole(self.folder / VARIABLES_NAME, "\n".join((*lines, "")), durable=True, mode=OWNER_ONLY)
        row = {"schema": SCHEMA, "world": COMPOSE, **asdict(self), "folder": str(self.folder)}
        content = orjson.dumps(row, option=orjson.OPT_INDENT_2)
        # durable: after a power cut it says which containers to take away
        replace_whole(self.folder / RECORD_NAME, content, durable=True, mode=OWNER_ONLY)


def owner() -> str:
    """The owner label: user, machine and a digest of the state folder. Stacks of another owner are left alone."""
    place = hashlib.sha256(str(state_dir().resolve()).encode()).hexdigest()[:8]
    return f"{_user_name()}@{socket.gethostname()}-{place}"


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an uid that the system has no name for
        return str(os.getuid())


def read_compose_stack(folder: Path) -> ComposeStack:
    """The stack of `folder` as recorded, up or not; raises StackGone when none is recorded."""
    try:
        row = orjson.loads(read_regular(folder / RECORD_NAME))
        if (row["schema"], row["world"]) != (SCHEMA, COMPOSE):
            raise WorldError(f"{folder / RECORD_NAME} is not of this version and world ({row['schema']}, {row['world']})")
        ports = int(row["first_port"]), int(row["last_port"])
        return ComposeStack(folder, str(row["stack"]), str(row["project"]), *ports)
    except FileNotFoundError:
        raise StackGone(f"no stack is up in {folder}", hint="`brownout up --world compose` brings one up") from None
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        hint = "by it a stack is found on the engine: remove its containers by hand, if there are any, and its folder"
        raise WorldError(f"{folder / RECORD_NAME} cannot be read: {wrong}", hint=hint) from wrong


def prepare() -> str:
    """Checks engine, Compose and images; returns a line with the versions. Raises WorldError for what is missing or too old."""
    compose = version()
    engine = DockerEngine()
    try:
        missing = missing_images(engine)
        if missing:
            raise WorldError(f"images are missing: {', '.join(missing)}", hint=hints.images())
        return f"Docker {engine.version}, Compose {compose}"
    finally:
        engine.close()


def missing_images(engine: DockerEngine) -> tuple[str, ...]:
    """Those of the wanted images that the engine does not have."""
    return tuple(name for name in wanted_images() if not engine.has_image(name))


def wanted_images() -> tuple[str, ...]:
    """The images that a stack needs."""
    return (IDENTITY_IMAGE, FIREWALL_IMAGE, TOXIPROXY_IMAGE)


def bring_up(stack: StackSpec, folder: Path, *, epoch_s: float, rate: float) -> tuple[ComposeStack, ServedStack]:
    """Starts every container of the stack and returns when all nodes have the clock and begin.

    Raises WorldError, with nothing left on the engine.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / RECORD_NAME).exists():
        raise WorldError(f"a stack is up in {folder} already", hint="`brownout down` takes it down")
    for attempt in range(1, PORT_ATTEMPTS + 1):
        write_compose_files(stack, folder)  # each attempt takes down what it wrote
        running = _choose_ports(stack, folder)
        try:
            return running, _start_containers(running, stack, epoch_s=epoch_s, rate=rate)
        except BaseException as failed:
            take_down(running)
            # Another program may have taken a port after it was found free and before the engine bound it: choose again.
            if attempt == PORT_ATTEMPTS or not isinstance(failed, WorldError) or PORT_TAKEN not in failed.message:
                raise
    raise AssertionError("the last attempt returns or raises")


def _choose_ports(stack: StackSpec, folder: Path) -> ComposeStack:
    count = published_count(stack)
    try:
        first = consecutive_ports(count + 2)
    except NoPortError as none:
        raise WorldError(str(none), hint="`brownout doctor` looks for what may be wrong with this machine") from none
    running = ComposeStack(folder, folder.name, f"brownout-{folder.name}", first, first + count - 1)
    running.write()
    return running


def published_count(stack: StackSpec) -> int:
    """How many ports a stack has on loopback, beside those of Toxiproxy's API and of the firewall."""
    return sum(proxy.published for proxy in proxies(stack))


def _start_containers(running: ComposeStack, stack: StackSpec, *, epoch_s: float, rate: float) -> ServedStack:
    """Starts the containers; raises WorldError, with the containers that did start left to the caller to remove."""
    compose = running.compose()
    clock, authority = Clock.starting_now(epoch_s, rate), make_trust(running.folder, stack)
    served = served_stack(stack, clock, authority, first_port=running.first_port)
    write_served(running.folder / SPEC_NAME, served)
    engine = DockerEngine()
    try:
        compose.run("create", "--quiet-pull", "--no-build", "--pull", "missing")
        init = _required(engine, running, INIT).id
        engine.containers.put_file(init, SPEC_FOLDER, SPEC_NAME, (running.folder / SPEC_NAME).read_bytes(), uid=USER_ID)
        compose.run("up", "--detach", "--no-build", "--no-recreate", "--quiet-pull")
        _await_waiting(engine, running, stack)
        _await_firewall(engine, running)
        served = replace(served, clock=Clock.starting_now(epoch_s, rate))
        engine.containers.put_file(init, SPEC_FOLDER, GO_NAME, orjson.dumps(served.clock.to_record()), uid=USER_ID)
    finally:
        engine.close()
    write_served(running.folder / SPEC_NAME, served)
    return served


def share(engine: DockerEngine, running: ComposeStack, name: str, content: bytes) -> None:
    """Puts a file into the folder that all containers of the stack share; raises WorldError."""
    engine.containers.put_file(_required(engine, running, INIT).id, SPEC_FOLDER, name, content, uid=USER_ID)


def _required(engine: DockerEngine, running: ComposeStack, service: str) -> Container:
    found = engine.containers.find(running.stack, service)
    if found is None:
        raise WorldError(f"Compose did not make the container {service}", hint="`brownout doctor` looks for what may be wrong")
    return found


def _await_waiting(engine: DockerEngine, running: ComposeStack, stack: StackSpec) -> None:
    """Returns when every node has imported what it needs and waits for the go; raises WorldError."""
    ports = published_ports(stack, running.first_port)
    deadline_s = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        for node in stack.nodes():
            while not _answers(client, f"http://{HOST}:{ports[control_name(node)]}{HEALTH_PATH}"):
                if time.monotonic() > deadline_s:
                    raise WorldError(f"{node} did not start in {START_TIMEOUT_S:g} s\n{log_tail(engine, running, node)}")
                time.sleep(LOOK_INTERVAL_S)  # there is no event to wait for
                require_alive(engine, running, node)


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        client.get(url)
    except httpx.TransportError:
        return False
    return True


def require_alive(engine: DockerEngine, running: ComposeStack, node: str) -> None:
    """Raises WorldError when the node's container has ended."""
    found = engine.containers.find(running.stack, service_of(node))
    if found is not None and found.state in ("exited", "dead"):
        raise WorldError(f"{node} ended at its start\n{log_tail(engine, running, node)}")


def _await_firewall(engine: DockerEngine, running: ComposeStack) -> None:
    """Returns when the packet rules around Toxiproxy are in place; raises WorldError."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(trust_env=False, timeout=2.0) as client:
        while not _answers(client, f"{running.firewall_url}/healthz"):
            firewall = _required(engine, running, FIREWALL)
            if time.monotonic() > deadline_s or firewall.state in ("exited", "dead"):
                said = engine.containers.logs(firewall.id, 8)
                raise WorldError(f"the firewall around Toxiproxy did not come up\n{said}")
            time.sleep(LOOK_INTERVAL_S)  # there is no event to wait for


def log_tail(engine: DockerEngine, running: ComposeStack, node: str) -> str:
    """The last lines that a node's container printed."""
    found = engine.containers.find(running.stack, service_of(node))
    return engine.containers.logs(found.id, 12) if found is not None else "(it has no container)"


def take_down(running: ComposeStack) -> None:
    """Removes everything of the stack from the engine, and its secrets; may run twice. Raises WorldError."""
    engine = DockerEngine()
    try:
        engine.remove_stack(running.stack)
    finally:
        engine.close()
    for name in (SPEC_NAME, HOLDS_NAME, VARIABLES_NAME, COMPOSE_NAME, PROXIES_NAME, CA_NAME, TRUST_NAME, RECORD_NAME):
        (running.folder / name).unlink(missing_ok=True)
