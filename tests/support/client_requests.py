"""Requests as clients of the service send them, and the user token that calls to the management plane carry."""

from __future__ import annotations

from brownout.harness.world import World
from brownout.identity.azure.arm.routes import find_route
from brownout.identity.core.messages import Request

ARM_VERSION = {"api-version": "2024-11-30"}
HERE = {"location": "australiaeast"}
LIFETIME_S = 1e7  # no test outlives it, whatever its clock's rate


def arm_version(path: str) -> dict[str, str]:
    """The query of a call to ARM: the newest version that what is at the path has."""
    match = find_route([word for word in path.removeprefix("/portal").split("/") if word])
    return ARM_VERSION if match is None else {"api-version": match.route.api_versions[-1]}


def token_request(machine: str) -> Request:
    """A machine's request to its metadata service for a token for the vault."""
    query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
    return Request("GET", f"/{machine}/metadata/identity/oauth2/token", query, {"metadata": "true"})


async def user_token(world: World) -> str:
    """A token of an operator's user, from the directory's control plane."""
    answer = await world.control("sydney.directory", Request("POST", "/admin/user-token", body={"lifetime_s": LIFETIME_S}))
    assert answer.body is not None
    return str(answer.body["access_token"])
