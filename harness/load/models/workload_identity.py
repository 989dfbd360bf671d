"""workload-identity: a pod of AKS exchanges the token of its service account at Entra, for one of the identity that trusts it.

The pod reads the token on its node, which has it from the cluster, and finds Entra by name. No host caches what Entra gives,
and no metadata store is asked for it. Source: docs/reference/azure-wire.md#workload-identity.
"""

from __future__ import annotations

from urllib.parse import urlencode

from brownout.harness.load.models.azure import USER_AGENT, accepted, token_result
from brownout.harness.load.models.machine_endpoints import endpoint_key_of
from brownout.harness.load.models.model import Arrival, Call, ClientModel, Clients, Operation, Script
from brownout.identity.azure.hosts.endpoint import WORKLOAD_IDENTITY as KIND
from brownout.identity.azure.hosts.probes import pod_request
from brownout.identity.azure.machine_secrets import secret_of_machine
from brownout.identity.azure.names import LOGIN
from brownout.identity.azure.service_accounts import ASSERTION_TYPE
from brownout.identity.core.edge.node import CLIENT_REGION
from brownout.identity.core.messages import FORM_TYPE, Request
from brownout.identity.core.records import Json
from brownout.identity.core.topology import EDGE_NODE
from brownout.identity.core.trail import joined


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """What the pod finds when it starts, then the exchange."""
    secret = secret_of_machine(endpoint_key_of(clients.account, KIND), arrival.machine)
    answer = yield Call(f"{arrival.region}.host", pod_request(secret, arrival.machine))
    started = accepted(answer, (200,), member="token")
    if started.outcome != "happened":
        return token_result(answer, arrival, now_s)._replace(outcome="refused", error=started.error)
    result = token_result((yield Call(EDGE_NODE, _exchange(arrival, answer.body or {}))), arrival, now_s)
    return result._replace(trail=joined(result.trail, started.trail))


def _exchange(arrival: Arrival, found: Json) -> Request:
    """The request to Entra's token endpoint, as azure-identity sends it."""
    form = {
        "grant_type": "client_credentials",
        "client_id": str(found["client_id"]),
        "scope": f"{arrival.resource}/.default",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": str(found["token"]),
    }
    headers = {"host": LOGIN, "content-type": FORM_TYPE, "user-agent": USER_AGENT, CLIENT_REGION: arrival.region}
    lines = tuple((name.encode(), value.encode()) for name, value in headers.items())
    return Request.raw("POST", f"/{found['tenant_id']}/oauth2/v2.0/token", lines, urlencode(form).encode())


WORKLOAD_IDENTITY = ClientModel(
    name="workload-identity",
    operations=(Operation("token", weight=1, needs_machine=True),),
    script=script,
    target=0.999,
    endpoints=(KIND,),
    by_name=True,
)
