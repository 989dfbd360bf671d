"""Scripts of client models, fed by hand: an arrival, its script begun, and responses as the service's surfaces send them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call, Clients, SignIn
from brownout.harness.load.playing import Playing, begin
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.trail import HEADER as TRAIL_HEADER

KEYS = {user: Credentials(f"AKIA{user.upper():A<16}", f"secret of {user}") for user in ("admin", "caller")}
SIGN_IN = SignIn("user-token", KEYS)
ACCOUNT = Account("tenant", "sub", SIGN_IN, "123456789012")
VAULT = "https://vault.azure.net"


def jwt(audience: str = VAULT, *, from_s: float = 0.0, to_s: float = 4e9) -> str:
    """A token as a client reads it: nobody signed it, and it is in force from and to these emulated epoch seconds."""
    claims = json.dumps({"aud": audience, "nbf": from_s, "exp": to_s}).encode()
    return f"head.{urlsafe_b64encode(claims).decode().rstrip('=')}.signature"


def token_answer(token: str = "", **changes: Any) -> Response:
    """IMDS' answer with a token."""
    body = {"access_token": token or jwt(), "expires_in": "1000", **changes}
    return Response(200, body, {TRAIL_HEADER: "sydney.host;1.0;k;manual;hit"})


TOKEN = token_answer()
DENIED = Response(500, {"error": "unknown", "error_description": "x"}, {TRAIL_HEADER: "sydney.host;1.0;;;"})


def arrival(model: str, operation: str, **changes: Any) -> Arrival:
    """An arrival in Sydney about an identity of Melbourne."""
    facts = {
        "id": "cohort-000001",
        "at_s": 5.0,
        "cohort": "cohort",
        "region": "sydney",
        "machine": "vm1",
        "home": "melbourne",
        "resource": VAULT,
    }
    return Arrival(model=model, operation=operation, **{**facts, **changes})


def begun(who: Arrival, clients: Clients | None = None, now_s: float = 5.0) -> tuple[Playing, Call]:
    """The arrival's script, and the first request that it wants sent."""
    playing = begin(who, clients or Clients(ACCOUNT), now_s)
    sent = playing.next()
    assert isinstance(sent, Call), sent
    return playing, sent


def first(who: Arrival, clients: Clients | None = None, now_s: float = 5.0) -> Call:
    """The first request of the arrival."""
    return begun(who, clients, now_s)[1]


def goes_on(playing: Playing, response: Response) -> Request:
    """The request that this response leads to."""
    sent = playing.next(response)
    assert isinstance(sent, Call), sent
    return sent.request


def ended(playing: Playing, response: Response) -> ArrivalResult:
    """The answer to which this response leads."""
    answer = playing.next(response)
    assert isinstance(answer, ArrivalResult), answer
    return answer
