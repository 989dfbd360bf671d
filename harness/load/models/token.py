"""token: a machine asks its IMDS, or another of its token endpoints, for a token."""

from __future__ import annotations

from brownout.harness.load.models.machine_endpoints import token_by_endpoint
from brownout.harness.load.models.model import Arrival, ClientModel, Clients, Operation, Script, Typical
from brownout.identity.azure.hosts.endpoint import APP_SERVICE_2017, KINDS


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """The requests of a process that has just started: tokens are kept in a process's memory only."""
    return token_by_endpoint(arrival, clients.account, now_s)


TOKEN = ClientModel(
    name="token",
    operations=(Operation("token", weight=1, needs_machine=True),),
    script=script,
    target=0.999,
    endpoints=(*KINDS, APP_SERVICE_2017),
    caches_at_host=True,
    typical=(
        Typical(cohort="machines", share=0.6, probe="established", on="machine"),
        Typical(cohort="scaling", share=0.05, probe="new", on="scale set"),
    ),
)
