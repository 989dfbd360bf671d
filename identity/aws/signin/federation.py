"""The federation endpoint of sign-in: temporary credentials in exchange for a sign-in token, and that for the console.

Both steps need only what the region has. Wire facts: docs/reference/aws-wire.md#console-federation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.signin import pages
from brownout.identity.aws.signin.console_sessions import CONSOLE_S, begin_with, signin_token
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.core.messages import Request, Response

_DESTINATIONS = (".aws.amazon.com", ".amazonaws.com")


def answer(annex: TokenAnnex, request: Request) -> Response:
    """What the endpoint says to a GET or a POST."""
    fields = {**dict(request.query_fields), **dict(request.form)}
    action = fields.get("Action", "")
    try:
        if action == "getSigninToken":
            return Response(200, {"SigninToken": _token(annex, fields)})
        if action == "login":
            return _login(annex, fields)
    except AwsError as refused:
        return pages.failure(refused.status, refused.message)
    return pages.failure(400, "Action is getSigninToken or login.")


def _token(annex: TokenAnnex, fields: Mapping[str, str]) -> str:
    duration = fields.get("SessionDuration") or fields.get("DurationSeconds")
    if duration is not None and not (duration.isascii() and duration.isdigit() and len(duration) < 10):
        raise AwsError.of("ValidationError", "SessionDuration is a number of seconds.")
    try:
        raw = json.loads(fields.get("Session", ""))
        credentials = str(raw["sessionId"]), str(raw["sessionKey"]), str(raw["sessionToken"])
    except (ValueError, KeyError, TypeError, RecursionError):
        text = "Session is a JSON object with sessionId, sessionKey and sessionToken."
        raise AwsError.of("ValidationError", text) from None
    return signin_token(annex, credentials, None if duration is None else int(duration))


def _login(annex: TokenAnnex, fields: Mapping[str, str]) -> Response:
    destination = fields.get("Destination", "")
    if not _is_ours(destination):
        return pages.failure(400, "Destination is a URL of AWS.")
    begun = begin_with(annex, fields.get("SigninToken", ""))
    if begun is None:
        return pages.failure(400, "The sign-in token is not valid or has expired.")
    session, token = begun
    left_s = min(int(session.expires_s - annex.node.ports.now()), CONSOLE_S)
    return pages.redirect(destination, (pages.cookie(token, left_s),))


def _is_ours(destination: str) -> bool:
    """True for a page of AWS: a browser cannot be sent elsewhere from here."""
    try:
        parts = urlsplit(destination)
        host = parts.hostname or ""
    except ValueError:
        return False
    clean = destination.isprintable() and not {"\\", " "} & set(destination)
    return clean and parts.scheme == "https" and f".{host}".endswith(_DESTINATIONS)
