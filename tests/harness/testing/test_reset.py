"""A stack's reset between tests: what is as it came up, what stays, and that both halves and regions agree on it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from brownout.harness.base import processes as system
from brownout.harness.errors import NotProven
from brownout.harness.testing import Stack, stack

pytestmark = pytest.mark.slow
TOKEN = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
SECRET = "/secrets/app-database?api-version=7.6"
REGIONS = ("sydney", "melbourne")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of both vendors and two regions, in a state folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWNOUT_HOME", str(tmp_path_factory.mktemp("home")))
        with stack() as up:
            yield up


def token(made: Stack, machine: str = "web-1") -> str:
    url = f"{made.machine(machine).imds_url}/metadata/identity/oauth2/token"
    return str(httpx.get(url, params=TOKEN, headers={"metadata": "true"}).raise_for_status().json()["access_token"])


def vault_status(made: Stack, region: str, bearer: str) -> int:
    return httpx.get(made.regions[region].vault_url + SECRET, headers={"authorization": f"Bearer {bearer}"}).status_code


def key_ids(made: Stack, region: str) -> set[str]:
    found = [
        httpx.get(f"{url}/{made.file.tenant_id}/discovery/v2.0/keys").raise_for_status()
        for url in made.regions[region].entra_urls
    ]
    sets = [{key["kid"] for key in each.json()["keys"]} for each in found]
    assert all(each == sets[0] for each in sets), "the region's nodes agree"
    return sets[0]


def iam(made: Stack) -> Any:
    aws = made.file.aws
    assert aws is not None
    keys = {"aws_access_key_id": aws.access_key_id, "aws_secret_access_key": aws.secret_access_key}
    return boto3.client("iam", endpoint_url=made.regions["sydney"].iam_url, region_name="ap-southeast-2", **keys)


def test_tokens_from_before_are_refused_and_new_ones_taken(made: Stack) -> None:
    """Keys are new and the same in both regions; every region's vault refuses the old token and takes the new one."""
    before, keys = token(made), key_ids(made, "sydney")
    assert [vault_status(made, region, before) for region in REGIONS] == [200, 200]
    urls, control = dict(made.file.machines), made.file.control_token
    made.reset()
    assert not key_ids(made, "sydney") & keys
    assert key_ids(made, "sydney") == key_ids(made, "melbourne")
    assert [vault_status(made, region, before) for region in REGIONS] == [401, 401]
    assert [vault_status(made, region, token(made)) for region in REGIONS] == [200, 200]
    assert (dict(made.file.machines), made.file.control_token) == (urls, control), "what a client knows stays good"


def test_what_clients_made_is_no_longer_there(made: Stack) -> None:
    """An identity of Azure's and a user of AWS's are not there, the seeded ones are; secrets from before are refused."""
    file = made.file
    group = made.machine("web-1").resource_id.partition("/providers/")[0]
    path = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/made"
    url, query = made.regions["sydney"].management_url + path, {"api-version": "2023-01-31"}
    operator = {"authorization": f"Bearer {file.user_token}"}
    put = httpx.put(url, params=query, headers=operator, json={"location": "australiaeast"})
    assert put.status_code in (200, 201), put.text
    old = iam(made)
    seeded = {user["UserName"] for user in old.list_users()["Users"]}
    old.create_user(UserName="made")
    made.reset()
    assert httpx.get(url, params=query, headers=operator).status_code == 401, "the operator's token is one from before"
    operator = {"authorization": f"Bearer {made.file.user_token}"}
    assert httpx.get(url, params=query, headers=operator).status_code == 404
    assert {user["UserName"] for user in iam(made).list_users()["Users"]} == seeded
    with pytest.raises(ClientError):
        old.list_users()


def test_faults_are_undone(made: Stack) -> None:
    """A link, a node and a switch are free; a block in which the stack was reset proves nothing."""
    paused = made.fault("node-pause", target="sydney.token.z1")
    for fault in (paused, made.fault("link-refuse", link="client->sydney.host")):
        fault.__enter__()
    made.fault("clock-skew", target="melbourne.host", by="1h").__enter__()
    made.reset()
    assert token(made)
    with pytest.raises(NotProven, match="not in force until the end"):
        paused.__exit__(None, None, None)
    seen = asyncio.run(made.world.survey())
    assert not any(seen.holds.values())
    assert seen.silent == ()


def test_it_can_be_awaited(made: Stack) -> None:
    """A test with a loop of its own is not stopped by it."""

    async def story() -> int:
        ticks = 0
        renewed = asyncio.ensure_future(made.areset())
        while not renewed.done():
            ticks += 1
            await asyncio.sleep(0.001)
        await renewed
        return ticks

    assert asyncio.run(story()) > 5
    assert token(made)


