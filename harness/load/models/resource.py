"""resource: an application on a machine reads a secret with a token that it uses again until half of its life is over."""

from __future__ import annotations

from brownout.harness.load.models.azure import accepted, ask_for_token, given_token, result_of, shown_token, token_in
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, ClientModel, Clients, Operation, Script, Typical
from brownout.harness.record.credentials import told
from brownout.identity.core.messages import Request
from brownout.identity.core.trail import joined

RENEW_AT_SHARE = 0.5


class HeldTokens(dict[tuple[str, str], tuple[str, float]]):
    """By machine and resource: the token that the application holds, and the emulated time from which it renews it."""


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """A token request where no token is held or the held one is to be renewed, then the secret."""
    held = clients.memory(HeldTokens)
    key = (arrival.machine, arrival.resource)
    token, renew_s = held.get(key, ("", 0.0))
    token_trail = given = ""
    if not token or now_s >= renew_s:
        response = yield ask_for_token(arrival)
        issued = token_in(response, arrival, now_s)
        if isinstance(issued, ArrivalResult):
            return issued
        token, token_trail = issued.text, result_of(response).trail
        given = given_token(token, arrival.resource)
        held[key] = (token, now_s + issued.expires_in_s * RENEW_AT_SHARE)
    headers = {"authorization": f"Bearer {token}"}
    secret = yield Call(f"{arrival.region}.vault", Request("GET", "/secrets/sample", {"api-version": "7.6"}, headers))
    result = accepted(secret, (200,), member="value")
    return result._replace(trail=joined(result.trail, token_trail), credentials=told(given, shown_token(token)))


RESOURCE = ClientModel(
    name="resource",
    operations=(Operation("secret", weight=1, needs_machine=True),),
    script=script,
    target=0.995,
    caches_at_host=True,
    typical=(Typical(cohort="apps", share=0.25, probe="application", on="machine"),),
)
