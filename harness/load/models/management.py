"""management: an operator makes one call to the region's control plane, through ARM or through the portal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from brownout.harness.load.models.azure import accepted, identities_path, machine_path, shown_token, signed_in
from brownout.harness.load.models.model import Account, Arrival, Call, ClientModel, Clients, Operation, Script, Typical
from brownout.identity.core.messages import Request

API_VERSION, COMPUTE_VERSION = "2024-11-30", "2024-11-01"  # of identities, of machines
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


class Operator(NamedTuple):
    """One thing that operators ask for: its request, the statuses that the SDK takes as done, the member it then reads."""

    operation: Operation
    request: Callable[[Account, Arrival], Request]
    statuses: frozenset[int]
    member: str = ""
    api_version: str = API_VERSION


# As azure-mgmt-msi and azure-mgmt-compute (`assign`) take the answers.
ASKED = (
    Operator(Operation("create"), _create, frozenset({200, 201}), "id"),
    Operator(Operation("delete"), _delete, frozenset({200, 204})),
    Operator(Operation("update"), _update, frozenset({200}), "id"),
    Operator(Operation("assign", needs_machine=True, home="drawn"), _assign, frozenset({200, 202}), "id", COMPUTE_VERSION),
    Operator(Operation("list", weight=1, home="none"), _list, frozenset({200}), "value"),
)
_BY_NAME = {asked.operation.name: asked for asked in ASKED}


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One call. The portal's path has a prefix; what follows is ARM's."""
    account = clients.account
    asked = _BY_NAME[arrival.operation]
    wanted = asked.request(account, arrival)
    prefix = "/portal" if arrival.front_end == PORTAL else ""
    query, headers = {"api-version": asked.api_version}, signed_in(account)
    response = yield Call(
        f"{arrival.region}.management", Request(wanted.method, prefix + wanted.path, query, headers, wanted.body)
    )
    shown = shown_token(account.sign_in.user_token)
    return accepted(response, asked.statuses, member=asked.member)._replace(credentials=shown)


MANAGEMENT = ClientModel(
    name="management",
    operations=tuple(asked.operation for asked in ASKED),
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
