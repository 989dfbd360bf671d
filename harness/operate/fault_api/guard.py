"""Who may use the fault API: programs that know its token, and no page in a browser.

A page of another site can send requests to this machine, and a name that an attacker points at 127.0.0.1 makes it a page of the
same site. So the `Host` is `localhost` or an address of this machine, a request with an `Origin`, which browsers send with
everything that changes something, is refused, and so is a payload that a form could send. No answer allows another origin to
read it. The token is asked for before anything else is told.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from brownout.harness.operate.fault_api.problems import HttpError
from brownout.identity.core.messages import JSON_TYPE, Request

HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def require_allowed(request: Request, token: str) -> None:
    """Raises HttpError: 403 for a browser's page, 401 without the token."""
    if not _is_here(request.headers.get("host", "")) or "origin" in request.headers:
        raise HttpError(403, "pages of a browser may not use this API", hint="send no Origin, and 127.0.0.1 as Host")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode()):
        hint = "send `Authorization: Bearer $BROWNOUT_FAULTS_TOKEN`, which `brownout env` prints"
        raise HttpError(401, "the token is missing or wrong", hint=hint, www_authenticate="Bearer")


def require_json(request: Request) -> None:
    """Raises HttpError, 415 for a payload that is not said to be JSON: a form of a page could send it."""
    if request.media_type != JSON_TYPE:
        raise HttpError(415, "the payload is not said to be JSON", hint=f"send `Content-Type: {JSON_TYPE}`")


def _is_here(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in HERE
    except ValueError:
        return False
