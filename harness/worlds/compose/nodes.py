"""Nodes as carriers of holds in containers: the state of a container is computed from the set of holds on its node.

    effect          the container                                  undone by
    restarted       was restarted once                             (nothing)
    disconnected    runs, off its region's network                 its network again, under its name
    old-image       runs from the image of an older build          its usual image; its volume stays
    paused          every process frozen (cgroup freezer)          thaw
    stopped         asked to end (SIGTERM), ended, away            start
    down            killed (SIGKILL), away                         start
    wiped           removed with its volume: its disk is empty     a new container on a new volume

Of several effects the lowest in this table wins; `disconnected` and `old-image` combine with any. The engine cannot label an
existing container, so the sets are stored in a file in the stack's folder. A hold is written before the engine is called and
removed after. So even if a process dies in between, a release of its id repairs the container. A hold with the effect
`restarted` records the start time of the process to be `ended`, so that a repeated attempt does not restart it twice.

Any number of processes and threads may change nodes. Each node has its own lock, so that all nodes of a region can be killed
or started at the same time. The lock of the file is held for one read and write only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from brownout.harness.base.files import OWNER_ONLY, FileLock, read_regular, replace_whole
from brownout.harness.base.ports import HOST
from brownout.harness.effects import NodeEffect, NodeEffectKind
from brownout.harness.errors import WorldError
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.image_names import tag_of
from brownout.harness.worlds.compose.inspected import Container
from brownout.harness.worlds.compose.layout import (
    OLD_BUILDS,
    control_name,
    network_of,
    published_ports,
    service_of,
    tag_variable,
)
from brownout.harness.worlds.compose.stack import HOLDS_NAME, ComposeStack
from brownout.identity.core.topology import StackSpec

AWAY: tuple[NodeEffectKind, ...] = (
    "wiped",
    "down",
    "stopped",
)  # the container does not run; the first that is held decides how
STOP_PATIENCE_S = 5
TURN_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 60.0  # on a machine with much else to do, while a whole region starts
LOOK_INTERVAL_S = 0.02
_GONE = ("exited", "created", "dead")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a set of holds asks for. `away` is one of AWAY or empty, `build` that of an old image or empty."""

    away: str = ""
    paused: bool = False
    disconnected: bool = False
    build: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as the stack's file has it: the effect, and of a restart when the process to be `ended` had begun."""

    effect: NodeEffect
    ended: str = ""

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Held:
        return cls(NodeEffect.from_json(record), str(record.get("ended") or ""))

    def to_json(self) -> dict[str, Any]:
        return self.effect.to_json() | ({"ended": self.ended} if self.ended else {})


Holds = Mapping[str, Held]


def wanted(holds: Holds) -> Wanted:
    """What the set of holds asks for; a pure function of the set."""
    effects = {held.effect.effect for held in holds.values()}
    builds = [held.effect.build for held in holds.values() if held.effect.effect == "old-image"]
    away = next((effect for effect in AWAY if effect in effects), "")
    return Wanted(away, "paused" in effects, "disconnected" in effects, builds[-1] if builds else "")


