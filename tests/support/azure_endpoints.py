"""Requests to the token endpoints of simulated machines, as programs on them send them, with what a test changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brownout.identity.azure.hosts.probes import token_request
from brownout.identity.azure.machine_secrets import endpoint_secret
from brownout.identity.core.messages import Request, Response
from support.identity_stacks import VAULT, Stack, body, on_stack

OWN = "web-1"  # has an identity of its own
ONE, SEVERAL, NONE = "single", "several", "bare"  # one user-assigned identity, two of them, none


async def ask(stack: Stack, kind: str, machine: str = OWN, **changed: Any) -> Response:
    """The answer to a good request with changes: `method`, `path`, `query` and `headers` ("" or None takes one away)."""
    good = token_request(kind, secret_of(stack, kind, machine), machine)
    query = _kept({**good.query, **changed.get("query", {})})
    headers = _kept({**good.headers, **changed.get("headers", {})})
    if good.method == "POST":  # fields of a form instead
        pairs = tuple((name.encode(), value.encode()) for name, value in headers.items())
        payload = changed.get("form", good.payload)
        request = Request.raw(changed.get("method", "POST"), changed.get("path", good.path), pairs, payload)
    else:
        request = Request(changed.get("method", "GET"), changed.get("path", good.path), query, headers)
    return await stack.world.client("sydney.host", request, timeout_s=5)


async def ask_raw(stack: Stack, kind: str, query: str, machine: str = OWN) -> Response:
    """The answer to a good request whose query stands as it is on the wire."""
    good = token_request(kind, secret_of(stack, kind, machine), machine)
    request = Request.raw("GET", f"{good.path}?{query}", good.raw_headers)
    return await stack.world.client("sydney.host", request, timeout_s=5)


def asked(kind: str, machine: str = OWN, settings: Mapping[str, Any] | None = None, **changed: Any) -> Response:
    """The same on a stack of its own."""
    return on_stack(lambda stack: ask(stack, kind, machine, **changed), **(settings or {}))


def secret_of(stack: Stack, kind: str, machine: str = OWN) -> str:
    return endpoint_secret(stack.world.spec.control_token, kind, machine)


def client_id(stack: Stack, identity: str) -> str:
    return stack.world.spec.identity(identity).client_id


def claims(stack: Stack, answer: Response) -> Mapping[str, Any]:
    """What the token of an answer says, checked with the keys that the region's vault has."""
    vault: Any = stack.node("sydney.vault")
    found: Mapping[str, Any] = stack.world.signer.verify(str(body(answer)["access_token"]), vault.replica.snapshot.key_set)
    return found


def _kept(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items() if value not in (None, "")}


__all__ = [
    "NONE",
    "ONE",
    "OWN",
    "SEVERAL",
    "VAULT",
    "Stack",
    "ask",
    "ask_raw",
    "asked",
    "body",
    "claims",
    "client_id",
    "on_stack",
]
