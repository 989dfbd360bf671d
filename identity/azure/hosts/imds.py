"""IMDS' token endpoint, which every machine has.

A token answer has strings only; the same token comes with falling `expires_in` until it is refreshed.
Wire facts: docs/reference/azure-wire.md#imds.
"""

from __future__ import annotations

from brownout.identity.azure.entra.claims import STARTS_BEFORE_S
from brownout.identity.azure.hosts.endpoint import IMDS, Asked, Unclear, status_of
from brownout.identity.azure.hosts.limits import TokenLimits
from brownout.identity.azure.hosts.request import HEADERS, default_identity, parse, refusal
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import CachedToken, Identity, Machine
from brownout.identity.core.surface import Failure, with_retry_after

ROOT = "metadata"
KNOWN_REQUESTS, KNOWN_TARGET_MAX = 4096, 512  # requests that are remembered as what they ask for, and characters of a target
KNOWN_ANSWERS = 512
TOKEN_PATH = f"{ROOT}/identity/oauth2/token"


class Imds:
    """The instance metadata service. The host's own cache is its cache."""

    kind, path, cache = IMDS, TOKEN_PATH, None

    def __init__(self, node: Host) -> None:
        self._settings = settings = node.settings
        limits = TokenLimits(per_s=settings.imds_requests_per_s, at_once=settings.imds_requests_at_once)
        self.limits = limits if limits.are_set else None
        node.default_identity = self._default_identity
        self._understood: dict[tuple[str, str, str | None, bool], tuple[Machine, Asked]] = {}
        self._given: dict[str, tuple[int, Asked | Unclear, Response]] = {}  # the newest answer with each token

    def read(self, request: Request, machine: Machine) -> Asked | Unclear | Response:
        """What `parse` makes of the request; what was understood once is known while the machine is the same record."""
        headers = request.headers
        said = (request.method, request.target, headers.get("metadata"), "x-forwarded-for" in headers)  # all that is looked at
        known = self._understood.get(said)
        if known is not None and known[0] is machine:
            return known[1]
        asked = parse(request, machine.identities, self._settings)
        if isinstance(asked, Asked) and len(request.target) <= KNOWN_TARGET_MAX:
            if len(self._understood) >= KNOWN_REQUESTS:
                self._understood.clear()
            self._understood[said] = (machine, asked)
        return asked

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        """A token answer. Clients ask again and again: of what was given with a token, only the seconds left ever change."""
        left_s = int(token.expires_s - now_s)
        given = self._given.get(token.token)
        if given is None or given[1] is not asked:
            if len(self._given) >= KNOWN_ANSWERS:
                self._given.clear()
            answer = Response(200, token_fields(asked, token, now_s), HEADERS)
        elif given[0] == left_s:
            return given[2]
        else:
            left = str(left_s)
            answer = Response(200, {**(given[2].body or {}), "expires_in": left, "ext_expires_in": left}, HEADERS)
        self._given[token.token] = left_s, asked, answer
        return answer

    def failed(self, request: Request, failure: Failure) -> Response:
        return oauth_failed(failure)

    def says(self, request: Request, status: int) -> Response:
        if status == 429:
            return refusal(429, "too_many_requests", "Too many requests")
        return refusal(status, "unknown", f"IMDS answers {status}")

    def _default_identity(self, machine: Machine) -> Identity | Failure:
        found = default_identity(machine.identities, self._settings)
        if isinstance(found, Identity):
            return found
        return Failure("not-found", str((found.body or {})["error_description"]))


def token_fields(asked: Asked | Unclear, token: CachedToken, now_s: float) -> dict[str, str]:
    """A token answer: all values strings, `expires_in` counted from now (docs/reference/azure-wire.md#imds-token-answer)."""
    left = str(int(token.expires_s - now_s))
    fields = {
        "access_token": token.token,
        "client_id": token.client_id,
        "expires_in": left,
        "expires_on": str(int(token.expires_s)),
        "ext_expires_in": left,
        "not_before": str(int(token.issued_s) - STARTS_BEFORE_S),
        "resource": asked.resource,
        "token_type": "Bearer",
    }
    selectors = asked.selectors
    return fields | {name: value for name, value in selectors.items() if name != "client_id"} if selectors else fields


def oauth_failed(failure: Failure) -> Response:
    """What IMDS and its relatives say of each failure of the service behind them."""
    if failure.code == "not-found":
        return refusal(400, "invalid_request", failure.message)
    if failure.code == "unavailable":
        return refusal(500, "unknown", f"failed to retrieve token from the directory ({failure.message})")
    return with_retry_after(refusal(status_of(failure), "unknown", failure.message), failure.retry_after_s)
