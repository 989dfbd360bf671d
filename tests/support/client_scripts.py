"""Scripts of client models, fed by hand: an arrival, its script begun, and responses as the service's surfaces send them."""

from __future__ import annotations

from typing import Any

from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call, Clients
from brownout.harness.load.models.playing import Playing, begin
from brownout.identity.core.messages import Response
from brownout.identity.core.trail import HEADER as TRAIL_HEADER

ACCOUNT = Account("tenant", "sub", "user-token")
TOKEN = Response(200, {"access_token": "tok", "expires_in": "1000"}, {TRAIL_HEADER: "sydney.host;1.0;k;manual;hit"})
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
        "resource": "https://vault.azure.net",
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


def ended(playing: Playing, response: Response) -> ArrivalResult:
    """The answer to which this response leads."""
    answer = playing.next(response)
    assert isinstance(answer, ArrivalResult), answer
    return answer
