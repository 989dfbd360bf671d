"""The control plane of a node, asked on the virtual clock: switches are verified, and a user's token is one that is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.effects import SwitchThrow
from brownout.harness.errors import Defended, WorldError
from brownout.harness.load.models.model import ConsoleUser, SignIn
from brownout.harness.worlds.control_plane import (
    access_key,
    console_users,
    hold_switch,
    read_switches,
    release_switch,
    sign_in,
    user_token,
)
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.machine_secrets import endpoint_secret, secret_of_machine
from brownout.identity.core.messages import Request, Response
from support.fake_world import drive

THROW = SwitchThrow("replication-paused", {"paused": True})


class Answers:
    """A control plane with scripted answers; `asked` is what it was asked for."""

    spec = build_stack(seed=1)

    def __init__(self, *answers: Response) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, str, str]] = []

    async def control(self, node: str, request: Request) -> Response:
        self.asked.append((node, request.method, request.path))
        return self._answers.pop(0)


def shows(*holds: str) -> Response:
    return Response(200, {"holds": {fault_id: {} for fault_id in holds}})


def refusal(status: int, message: str) -> Response:
    body: Mapping[str, Any] = {"error": {"message": message}}
    return Response(status, body)


def test_a_switch_is_read_back() -> None:
    """It counts as thrown when the node shows the hold, and as released when the node does not."""
    world = Answers(Response(200, {"holds": {"f1": {}}}), shows("f1"), Response(200, {}), shows())
    drive(hold_switch(world, "sydney.directory", "f1", THROW))
    drive(release_switch(world, "sydney.directory", "f1"))
    state, hold = "/admin/state", "/admin/holds/f1"
    assert [row[1:] for row in world.asked] == [("PUT", hold), ("GET", state), ("DELETE", hold), ("GET", state)]


def test_a_switch_that_does_not_show_is_an_error() -> None:
    """A node that says yes and does nothing is found out, in both directions."""
    with pytest.raises(WorldError, match="does not show it"):
        drive(hold_switch(Answers(Response(200, {}), shows()), "n", "f1", THROW))
    with pytest.raises(WorldError, match="still shows it"):
        drive(release_switch(Answers(Response(200, {}), shows("f1")), "n", "f1"))


def test_a_refusal_has_the_nodes_own_reason() -> None:
    """A conflict is the system's defence; any other failure is the harness's trouble. Both quote the node."""
    with pytest.raises(Defended, match="one key at least"):
        drive(hold_switch(Answers(refusal(409, "one key at least")), "n", "f1", THROW))
    with pytest.raises(WorldError, match="did not take the switch 'replication-paused': no such switch"):
        drive(hold_switch(Answers(refusal(404, "no such switch")), "n", "f1", THROW))
    with pytest.raises(WorldError, match="did not release the hold f1: status 500"):
        drive(release_switch(Answers(Response(500, {})), "n", "f1"))
    with pytest.raises(WorldError, match="does not show its state: status 503"):
        drive(read_switches(Answers(Response(503, None)), "n"))


def test_a_user_token_comes_from_the_home_regions_directory() -> None:
    """No other node makes one, and one that makes none is named."""
    world = Answers(Response(200, {"access_token": "t"}), Response(403, None))
    assert drive(user_token(world)) == "t"
    assert world.asked == [(f"{world.spec.home_region}.directory", "POST", "/admin/user-token")]
    with pytest.raises(WorldError, match=r"no user token \(403\)"):
        drive(user_token(world))


def test_a_stack_of_aws_gives_access_keys_too() -> None:
    """A load signs in with a user's token and with the keys of the account's users; a directory without a key is named."""
    token, key = Response(200, {"access_token": "t"}), Response(200, {"access_key_id": "AKIA1", "secret_access_key": "hidden"})
    assert drive(sign_in(Answers(token))) == SignIn("t", {})
    world = Answers(token, key, key)
    world.spec = build_stack(seed=1, vendors=("aws",))
    found = drive(sign_in(world))
    assert (found.user_token, sorted(found.access_keys)) == ("t", ["admin", "caller"])
    assert found.access_keys["admin"].secret_access_key == "hidden"
    assert "hidden" not in repr(found)
    with pytest.raises(WorldError, match=r"no access key of admin \(404\)"):
        drive(access_key(Answers(Response(404, None)), "admin"))


def test_a_load_is_given_the_keys_of_the_endpoints_that_it_asks() -> None:
    """From each the secrets of machines follow, and from none the control token or another kind's."""
    token = Response(200, {"access_token": "t"})
    world = Answers(token)
    found = drive(sign_in(world, endpoints={"arc", "app-service"}))
    assert sorted(found.endpoint_keys) == ["app-service", "arc"]
    control_token = world.spec.control_token
    assert secret_of_machine(found.endpoint_keys["arc"], "web-1") == endpoint_secret(control_token, "arc", "web-1")
    assert len({*found.endpoint_keys.values(), control_token}) == 3
    assert not [key for key in found.endpoint_keys.values() if key in repr(found) or control_token in key]


def test_users_of_the_console_are_made_for_a_load_that_has_such() -> None:
    """They come from the home region's directory, and only where the load asks for them; none is shown in a text."""
    token, key = Response(200, {"access_token": "t"}), Response(200, {"access_key_id": "AKIA1", "secret_access_key": "hidden"})
    users = Response(
        200,
        {
            "users": [
                {"user_name": "console-0", "password": "hidden", "mfa_seed": "hidden too", "security_key": "hidden as well"}
            ]
        },
    )
    world = Answers(token, key, key, users)
    world.spec = build_stack(seed=1, vendors=("aws",))
    found = drive(sign_in(world, console=["console"]))
    assert found.console_users == {"console-0": ConsoleUser("hidden", "hidden too", "hidden as well")}
    assert "hidden" not in repr(found) + repr(found.console_users)
    assert world.asked[-1] == ("sydney.directory", "PUT", "/admin/aws/console-users")
    assert drive(sign_in(Answers(token), console=["console"])).console_users == {}, "a stack without AWS has no console"
    with pytest.raises(WorldError, match=r"no users of the console \(503\)"):
        drive(console_users(Answers(Response(503, None)), ["console"]))