class NodeHolds:
    """The holds on the nodes of one stack. Every method raises WorldError when the engine does not do its part."""

    def __init__(self, engine: DockerEngine, running: ComposeStack, stack: StackSpec) -> None:
        self._engine, self._containers, self._running = engine, engine.containers, running
        self._path = running.folder / HOLDS_NAME
        ports = published_ports(stack, running.first_port)
        self._health = {
            node: f"http://{HOST}:{ports[control_name(node)]}{stack.control_path}/healthz" for node in stack.nodes()
        }

    def hold(self, node: str, fault_id: str, effect: NodeEffect) -> Mapping[str, Any]:
        """Adds a hold, or replaces that id's, and returns the report once it is in force."""
        if effect.effect == "old-image" and effect.build not in OLD_BUILDS:
            raise WorldError(
                f"there is no image of build {effect.build!r}", hint=f"there are images of {', '.join(OLD_BUILDS)}"
            )
        with self._turn(node):
            held = self._read().get(node, {})
            ended = self._to_be_ended(node, held.get(fault_id)) if effect.effect == "restarted" else ""
            self._keep(node, {**held, fault_id: Held(effect, ended)})  # on disk before the engine acts, see above
            self._end_for_restart(node, ended)
            self._settle(node)
        return self.read(node)

    def release(self, node: str, fault_id: str) -> None:
        """Removes a hold; success also where there is none."""
        with self._turn(node):
            held = self._read().get(node, {})
            left = {known: hold for known, hold in held.items() if known != fault_id}
            self._settle(node, left)
            self._keep(node, left)  # only now: if the engine fails, the hold is still known and a release can be repeated

    def _keep(self, node: str, held: Holds) -> None:
        """Writes the set of one node, whose lock the caller holds."""
        with self._turn("file"):
            self._write({**self._read(), node: held})

    def read(self, node: str) -> Mapping[str, Any]:
        """The node's report: `state` (of the container), `holds`, `pid`, `kept` (whether it has a volume).

        `lacking` is there where another program changed what the holds ask for.

        Where there is a container also `image`, `started_at`, `connected`; where it ended by itself `exit` and `last_lines`.
        """
        seen = self._seen(node)
        if seen["state"] == "dead":
            with self._turn(node):  # a restart and another image take it away for a moment, and have this turn
                seen = self._seen(node)
        return seen

    def _seen(self, node: str) -> Mapping[str, Any]:
        found = self._container(node)
        holds = self._read().get(node, {})
        reported = {fault_id: held.to_json() for fault_id, held in holds.items()}
        seen = {"node": node, "holds": reported, "pid": found.pid if found else 0}
        if found is None:
            return {**seen, "state": "down", "kept": self._engine.has_volume(self._volume(node))}
        state = "paused" if found.state == "paused" else "running" if found.running else "down"
        if state == "down" and not wanted(holds).away:
            state = "dead"
        connected = network_of(node) in found.addresses
        more = {"state": state, "image": found.image, "started_at": found.started_at, "connected": connected, "kept": True}
        end = {"exit": found.exit_code, "last_lines": self._containers.logs(found.id, 12)} if state == "dead" else {}
        lacking = _lacking(wanted(holds), state, found.image, connected=connected)
        return {**seen, **more, **end, **({"lacking": lacking} if lacking else {})}

    def resume_command(self, node: str, _: Mapping[str, Any]) -> str:
        """The engine has frozen the container, and a signal does not thaw it."""
        return f"docker unpause {self._running.project}-{service_of(node)}-1"

    def _container(self, node: str) -> Container | None:
        return self._containers.find(self._running.stack, service_of(node))

    def _settle(self, node: str, holds: Holds | None = None) -> None:
        """Takes the container to the state that the holds ask for. Does nothing if it is in that state."""
        goal = wanted(self._read().get(node, {}) if holds is None else holds)
        found = self._container(node)
        if goal.away == "wiped":
            self._wipe(node, found)
            return
        if found is None or found.image.rpartition(":")[2] != tag_of(goal.build):
            found = self._recreate(node, goal)
        self._settle_running(node, found, goal)
        self._settle_network(node, goal)
        if not (goal.away or goal.paused or goal.disconnected):
            self._await_answer(node)

    def _settle_running(self, node: str, found: Container, goal: Wanted) -> None:
        # A frozen container handles no signal, so it is thawed before it is stopped.
        if found.state == "paused" and (goal.away or not goal.paused):
            self._containers.unpause(found.id)
            found = self._containers.await_state(found.id, lambda seen: seen.state != "paused", wanted="unpaused")
        if goal.away and found.running:
            self._containers.kill(found.id) if goal.away == "down" else self._containers.stop(found.id, STOP_PATIENCE_S)
            self._containers.await_state(found.id, lambda seen: seen.state in _GONE, wanted=goal.away)
        if not goal.away and found.state in _GONE:
            self._containers.start(found.id)
            found = self._containers.await_state(found.id, lambda seen: seen.running, wanted="running")
        if goal.paused and found.running and not goal.away:
            # Frozen before its port is open, it would refuse connections instead of leaving them unanswered.
            if network_of(node) in found.addresses:
                self._await_answer(node)
            self._containers.pause(found.id)
            self._containers.await_state(found.id, lambda seen: seen.state == "paused", wanted="paused")

    def _settle_network(self, node: str, goal: Wanted) -> None:
        found = self._container(node)
        network = network_of(node)
        if found is None or goal.disconnected == (network not in found.addresses):
            return
        named = f"{self._running.project}_{network}"
        if goal.disconnected:
            self._containers.disconnect(found.id, named)
        else:
            self._containers.connect(found.id, named, [service_of(node)])

    def _to_be_ended(self, node: str, held: Held | None) -> str:
        """The start time of the process that a restart ends: as an earlier attempt recorded it, else of the running one."""
        if held is not None and held.effect.effect == "restarted":
            return held.ended
        found = self._container(node)
        if found is None or not found.running:
            raise WorldError(f"{node} does not run, so it cannot be restarted", hint="release what holds it first")
        return found.started_at

    def _end_for_restart(self, node: str, began: str) -> None:
        """Stops the process with that start time; the settling that follows starts the container again."""
        found = self._container(node) if began else None
        if found is not None and found.running and found.started_at == began:
            self._containers.stop(found.id, STOP_PATIENCE_S)

    def _volume(self, node: str) -> str:
        return f"{self._running.project}_{service_of(node)}"

    def _wipe(self, node: str, found: Container | None) -> None:
        if found is not None:
            self._containers.remove(found.id)
        self._engine.remove_volume(self._volume(node))

    def _recreate(self, node: str, goal: Wanted) -> Container:
        """A new container on the node's volume (a new one, where it was wiped), from the image that is asked for.

        A container that is to be stopped is not started first: a process in its first moments does not handle SIGTERM yet.
        """
        tags = {tag_variable(node): tag_of(goal.build)}
        how = "--no-start" if goal.away else "--detach"
        compose = self._running.compose(tags)
        compose.run("up", how, "--no-deps", "--no-build", "--quiet-pull", "--force-recreate", service_of(node))
        made = self._container(node)
        if made is None:
            raise WorldError(f"Compose did not make the container of {node} again", hint="`brownout down` takes the stack away")
        return made

    def _await_answer(self, node: str) -> None:
        """Returns once the node answers requests on its port; raises WorldError after ANSWER_TIMEOUT_S."""
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        with httpx.Client(trust_env=False, verify=False, timeout=2.0) as client:  # noqa: S501  # plain HTTP
            while not _answers(client, self._health[node]):
                if time.monotonic() > deadline_s:
                    raise WorldError(f"{node} runs and does not answer after {ANSWER_TIMEOUT_S:g} s")
                time.sleep(LOOK_INTERVAL_S)  # there is no event to wait for

    def _read(self) -> dict[str, Holds]:
        try:
            found: dict[str, dict[str, dict[str, Any]]] = orjson.loads(read_regular(self._path))
            return {
                node: {fault_id: Held.from_json(record) for fault_id, record in records.items()}
                for node, records in found.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as wrong:
            raise WorldError(f"{self._path} cannot be read: {wrong}", hint="`brownout down` takes the stack away") from wrong

    def _write(self, holds: Mapping[str, Holds]) -> None:
        records = {node: {fault_id: one.to_json() for fault_id, one in held.items()} for node, held in holds.items() if held}
        # durable: after a power cut it says which containers to start or thaw again
        replace_whole(self._path, orjson.dumps(records), durable=True, mode=OWNER_ONLY)

    @contextmanager
    def _turn(self, of: str) -> Iterator[None]:
        """Takes the lock for changes of a node. After TURN_TIMEOUT_S the block runs without it.

        A runner that was paused with the lock in hand must not keep a guardian from reverting.
        """
        with FileLock(self._path.with_name(f"{self._path.stem}.{of}.lock")) as lock:
            lock.take(patience_s=TURN_TIMEOUT_S)
            yield


def _lacking(goal: Wanted, state: str, image: str, *, connected: bool) -> list[str]:
    """What the holds ask for and a container that is there is not."""
    if goal.away:
        away = state == "down" and goal.away != "wiped"
        return [] if away else [f"has a container that is {state}, though it is {goal.away}"]
    checks = (
        (goal.paused and state != "paused", f"is {state}, though it is held paused"),
        (goal.disconnected and connected, "is on its network, though it is held off it"),
        (bool(goal.build) and image.rpartition(":")[2] != tag_of(goal.build), f"runs the image {image}, not {goal.build}'s"),
    )
    return [text for is_so, text in checks if is_so]


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code < 600
    except httpx.TransportError:
        return False
