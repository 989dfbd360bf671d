"""Requests to a node's control plane, the same in every world: switches, and what clients sign in with (docs/design.md).

Each call is one or two requests of `World.control`, so it works alike on sockets and on the virtual clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from brownout.harness.effects import SwitchThrow
from brownout.harness.errors import Defended, WorldError
from brownout.harness.load.models.model import ConsoleUser, SignIn
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.records.seed import ADMIN, CALLER
from brownout.identity.azure.machine_secrets import endpoint_key
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import StackSpec

CONSOLE_USERS = 20  # who sign in in turn, because a code is good once
USER_TOKEN_LIFETIME_S = 30 * 24 * 3600.0  # longer than any stack or simulated run lasts


class Controlled(Protocol):
    """The part of a World that these functions use."""

    spec: StackSpec

    async def control(self, node: str, request: Request) -> Response:
        """One authenticated request to a node's control plane; raises WorldError if there is no answer."""
        ...


async def user_token(world: Controlled) -> str:
    """A fresh token of an operator, for the management plane, good for thirty emulated days; raises WorldError."""
    request = Request("POST", "/admin/user-token", body={"lifetime_s": USER_TOKEN_LIFETIME_S})
    answer = await world.control(f"{world.spec.home_region}.directory", request)
    if not answer.ok or answer.body is None:
        raise WorldError(f"the directory made no user token ({answer.status})")
    return str(answer.body["access_token"])


async def access_key(world: Controlled, user: str) -> Credentials:
    """The long-term access key of an IAM user that the stack's account starts with; raises WorldError."""
    answer = await world.control(
        f"{world.spec.home_region}.directory", Request("GET", "/admin/aws/credentials", {"user": user})
    )
    found = answer.body or {}
    if not answer.ok or "secret_access_key" not in found:
        raise WorldError(f"the directory has no access key of {user} ({answer.status})")
    return Credentials(str(found["access_key_id"]), str(found["secret_access_key"]))


async def console_users(world: Controlled, cohorts: Sequence[str]) -> Mapping[str, ConsoleUser]:
    """Each cohort's users of AWS's console by name, made at the first call and known in every region; raises WorldError."""
    body = {"groups": list(cohorts), "count": CONSOLE_USERS}
    request = Request("PUT", "/admin/aws/console-users", body=body)
    answer = await world.control(f"{world.spec.home_region}.directory", request)
    if not answer.ok or answer.body is None:
        raise WorldError(f"the directory made no users of the console ({answer.status})")
    return {
        str(each["user_name"]): ConsoleUser(each["password"], each["mfa_seed"], each["security_key"])
        for each in answer.body["users"]
    }


async def sign_in(world: Controlled, *, console: Sequence[str] = (), endpoints: Iterable[str] = ()) -> SignIn:
    """What a load's clients sign in with on this stack; raises WorldError.

    Those of the cohorts `console` sign in to AWS's console; `endpoints` are the kinds that are asked on Azure's machines.
    """
    is_aws = "aws" in world.spec.vendors
    token = await user_token(world)
    keys = {user: await access_key(world, user) for user in ((ADMIN, CALLER) if is_aws else ())}
    users = await console_users(world, console) if console and is_aws else {}
    return SignIn(token, keys, users, {kind: endpoint_key(world.spec.control_token, kind) for kind in sorted(endpoints)})


async def hold_switch(world: Controlled, node: str, fault_id: str, throw: SwitchThrow) -> Mapping[str, Any]:
    """Holds a switch of a node and returns the node's report, verified by reading back.

    Raises Defended when the node refuses it with its own reason, WorldError for anything else.
    """
    answer = await world.control(node, Request("PUT", _hold_path(fault_id), body=throw.to_json()))
    if answer.status == 409:
        raise Defended(_message(answer))
    if not answer.ok:
        raise WorldError(f"{node} did not take the switch {throw.switch!r}: {_message(answer)}")
    if fault_id not in (await read_switches(world, node))["holds"]:
        raise WorldError(f"{node} took the hold {fault_id} and does not show it")
    return answer.body or {}


async def release_switch(world: Controlled, node: str, fault_id: str) -> None:
    """Releases a switch, verified by reading back; a hold that the node does not have is success. Raises WorldError."""
    answer = await world.control(node, Request("DELETE", _hold_path(fault_id)))
    if not answer.ok:
        raise WorldError(f"{node} did not release the hold {fault_id}: {_message(answer)}")
    if fault_id in (await read_switches(world, node))["holds"]:
        raise WorldError(f"{node} released the hold {fault_id} and still shows it")


async def read_switches(world: Controlled, node: str) -> Mapping[str, Any]:
    """The node's report (`GET /admin/state`) with its `holds` by fault id; raises WorldError."""
    answer = await world.control(node, Request("GET", "/admin/state"))
    if not answer.ok or answer.body is None:
        raise WorldError(f"{node} does not show its state: {_message(answer)}")
    return answer.body


def _hold_path(fault_id: str) -> str:
    return f"/admin/holds/{fault_id}"


def _message(answer: Response) -> str:
    error = (answer.body or {}).get("error")
    return str(error.get("message", error)) if isinstance(error, Mapping) else f"status {answer.status}"
