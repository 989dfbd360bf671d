"""token: a machine asks its IMDS for a token."""

from __future__ import annotations

from brownout.harness.load.models.azure import ask_for_token, result_of, token_in
from brownout.harness.load.models.model import Arrival, ArrivalResult, ClientModel, Clients, Operation, Script, Typical


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One request, as by a process that has just started: tokens are kept in a process's memory only."""
    response = yield ask_for_token(arrival)
    found = token_in(response)
    return found if isinstance(found, ArrivalResult) else result_of(response)


TOKEN = ClientModel(
    name="token",
    operations=(Operation("token", weight=1, needs_machine=True),),
    script=script,
    target=0.999,
    caches_at_host=True,
    typical=(
        Typical(cohort="machines", share=0.6, probe="established", on="machine"),
        Typical(cohort="scaling", share=0.05, probe="new", on="scale set"),
    ),
)
