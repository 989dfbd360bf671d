"""The Docker engine, as far as a stack needs it: the only file that imports the docker library.

Containers, networks and volumes of a stack carry the label `brownout.stack` with the stack's id, and those of an application
that a run starts beside it `brownout.subject`. Whatever is changed or removed here was found by one of these labels, so nothing
of another project can be touched.

The library raises its own errors and those of `requests`; each becomes an EngineError with a hint. Calls are blocking and
bounded in time; coroutines run them in threads.
"""

from __future__ import annotations

import io
import os
import socket
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import docker
import docker.errors
import requests

from brownout.harness.base import hints
from brownout.harness.errors import WorldError
from brownout.harness.worlds.compose.inspected import (
    SERVICE_LABEL,
    Confined,
    Container,
    Network,
    read_confined,
    read_container,
    read_network,
)

STACK_LABEL, SUBJECT_LABEL, OWNER_LABEL = "brownout.stack", "brownout.subject", "brownout.owner"
LOCAL_ENGINE = "unix:///var/run/docker.sock"  # where the library looks, too
OLDEST_API = (1, 41)  # Docker 20.10
TIMEOUT_S = 30.0
CHANGE_TIMEOUT_S = 15.0
LOOK_INTERVAL_S = 0.01
REMOVERS = 4
SETTLE_S = 1.0
FREEZE_TRIES = 5
_START_HINT = "start it (`systemctl start docker`, or Docker Desktop), or use --world processes, which needs no engine"


class EngineError(WorldError):
    """The engine is missing, refuses or does not answer."""


@contextmanager
def _calling(doing: str) -> Iterator[None]:
    """Turns the library's errors into an EngineError that says what could not be done."""
    try:
        yield
    except docker.errors.APIError as refused:
        words = str(refused.explanation or refused)
        raise EngineError(f"the Docker engine could not {doing}: {words}", hint=_hint_for(words)) from refused
    except (docker.errors.DockerException, requests.RequestException) as failed:
        raise EngineError(f"the Docker engine could not {doing}: it does not answer ({failed})", hint=_START_HINT) from failed


def _hint_for(words: str) -> str:
    if "no space left" in words:
        return "free disk space (`docker system df` lists what takes it)"
    if "No such image" in words:
        return hints.images()
    return "`brownout doctor` looks for what may be wrong"


