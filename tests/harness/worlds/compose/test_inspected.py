"""What `inspect` shows is read into records: addresses, ports and each setting that removes an isolation. Needs no engine."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from brownout.harness.worlds.compose.inspected import read_confined, read_container, read_network

ROW: dict[str, Any] = {
    "Id": "1f",
    "Name": "/brownout-up-1-sydney-store-1",
    "Config": {
        "User": "10001:10001",
        "Image": "brownout/identity:0.1.0",
        "Healthcheck": {"Test": ["CMD", "true"]},
        "Labels": {
            "com.docker.compose.service": "sydney-store",
            "com.docker.compose.project": "brownout-up-1",
            "brownout.node": "sydney.store",
        },
    },
    "State": {
        "Running": True,
        "Paused": False,
        "Status": "running",
        "ExitCode": 0,
        "Pid": 7,
        "StartedAt": "2026-01-01T00:00:00Z",
    },
    "HostConfig": {
        "NetworkMode": "brownout-up-1_sydney",
        "PidMode": "",
        "IpcMode": "private",
        "UTSMode": "",
        "UsernsMode": "",
        "CgroupnsMode": "host",
        "Privileged": False,
        "Devices": None,
        "SecurityOpt": ["no-new-privileges:true"],
        "PortBindings": {"8474/tcp": [{"HostIp": "", "HostPort": "20098"}]},
        "ReadonlyRootfs": True,
        "CapAdd": ["CAP_NET_ADMIN"],
        "CapDrop": ["ALL"],
    },
    "NetworkSettings": {
        "Networks": {"brownout-up-1_sydney": {"IPAddress": "172.20.0.2"}},
        "Ports": {"8080/tcp": None, "8474/tcp": [{"HostIp": "127.0.0.1", "HostPort": "20098"}]},
    },
    "Mounts": [
        {"Type": "volume", "Source": "/var/lib/docker/volumes/x", "RW": True},
        {"Type": "bind", "Source": "/etc/hosts", "RW": True},
    ],
}


def changed(*path: str, to: object) -> dict[str, Any]:
    """The row with one value replaced."""
    row = deepcopy(ROW)
    place = row
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return row


def test_a_container_is_known_by_its_labels() -> None:
    """Service and node come from labels, networks lose the project's name, and only bound ports are published."""
    found = read_container(ROW)
    assert (found.service, found.node, found.running) == ("sydney-store", "sydney.store", True)
    assert found.addresses == {"sydney": "172.20.0.2"}
    assert found.published == {8474: ("127.0.0.1", 20098)}


def test_what_confines_a_container_is_read() -> None:
    """Ports as asked for and as done, an empty address meaning all of them; bind mounts, and not volumes."""
    found = read_confined(ROW)
    assert found.published == ("0.0.0.0:20098", "127.0.0.1:20098")
    assert found.mounts == ("/etc/hosts:rw",)
    assert (found.added, found.drops_all, found.read_only) == (frozenset({"NET_ADMIN"}), True, True)
    assert (found.no_new_privileges, found.has_healthcheck, found.opened) == (True, True, ())


@pytest.mark.parametrize(
    ("path", "value", "opened"),
    [
        (("HostConfig", "PidMode"), "host", "PidMode=host"),
        (("HostConfig", "NetworkMode"), "host", "NetworkMode=host"),
        (("HostConfig", "Privileged"), True, "Privileged"),
        (("HostConfig", "Devices"), [{"PathOnHost": "/dev/kvm"}], "device /dev/kvm"),
        (("HostConfig", "SecurityOpt"), ["seccomp=unconfined"], "seccomp=unconfined"),
    ],
)
def test_a_setting_that_removes_an_isolation_is_listed(path: tuple[str, ...], value: object, opened: str) -> None:
    """Each by its name in the engine."""
    assert read_confined(changed(*path, to=value)).opened == (opened,)


def test_a_paused_container_does_not_run() -> None:
    """Nothing can be tried from inside it."""
    assert not read_confined(changed("State", "Paused", to=True)).running


def test_a_network_is_read_with_the_driver_s_options() -> None:
    """The gateway is without its prefix length; masquerading is on where nothing turns it off."""
    row = {
        "Id": "n1",
        "Name": "brownout-up-1_sydney",
        "Internal": True,
        "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"},
        "IPAM": {"Config": [{"Subnet": "172.20.0.0/16", "Gateway": "172.20.0.1/16"}]},
        "Containers": {"1f": {}},
    }
    found = read_network(row)
    assert (found.gateway, found.internal, found.without_machine) == ("172.20.0.1", True, True)
    assert (found.masquerades, found.has_ipv6, found.members) == (True, False, ("1f",))
