"""Whatever is sent to a node of any role, the answer is whole: a status, JSON in it, headers of one line each; no defect."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from brownout.identity import wire
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import CONTROL_PATH
from support.identity_stacks import VAULT, Stack, on_stack
from support.parsed_messages import parsed_answer

NODES = ("directory", "deployer", "store", "token.z1", "host", "management", "vault")
REQUESTS = 400
METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PURGE")
WORDS = (
    *("", "x", "admin", "holds", "state", "build", "config", "prime", "drop-caches", "user-token", "records", "f-1", "healthz"),
    *("snapshot", "keys", "token", "machines", "relay", "principals", "restore", "resources", "identities", "assign"),
    *("web-1", "single", "scaleout_1", "metadata", "identity", "oauth2", "instance", "compute", "info", "versions"),
    *("subscriptions", "{sub}", "resourceGroups", "load", "providers", "Microsoft.Compute", "virtualMachines"),
    *("Microsoft.ManagedIdentity", "userAssignedIdentities", "operationStatuses", "portal", "secrets", "sample", "discovery"),
    *(".well-known", "openid-configuration", "v2.0", "..", ".", "%00", "%0d%0aset-cookie:a", "%ff%fe", "%", "%u0041", "a%2Fb"),
    *("\u00e9", "[", "{", "\\", "~", "x" * 300, "*", "http:", "@", ";a=b"),
)
NAMES = ("api-version", "resource", "client_id", "mi_res_id", "bypass_cache", "format", "id", "", "a[]", "%00", "=", "&")
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1e308,
        10**17,
        "",
        "x",
        "sydney",
        "perth",
        "1.0",
        "2.0",
        "z1",
        "manual",
        "\n",
        "\u2028",
        [],
        {},
        [[]],
        [1],
    ),
    *({"a": None}, {"force_managed_key": "x"}, ["sydney"], ["perth"], {"type": "SystemAssigned"}, {"type": 7}),
)
KEYS = (
    *("switch", "value", "region", "regions", "build", "set", "status", "body", "times", "zone", "to", "key_id", "overlap_s"),
    *("tokens", "machine", "resource", "age_s", "lifetime_s", "location", "identity", "tags", "properties", "present"),
    *(
        "object_id",
        "home_region",
        "host_machine",
        "name",
        "arm_id",
        "identities",
        "kind",
        "version",
        "key_set",
        "lines",
        "assigned",
    ),
)
PAGES = (
    *("/admin/state", "/admin/build", "/admin/config", "/admin/prime", "/admin/user-token", "/admin/records/x", "/token"),
    *("/snapshot", "/snapshot/keys", "/machines", "/principals/x", "/principals/x/restore", "/resources"),
    *("/relay/subscriptions", "/relay//", "/relay/x"),
)
SWITCHES = (
    *("roll-key", "invalidate-key", "accept-key", "switch-keys", "pause-replication", "freeze", "push-keys", "pin", "roll-out"),
    *("configure", "route-zone", "route-region", "answer", "none"),
)


def content(chance: random.Random) -> bytes:
    """JSON of the right kind and of wrong ones, and bytes that are none."""
    if chance.random() < 0.2:
        return chance.choice((b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"a":1e999}', b'{"a":"\\ud800"}', b"[" * 5000))
    made = {chance.choice(KEYS): chance.choice(VALUES) for _ in range(chance.randrange(6))}
    if chance.random() < 0.4:
        value = {chance.choice(KEYS): chance.choice(VALUES) for _ in range(chance.randrange(4))}
        made |= {"switch": chance.choice(SWITCHES), "value": value if chance.random() < 0.9 else chance.choice(VALUES)}
    return json.dumps(made).encode()


def target(chance: random.Random, subscription: str) -> str:
    words = [chance.choice(WORDS).replace("{sub}", subscription) for _ in range(chance.randrange(1, 11))]
    start = chance.choice(
        ("/", "/", "//", f"{CONTROL_PATH}/", f"{CONTROL_PATH}/admin/", f"{CONTROL_PATH}/admin/holds/", "", "*")
    )
    query = "&".join(f"{chance.choice(NAMES)}={chance.choice(WORDS)}" for _ in range(chance.randrange(4)))
    return start + "/".join(words) + (f"?{query}" if query else "")


def control_request(chance: random.Random, token: str) -> Request:
    """A request of the harness with a value that may be wrong: a hold put or released, the state, a page with a body."""
    value = {key: chance.choice(VALUES) for key in KEYS[2:13] if chance.random() < 0.5}
    body = {"switch": chance.choice(SWITCHES), "value": value}
    path, method = f"/admin/holds/f-{chance.randrange(3)}", chance.choice(("PUT", "PUT", "PUT", "DELETE", "GET"))
    if chance.random() < 0.4:
        path, method = chance.choice(PAGES), chance.choice(METHODS)
        body = {key: chance.choice(VALUES) for key in KEYS if chance.random() < 0.5}
    headers = ((b"authorization", f"Bearer {token}".encode()),)
    return Request.raw(method, CONTROL_PATH + path, headers, json.dumps(body).encode())


def requests(stack: Stack, user: str, *, seed: str) -> Iterator[Request]:
    chance = random.Random(seed)
    spec = stack.world.spec
    tokens = ("", "Bearer", f"Bearer {user}", f"Bearer {spec.control_token}", "StoreKey a:b", "Bearer \u00e9.\u00e9.\u00e9")
    for _ in range(REQUESTS):
        if chance.random() < 0.4:
            yield control_request(chance, spec.control_token)
            continue
        lines = [(b"authorization", chance.choice(tokens).encode())] if chance.random() < 0.9 else []
        lines += [(b"metadata", b"true")] if chance.random() < 0.7 else []
        lines += [(b"content-type", b"application/x-www-form-urlencoded")] if chance.random() < 0.1 else []
        lines += (
            [(b"host", chance.choice((b"", b".localhost", b"web-1.localhost:x", b"\xff")))] if chance.random() < 0.2 else []
        )
        yield Request.raw(chance.choice(METHODS), target(chance, spec.subscription_id), lines, content(chance))


def check(request: Request, answer: Response) -> None:
    """The answer can be put on the wire, is JSON, and no header of it has a line break."""
    sent = parsed_answer(wire.encode_response(answer))
    assert sent.status in wire.WITHOUT_PAYLOAD or json.loads(sent.payload) is not None, request
    assert 200 <= sent.status <= 599, request
    assert sent.status != 500, (request, answer)


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("seed", ["a", "b", "c"])
def test_any_request_gets_a_well_formed_answer(node: str, seed: str) -> None:
    """Odd paths, verbs, queries, headers and bodies, from strangers, clients and nodes: each answer is JSON, none is 500."""

    async def story(stack: Stack) -> None:
        user = stack.user_token if node == "management" else await stack.token("web-1", resource=VAULT)
        for request in requests(stack, user, seed=f"{node} {seed}"):
            check(request, await stack.node(f"sydney.{node}").handle(request))

    on_stack(story)
