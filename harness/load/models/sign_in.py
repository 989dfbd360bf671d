"""sign-in: a sign-in at Entra begins, by one of its names: what it serves is looked up, as an SDK does before anything else.

The front end is the name: `login` is Entra's own, `seamless` that of seamless single sign-on. Behind both is the same document;
the Kerberos ticket that a browser shows at the latter is not emulated (docs/load.md#what-counts-as-good).
"""

from __future__ import annotations

from brownout.harness.load.models.azure import accepted
from brownout.harness.load.models.model import Arrival, Call, ClientModel, Clients, Operation, Script
from brownout.identity.azure.names import LOGIN, SEAMLESS
from brownout.identity.core.edge.node import CLIENT_REGION
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import EDGE_NODE

NAMES = {"login": LOGIN, "seamless": SEAMLESS}


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """The tenant's OpenID configuration, good when it says where tokens are to be had."""
    path = f"/{clients.account.tenant_id}/v2.0/.well-known/openid-configuration"
    headers = {"host": NAMES[arrival.front_end], CLIENT_REGION: arrival.region}
    return accepted((yield Call(EDGE_NODE, Request("GET", path, headers=headers))), (200,), member="token_endpoint")


SIGN_IN = ClientModel(
    name="sign-in",
    operations=(Operation("discover", weight=1, home="none"),),
    script=script,
    target=0.999,
    front_ends=tuple(NAMES),
    by_name=True,
)
