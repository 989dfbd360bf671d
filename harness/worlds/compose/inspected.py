"""Containers and networks as the engine's `inspect` shows them, as typed records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NODE_LABEL, PROBER_LABEL = "brownout.node", "brownout.prober"
SERVICE_LABEL, PROJECT_LABEL = "com.docker.compose.service", "com.docker.compose.project"
ANY = "0.0.0.0"  # noqa: S104 - what the engine means by an empty address
_BRIDGE = "com.docker.network.bridge"


@dataclass(frozen=True, slots=True)
class Container:
    """One container as the engine shows it. `addresses` by network (without the project's name); `state` is the engine's."""

    id: str
    service: str
    node: str
    state: str
    exit_code: int
    pid: int
    image: str
    started_at: str
    addresses: Mapping[str, str]
    published: Mapping[int, tuple[str, int]]

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Confined:
    """A container's ways out and its rights.

    `networks` has its address by network name; `shares` is the container whose network it uses instead of one of its own;
    `published` are its ports on the machine, `mounts` its bind mounts, `opened` the engine's settings that remove an
    isolation, such as `Privileged`.
    """

    id: str
    name: str
    service: str
    running: bool
    networks: Mapping[str, str]
    shares: str
    published: tuple[str, ...]
    user: str
    read_only: bool
    added: frozenset[str]
    drops_all: bool
    no_new_privileges: bool
    has_healthcheck: bool
    mounts: tuple[str, ...]
    opened: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """One network. `members` are the ids of the containers on it; `gateway` is empty where it has none."""

    id: str
    name: str
    gateway: str
    internal: bool
    without_machine: bool
    masquerades: bool
    has_ipv6: bool
    members: tuple[str, ...]


def read_container(row: Mapping[str, Any]) -> Container:
    """From what `docker inspect` shows of a container."""
    labels, state, network = row["Config"]["Labels"] or {}, row["State"], row["NetworkSettings"]
    prefix = labels.get(PROJECT_LABEL, "") + "_"
    addresses = {name.removeprefix(prefix): at["IPAddress"] for name, at in (network["Networks"] or {}).items()}
    ports = {
        int(inside.partition("/")[0]): (bound[0]["HostIp"], int(bound[0]["HostPort"]))
        for inside, bound in (network["Ports"] or {}).items()
        if bound
    }
    return Container(
        id=row["Id"],
        service=labels.get(SERVICE_LABEL, ""),
        node=labels.get(NODE_LABEL, labels.get(PROBER_LABEL, "")),
        state=state["Status"],
        exit_code=state["ExitCode"],
        pid=state["Pid"],
        image=row["Config"]["Image"],
        started_at=state["StartedAt"],
        addresses=addresses,
        published=ports,
    )


def read_confined(row: Mapping[str, Any]) -> Confined:
    """From what `docker inspect` shows of a container."""
    host, config, network = row["HostConfig"], row["Config"], row["NetworkSettings"]
    mode = str(host["NetworkMode"])
    modes = [f"{key}={host[key]}" for key in ("NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode", "CgroupnsMode")]
    # Cgroup namespaces are the engine's own default, which differs with the kernel; a read-only view of them opens nothing.
    opened = [each for each in modes if each.endswith("=host") and not each.startswith("Cgroup")]
    opened += ["Privileged"] if host["Privileged"] else []
    opened += [f"device {each['PathOnHost']}" for each in host.get("Devices") or ()]
    opened += [each for each in host.get("SecurityOpt") or () if "unconfined" in each]
    return Confined(
        id=row["Id"],
        name=str(row["Name"]).lstrip("/"),
        service=(config["Labels"] or {}).get(SERVICE_LABEL, ""),
        running=bool(row["State"]["Running"]) and not row["State"]["Paused"],
        networks={name: at["IPAddress"] for name, at in (network["Networks"] or {}).items() if mode != "none"},
        shares=mode.removeprefix("container:") if mode.startswith("container:") else "",
        published=tuple(_published(host.get("PortBindings"), network.get("Ports"))),
        user=str(config["User"]),
        read_only=bool(host["ReadonlyRootfs"]),
        added=frozenset(str(name).removeprefix("CAP_") for name in host["CapAdd"] or ()),
        drops_all="ALL" in (host["CapDrop"] or ()),
        no_new_privileges=any(each.startswith("no-new-privileges") for each in host.get("SecurityOpt") or ()),
        has_healthcheck=bool((config.get("Healthcheck") or {}).get("Test")),
        mounts=tuple(f"{each['Source']}{':rw' if each['RW'] else ''}" for each in row["Mounts"] if each["Type"] == "bind"),
        opened=tuple(opened),
    )


def _published(*tables: Mapping[str, Any] | None) -> list[str]:
    """`ADDRESS:PORT` of whatever is bound, as asked for and as done; an empty address means all of them."""
    rows = [row for table in tables for bound in (table or {}).values() for row in bound or ()]
    return sorted({f"{row['HostIp'] or ANY}:{row['HostPort']}" for row in rows})


def read_network(row: Mapping[str, Any]) -> Network:
    """From what `docker network inspect` shows."""
    options, pools = row.get("Options") or {}, (row.get("IPAM") or {}).get("Config") or ()
    return Network(
        id=row["Id"],
        name=row["Name"],
        gateway=next((str(pool["Gateway"]).partition("/")[0] for pool in pools if pool.get("Gateway")), ""),
        internal=bool(row["Internal"]),
        without_machine=options.get(f"{_BRIDGE}.inhibit_ipv4") == "true",
        masquerades=options.get(f"{_BRIDGE}.enable_ip_masquerade", "true") != "false",
        has_ipv6=bool(row.get("EnableIPv6")),
        members=tuple(row.get("Containers") or ()),
    )
