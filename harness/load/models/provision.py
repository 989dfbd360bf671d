"""provision: an operator creates a virtual machine, with or without an identity of its own, and waits until it is made."""

from __future__ import annotations

from brownout.harness.load.models.azure import accepted, error_code, machine_path, shown_token, signed_in
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, ClientModel, Clients, Operation, Script
from brownout.identity.core.messages import Request

API_VERSION = "2024-07-01"
SYSTEM, PLAIN = "provision-system", "provision-plain"


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """The machine's creation, then one look at its asynchronous operation, which decides whether it happened."""
    query, headers = {"api-version": API_VERSION}, signed_in(clients.account)
    identity = {"identity": {"type": "SystemAssigned"}} if arrival.operation == SYSTEM else {}
    node, path = f"{arrival.region}.management", machine_path(clients.account, arrival.id)
    response = yield Call(node, Request("PUT", path, query, headers, {"location": arrival.region, **identity}))
    shown = shown_token(clients.account.sign_in.user_token)
    result = accepted(response, (200, 201), member="id")._replace(credentials=shown)
    operation_url = response.headers.get("azure-asyncoperation", "")
    if result.outcome != "happened" or not operation_url:
        return result
    polled = yield Call(node, Request("GET", _path_of(operation_url), query, headers))
    if polled.status == 200 and (polled.body or {}).get("status") == "Succeeded":
        return result
    return ArrivalResult(polled.status, "refused", error_code(polled), result.trail, credentials=shown)


def _path_of(url: str) -> str:
    """The path of an absolute URL without its query."""
    return "/" + url.split("://", 1)[-1].split("/", 1)[-1].split("?", 1)[0]


PROVISION = ClientModel(
    name="provision",
    operations=(Operation(SYSTEM, weight=1, home="region"), Operation(PLAIN, home="none")),
    script=script,
    target=0.99,
    needs_user_token=True,
)
