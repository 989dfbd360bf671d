"""IMDS on the host: each emulated machine has its own.

It is below `/{address}/metadata/...`, for clients whose base URL may have a path; a slash too many or at the end does not
matter. A client that knows only a host asks for `/metadata/...`: it means the machine that the host name `{address}.localhost`
names, and with any other host name the region's default machine (docs/design.md#which-machine-a-client-means).

A token answer has strings only; the same token comes with falling `expires_in` until it is refreshed.
Wire facts: docs/reference/azure-wire.md#imds.
"""

from __future__ import annotations

from brownout.identity.azure import arm, imds_instance
from brownout.identity.azure.entra_claims import STARTS_BEFORE_S
from brownout.identity.azure.imds_limits import TokenLimits
from brownout.identity.azure.imds_request import HEADERS, Asked, parse, query_of, refusal
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.forced_answers import ForcedAnswer
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken, Machine
from brownout.identity.core.surface import STATUS, Failure, Served
from brownout.identity.core.topology import REGIONS

ROOT = "metadata"
TOKEN_PATH = f"{ROOT}/identity/oauth2/token"
HOST_NAMES = ".localhost"


class Imds:
    """IMDS' surface. It takes every request that no other surface took."""

    def __init__(self, node: Host) -> None:
        self._node = node
        settings = node.settings
        limits = TokenLimits(per_s=settings.imds_requests_per_s, at_once=settings.imds_requests_at_once)
        self._limits = limits if limits.are_set else None

    def takes(self, request: Request) -> bool:
        return True

    async def serve(self, request: Request) -> Served:
        node, (address, _, path) = self._node, request.path[1:].partition("/")
        machine = node.machine(address)
        if machine is None or path != TOKEN_PATH:
            address, machine, path = self._resolve(request)
        if machine is None:
            return Served(arm.error(404, "MachineNotFound", f"{node.region} has no machine {address!r}"), node.hop())
        forced = node.forced_answer(machine.address)
        if forced is not None:
            return Served(_forced(forced), node.hop())
        if path != TOKEN_PATH:
            return Served(self._page(machine, path, request), node.hop())
        node.count_request(machine.address)
        limits = self._limits
        if limits is not None and not limits.begin(machine.address, node.ports.now()):
            return Served(refusal(429, "too_many_requests", "Too many requests"), node.hop())
        try:  # here and not in a function of its own: a simulated day has millions of these
            asked = parse(request, machine.identities, node.settings)
            if isinstance(asked, Response):
                return Served(asked, node.hop())
            issued = await node.issue(machine, asked.identity, asked.resource, bypass=asked.bypass_cache)
        finally:
            if limits is not None:
                limits.end(machine.address)
        if issued.failure is not None:
            return Served(_failed(issued.failure), issued.hop, issued.inner)
        assert issued.token is not None
        return Served(_answer(issued.token, asked, node.ports.now()), issued.hop, issued.inner)

    def _resolve(self, request: Request) -> tuple[str, Machine | None, str]:
        """The address that a request names, its machine if there is one, and the page of it that is asked for."""
        parts = request.words
        if parts[:1] != [ROOT] or parts[1:2] == [ROOT]:  # a machine may be called like the root
            address = parts[0] if parts else ""
            return address, self._node.machine(address), "/".join(parts[1:])
        path = "/".join(parts)
        name = request.headers.get("host", "").partition(":")[0].lower()
        if name.endswith(HOST_NAMES):
            address = name.removesuffix(HOST_NAMES)
            return address, self._node.machine(address), path
        return "", self._node.default_machine(), path

    def _page(self, machine: Machine, path: str, request: Request) -> Response:
        query = query_of(request)
        if isinstance(query, Response):
            return query
        stack, location = self._node.stack, REGIONS[self._node.region].azure_name
        compute = imds_instance.compute_of(machine, location=location, subscription_id=stack.subscription_id)
        if not path.startswith(f"{ROOT}/"):
            return refusal(404, "not_found", f"/{path}")
        return imds_instance.page(path.removeprefix(f"{ROOT}/"), query, compute, stack.tenant_id)


def _answer(token: CachedToken, asked: Asked, now_s: float) -> Response:
    """A token answer: all values strings, `expires_in` counted from now (docs/reference/azure-wire.md#imds-token-answer)."""
    left = str(int(token.expires_s - now_s))
    full = {
        "access_token": token.token,
        "client_id": token.client_id,
        "expires_in": left,
        "expires_on": str(int(token.expires_s)),
        "ext_expires_in": left,
        "not_before": str(int(token.issued_s) - STARTS_BEFORE_S),
        "resource": asked.resource,
        "token_type": "Bearer",
    }
    if asked.selectors:
        full |= {name: value for name, value in asked.selectors.items() if name != "client_id"}
    return Response(200, full, HEADERS)


def _failed(failure: Failure) -> Response:
    """What IMDS says of each failure of the service behind it."""
    if failure.code == "not-found":
        return refusal(400, "invalid_request", failure.message)
    if failure.code == "unavailable":
        return refusal(500, "unknown", f"failed to retrieve token from the directory ({failure.message})")
    return refusal(STATUS[failure.code], "unknown", failure.message)


def _forced(answer: ForcedAnswer) -> Response:
    """The answer that a hold wants: its status, with the documented body unless another is given."""
    body = answer.body or {"error": "unknown", "error_description": f"IMDS answers {answer.status}"}
    headers = dict(HEADERS)
    if answer.retry_after_s is not None:
        headers["retry-after"] = str(int(answer.retry_after_s))
    return Response(answer.status, body, headers)
