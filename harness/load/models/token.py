"""token: a machine asks its IMDS for a token."""

from __future__ import annotations

from brownout.harness.load.models.azure import ask_for_token, token_result
from brownout.harness.load.models.model import Arrival, ClientModel, Clients, Operation, Script, Typical


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One request, as by a process that has just started: tokens are kept in a process's memory only."""
    return token_result((yield ask_for_token(arrival)), arrival, now_s)


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
