"""management: an operator makes one call to the region's control plane, through ARM or through the portal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from brownout.harness.load.models.azure import identities_path, machine_path, result_of, signed_in
from brownout.harness.load.models.model import Account, Arrival, Call, ClientModel, Clients, Operation, Script, Typical
from brownout.identity.core.messages import Request

API_VERSION = "2024-11-30"
ARM, PORTAL = "arm", "portal"


def _create(account: Account, arrival: Arrival) -> Request:
    return Request("PUT", f"{identities_path(account)}/{arrival.id}", body={"location": arrival.home})


def _delete(account: Account, arrival: Arrival) -> Request:
    return Request("DELETE", f"{identities_path(account)}/doomed-{arrival.home}")


def _update(account: Account, arrival: Arrival) -> Request:
    return Request("PATCH", f"{identities_path(account)}/pool-{arrival.home}", body={"tags": {"arrival": arrival.id}})


def _assign(account: Account, arrival: Arrival) -> Request:
    shared: Mapping[str, Mapping[str, str]] = {f"{identities_path(account)}/pool-{arrival.home}": {}}
    # Both types: with "UserAssigned" alone the machine would lose the identity of its own.
    identity = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": shared}
    return Request("PATCH", machine_path(account, arrival.machine), body={"identity": identity})


def _list(account: Account, arrival: Arrival) -> Request:
    return Request("GET", identities_path(account))


REQUESTS: Mapping[Operation, Callable[[Account, Arrival], Request]] = {
    Operation("create"): _create,
    Operation("delete"): _delete,
    Operation("update"): _update,
    Operation("assign", needs_machine=True): _assign,
    Operation("list", weight=1, home="none"): _list,
}
_BY_NAME = {operation.name: request for operation, request in REQUESTS.items()}


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One call. The portal's path has a prefix; what follows is ARM's."""
    account = clients.account
    wanted = _BY_NAME[arrival.operation](account, arrival)
    prefix = "/portal" if arrival.front_end == PORTAL else ""
    query, headers = {"api-version": API_VERSION}, signed_in(account)
    response = yield Call(
        f"{arrival.region}.management", Request(wanted.method, prefix + wanted.path, query, headers, wanted.body)
    )
    return result_of(response)


MANAGEMENT = ClientModel(
    name="management",
    operations=tuple(REQUESTS),
    script=script,
    target=0.99,
    front_ends=(ARM, PORTAL),
    needs_user_token=True,
    typical=(
        # Nothing here grows without end or takes an identity away: such a load may go on for days.
        Typical(
            cohort="managers",
            share=0.1,
            probe="operator",
            on="nothing",
            mix={"list": 0.5, "update": 0.5},
            front_ends={ARM: 0.5, PORTAL: 0.5},
        ),
    ),
)