def nodes(made: Stack) -> dict[str, int]:
    """The process of each node."""
    return {name: row["pid"] for name, row in asyncio.run(made.world.status())["nodes"].items()}


def test_every_life_has_its_own_keys_and_records(made: Stack) -> None:
    """Nodes begin anew in the processes that they have; what the last life stored is removed, and the next has its folder."""
    before, keys = nodes(made), []
    for _ in range(3):
        made.reset()
        keys.append(key_ids(made, "sydney"))
    assert len(set().union(*keys)) == 3
    assert nodes(made) == before
    assert [vault_status(made, region, token(made)) for region in REGIONS] == [200, 200]
    assert system.await_true(lambda: len(list(made.world.folder.glob("state*"))) == 2, 10), "of this life and of the next"


def test_resets_without_a_pause_are_resets(made: Stack) -> None:
    """A reset that comes before the nodes have made ready for it makes what it needs itself."""
    for _ in range(3):
        before = token(made)
        made.reset()
        assert vault_status(made, "melbourne", before) == 401
    assert vault_status(made, "melbourne", token(made)) == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["ended", "hangs"])
@pytest.mark.parametrize("name", ["sydney.directory", "melbourne.token.z1", "client.edge"])
def test_a_process_that_cannot_begin_anew_is_replaced(made: Stack, name: str, number: signal.Signals) -> None:
    """One that has ended, or that does not end its node's life when it is told to, costs time and nothing else."""
    before = nodes(made)
    os.kill(before[name], number)
    if number is signal.SIGSTOP:
        assert system.await_true(lambda: system.stopped(before[name]), 5)
    made.reset()
    after = nodes(made)
    assert {each for each in before if before[each] != after[each]} == {name}
    made.reset()
    assert nodes(made) == after, "the new one can"
    assert [vault_status(made, region, token(made)) for region in REGIONS] == [200, 200]


def test_a_node_that_is_killed_comes_back_to_this_life(made: Stack) -> None:
    """Its records are those since the reset: keys are those that the other nodes have, and tokens are taken everywhere."""
    made.reset()
    keys = key_ids(made, "sydney")
    for name in ("sydney.directory", "sydney.token.z1"):
        with made.fault("node-kill", target=name):
            pass  # proven to bite: the port refuses; and to be healed: it answers again
    assert key_ids(made, "sydney") == keys
    assert [vault_status(made, region, token(made)) for region in REGIONS] == [200, 200]
    made.reset()
    assert not key_ids(made, "sydney") & keys


def test_connections_end_and_leave_nothing_open(made: Stack) -> None:
    """What clients hold open ends with the life, TLS and half a request too; no life leaves a node more open files."""
    made.reset()
    imds = httpx.URL(made.machine("web-1").imds_url)
    counts: list[dict[str, int]] = []
    for _ in range(4):
        token(made)
        with (
            socket.create_connection((imds.host, imds.port or 80)) as idle,
            socket.create_connection((imds.host, imds.port or 80)) as half,
            tls_connection(made) as secure,
        ):
            half.sendall(b"GET /metadata/identity/oauth2/token HTTP/1.1\r\nhost: a\r\n")
            made.reset()
            for connection in (idle, half, secure):
                connection.settimeout(5)
                assert has_ended(connection)
        token(made)
        counts.append({name: len(list(Path(f"/proc/{pid}/fd").iterdir())) for name, pid in nodes(made).items()})
    grown = {name: count - counts[1][name] for name, count in counts[-1].items() if count > counts[1][name] + 3}
    assert grown == {}, "more than a connection that is just being used"


def tls_connection(made: Stack) -> ssl.SSLSocket:
    """A connection to a door of the edge that speaks TLS, on which a request of another node's is under way."""
    door, trusted = httpx.URL(made.regions["sydney"].tls_management_url), made.file.tls
    assert trusted is not None
    context = ssl.create_default_context(cafile=trusted.ca_bundle)
    plain = socket.create_connection((door.host, door.port or 443), timeout=5)
    secure = context.wrap_socket(plain, server_hostname="localhost")
    secure.sendall(b"GET /subscriptions?api-version=2022-12-01 HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert secure.recv(12) == b"HTTP/1.1 401"
    return secure


def has_ended(connection: socket.socket) -> bool:
    """Whether the other end closes it: by an end, or by a reset."""
    try:
        while connection.recv(65536):
            pass
    except (ConnectionResetError, ssl.SSLEOFError):
        return True
    except TimeoutError:
        return False
    return True