class Containers:
    """What can be looked up about and done to single containers, which are named by id. Raises EngineError in every method."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._client = client

    def of_stack(self, stack: str) -> Mapping[str, Container]:
        """Every container of a stack by compose service, running or not."""
        with _calling("list containers"):
            found = self._client.containers.list(all=True, filters={"label": f"{STACK_LABEL}={stack}"}, ignore_removed=True)
            described = [read_container(each.attrs) for each in found]
        return {each.service: each for each in described}

    def find(self, stack: str, service: str, *, label: str = STACK_LABEL) -> Container | None:
        """The container of one compose service of a stack, or of its subject by that one's label; None when there is none."""
        labels = [f"{label}={stack}", f"{SERVICE_LABEL}={service}"]
        with _calling("look for a container"):
            found = self._client.api.containers(all=True, filters={"label": labels})
        return self.look(found[0]["Id"]) if found else None

    def run(self, image: str, command: Sequence[str], *, name: str, network: str, labels: Mapping[str, str]) -> Container:
        """Starts a container with no rights on one network, and returns it running."""
        with _calling(f"run {name}"):
            made = self._client.containers.run(
                image,
                list(command),
                name=name,
                network=network,
                labels=dict(labels),
                entrypoint="python3",
                detach=True,
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges:true"],
            )
        return self.await_state(str(made.id), lambda seen: bool(seen.addresses.get(network)), wanted="running")

    def look(self, container: str) -> Container | None:
        """One container as it is now; None when there is none."""
        try:
            return read_container(self._client.api.inspect_container(container))
        except docker.errors.NotFound:
            return None
        except (docker.errors.DockerException, requests.RequestException) as failed:
            raise EngineError(f"the Docker engine does not answer: {_plainest_cause(failed)}", hint=_START_HINT) from failed

    def await_state(self, container: str, ready: Callable[[Container], bool], *, wanted: str) -> Container:
        """Returns the container once `ready` is true of it; raises EngineError after CHANGE_TIMEOUT_S or its removal."""
        deadline_s = time.monotonic() + CHANGE_TIMEOUT_S
        while True:
            seen = self.look(container)
            if seen is None:
                raise EngineError(f"the container that should become {wanted} is gone")
            if ready(seen):
                return seen
            if time.monotonic() > deadline_s:
                raise EngineError(f"{seen.service} did not become {wanted} in {CHANGE_TIMEOUT_S:g} s, it is {seen.state}")
            time.sleep(LOOK_INTERVAL_S)  # the engine's events come later than its answers

    def kill(self, container: str) -> None:
        with _calling("kill a container"):
            self._client.api.kill(container, "SIGKILL")

    def stop(self, container: str, patience_s: int) -> None:
        with _calling("stop a container"):
            self._client.api.stop(container, timeout=patience_s)

    def start(self, container: str) -> None:
        with _calling("start a container"):
            self._client.api.start(container)

    def pause(self, container: str) -> None:
        """Freezes every process of the container. The runtime gives up on one that forks meanwhile, and is asked again."""
        for tries_left in reversed(range(FREEZE_TRIES)):
            try:
                with _calling("pause a container"):
                    self._client.api.pause(container)
                return
            except EngineError as failed:
                if not tries_left or "unable to freeze" not in failed.message:
                    raise

    def unpause(self, container: str) -> None:
        with _calling("unpause a container"):
            self._client.api.unpause(container)

    def remove(self, container: str) -> None:
        """Kills the container, if it runs, and removes it with its nameless volumes; success also where there is none."""
        with _calling("remove a container"), _ignoring_absence():
            self._client.api.remove_container(container, v=True, force=True)

    def disconnect(self, container: str, network: str) -> None:
        with _calling("take a container off its network"):
            self._client.api.disconnect_container_from_network(container, network, force=True)

    def connect(self, container: str, network: str, aliases: Sequence[str]) -> None:
        with _calling("put a container on its network"):
            self._client.api.connect_container_to_network(container, network, aliases=list(aliases))

    def run_in(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        """Runs a command inside; its exit code and what it printed."""
        with _calling(f"run {command[0]} in a container"):
            done = self._client.api.exec_create(container, list(command))
            printed = self._client.api.exec_start(done["Id"])
            return int(self._client.api.exec_inspect(done["Id"])["ExitCode"]), bytes(printed).decode("utf-8", "replace")

    def put_file(self, container: str, folder: str, name: str, content: bytes, *, uid: int) -> None:
        """Puts a file of mode 0440 into a folder of a container that need not run; its volumes are there all the same.

        A reader that waits for the name finds a whole file: the engine unpacks in order and creates a file before it sets
        owner and mode, so the content is unpacked as `NAME.new` and NAME comes last, as a hard link to it.
        """
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(f"{name}.new")
            entry.size, entry.mode, entry.uid, entry.gid, entry.mtime = len(content), 0o440, uid, uid, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
            entry.name, entry.size, entry.type, entry.linkname = name, 0, tarfile.LNKTYPE, entry.name
            archive.addfile(entry)
        with _calling(f"copy {name} into a container"):
            self._client.api.put_archive(container, folder, packed.getvalue())

    def logs(self, container: str, lines: int) -> str:
        with _calling("read a container's log"):
            return bytes(self._client.api.logs(container, tail=lines)).decode("utf-8", "replace")

    def memory_bytes(self, container: str) -> int:
        """What the container's processes take, less the page cache that the kernel may drop."""
        with _calling("read a container's figures"):
            used = self._client.api.stats(container, stream=False, one_shot=True)["memory_stats"]
            cache = used.get("stats", {})
            return int(used.get("usage", 0)) - int(cache.get("total_inactive_file", cache.get("inactive_file", 0)))


class DockerEngine:
    """The engine that the environment names (DOCKER_HOST, else the local one). Raises EngineError in every method.

    Images, networks, volumes and whole stacks are asked for here, single containers through `containers`.
    """

    def __init__(self) -> None:
        _require_socket()
        try:
            self._client = docker.DockerClient.from_env(timeout=int(TIMEOUT_S))
            self._about: Mapping[str, Any] = self._client.version()
            self.containers = Containers(self._client)
        except (docker.errors.DockerException, requests.RequestException) as failed:
            raise EngineError(f"no Docker engine answers: {_plainest_cause(failed)}", hint=_START_HINT) from failed
        if tuple(int(part) for part in self._about["ApiVersion"].split(".")) < OLDEST_API:
            self.close()
            hint = "upgrade to Docker 20.10 or newer, or use --world processes"
            raise EngineError(f"Docker {self.version} is too old", hint=hint)

    @property
    def version(self) -> str:
        return str(self._about["Version"])

    def close(self) -> None:
        self._client.close()

    def has_image(self, name: str) -> bool:
        try:
            self._client.images.get(name)
        except docker.errors.ImageNotFound:
            return False
        except (docker.errors.DockerException, requests.RequestException) as failed:
            raise EngineError(f"the Docker engine does not answer: {_plainest_cause(failed)}", hint=_START_HINT) from failed
        return True

    def stacks(self) -> Mapping[str, str]:
        """Every stack that has left anything on the engine, or whose subject has, with its owner."""
        stacks: dict[str, str] = {}
        for label in (SUBJECT_LABEL, STACK_LABEL):
            with _calling("list what carries our label"):
                rows = [row.attrs["Labels"] for row in self._client.volumes.list(filters={"label": label})]
                rows += [row.attrs["Labels"] for row in self._client.networks.list(filters={"label": label})]
                found = self._client.containers.list(all=True, filters={"label": label}, ignore_removed=True)
                rows += [each.labels for each in found]
            stacks |= {row[label]: row.get(OWNER_LABEL, "") for row in rows}
        return stacks

    def confined(self, stack: str) -> tuple[Confined, ...]:
        """How every container of a stack is held, by name."""
        with _calling("look at containers"):
            found = self._client.containers.list(all=True, filters={"label": f"{STACK_LABEL}={stack}"}, ignore_removed=True)
            return tuple(sorted((read_confined(each.attrs) for each in found), key=lambda each: each.name))

    def networks(self, stack: str = "") -> tuple[Network, ...]:
        """The networks of a stack, or all that the engine has, with who is on them."""
        with _calling("look at networks"):
            filters = {"label": f"{STACK_LABEL}={stack}"} if stack else {}
            rows: list[Network] = []
            for each in self._client.networks.list(filters=filters):
                with _ignoring_absence():
                    rows.append(read_network(self._client.api.inspect_network(each.id)))
            return tuple(rows)

    def make_network(self, name: str, labels: Mapping[str, str]) -> str:
        """A network of the ordinary kind that hides no source address; its id."""
        options = {"com.docker.network.bridge.enable_ip_masquerade": "false"}
        with _calling("make a network"):
            return str(self._client.networks.create(name, driver="bridge", options=options, labels=dict(labels)).id)

    def remove_network(self, name: str) -> None:
        """Removes a network without containers; success also where there is none."""
        with _calling("remove a network"), _ignoring_absence():
            self._client.api.remove_network(name)

    @property
    def data_folder(self) -> str:
        """The folder of images and volumes, as a path on the engine's machine."""
        with _calling("describe itself"):
            return str(self._client.info()["DockerRootDir"])

    def has_volume(self, name: str) -> bool:
        with _calling("look for a volume"):
            return any(found.name == name for found in self._client.volumes.list(filters={"name": name}))

    def remove_volume(self, name: str) -> None:
        with _calling("remove a volume"), _ignoring_absence():
            self._client.api.remove_volume(name, force=True)

    def stop_services(self, stack: str, services: Sequence[str], patience_s: int) -> tuple[str, ...]:
        """Stops all running containers of some services of a stack at once, however many each has; their names."""
        label = {"label": f"{STACK_LABEL}={stack}"}
        with _calling("stop containers"):
            found = self._client.api.containers(filters=label)  # those that run, restart or are paused
            ours = {each["Id"]: each["Names"][0].lstrip("/") for each in found if each["Labels"].get(SERVICE_LABEL) in services}
            if ours:
                with ThreadPoolExecutor(max_workers=len(ours)) as pool:
                    for stopped in [pool.submit(self._stop_or_gone, container, patience_s) for container in ours]:
                        stopped.result()
        return tuple(sorted(ours.values()))

    def _stop_or_gone(self, container: str, patience_s: int) -> None:
        with _ignoring_absence():
            self._client.api.stop(container, timeout=patience_s)

    def remove_stack(self, stack: str) -> None:
        """Removes all of a stack and its subject from the engine, and nothing else; raises EngineError for what stays.

        If the process that was starting the stack was killed, the engine may still be carrying out its last request. So the
        search for parts of an incomplete stack is repeated until none has appeared for SETTLE_S.
        """
        whole = self._remove_parts(stack)
        quiet_since_s, deadline_s = time.monotonic(), time.monotonic() + CHANGE_TIMEOUT_S
        while not whole and time.monotonic() < quiet_since_s + SETTLE_S:
            time.sleep(SETTLE_S / 4)  # there is no event for the absence of more
            if stack in self.stacks():
                self._remove_parts(stack)
                # Something appeared: wait for quiet once more, but never beyond the deadline.
                quiet_since_s = time.monotonic() if time.monotonic() < deadline_s else quiet_since_s

    def remove_subject(self, stack: str) -> None:
        """Removes every container, network and volume of a stack's subject; raises EngineError for what stays."""
        self._remove_found(SUBJECT_LABEL, stack)

    def _remove_parts(self, stack: str) -> bool:
        """Removes what exists of a stack and its subject now; returns whether it had been wholly up."""
        subject, own = self._remove_found(SUBJECT_LABEL, stack), self._remove_found(STACK_LABEL, stack)
        return bool(own) and "created" not in (*subject, *own)

    def _remove_found(self, name: str, stack: str) -> tuple[str, ...]:
        """Removes what carries a label with the stack's id; returns the states that its containers had."""
        label = {"label": f"{name}={stack}"}
        with _calling(f"remove the stack {stack}"):
            found = self._client.api.containers(all=True, filters=label)
            with ThreadPoolExecutor(max_workers=REMOVERS) as pool:
                for removed in [pool.submit(self.containers.remove, each["Id"]) for each in found]:
                    removed.result()
            for network in self._client.networks.list(filters=label):
                with _ignoring_absence():
                    self._empty(network.id)
                    network.remove()
            for volume in self._client.volumes.list(filters=label):
                self.remove_volume(volume.name)
        return tuple(str(each["State"]) for each in found)

    def _empty(self, network: str) -> None:
        """Disconnects users' own containers from a stack's network, which could not be removed otherwise; they stay up."""
        for each in self._client.api.inspect_network(network).get("Containers") or {}:
            with _ignoring_absence():
                self._client.api.disconnect_container_from_network(each, network, force=True)


def _require_socket() -> None:
    """Raises EngineError, with the operating system's reason, when nothing listens at the engine's local socket.

    Tried here because the library buries the reason in the text of nested errors, and leaves its socket open.
    """
    where = os.environ.get("DOCKER_HOST") or LOCAL_ENGINE
    if not where.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect("/" + where.removeprefix("unix://").lstrip("/"))
        except PermissionError as refused:
            hint = "join the group docker (`sudo usermod -aG docker $USER`, then log in again)"
            raise EngineError(f"no Docker engine answers: {refused.strerror} at {where}", hint=hint) from refused
        except OSError as failed:
            raise EngineError(f"no Docker engine answers: {failed.strerror} at {where}", hint=_START_HINT) from failed


@contextmanager
def _ignoring_absence() -> Iterator[None]:
    """A context manager in which removing something that is missing, or is being removed already, is no error."""
    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as busy:
        if "already in progress" not in str(busy.explanation):
            raise


def _plainest_cause(failed: Exception) -> str:
    """The reason in an error of the library: the operating system's, if its text has one, else the first line."""
    words = str(failed)
    for plain in ("No such file or directory", "Permission denied", "Connection refused"):
        if plain in words:
            return plain
    return words.splitlines()[0][:200] if words else type(failed).__name__
