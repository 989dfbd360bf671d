"""Sign-in to the console: which region answers for what, and what still works while the home region is away."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.signin.surface import HOST
from brownout.identity.core.messages import Request
from brownout.identity.core.trail import parse

from .conftest import MELBOURNE, PASSWORD, SYDNEY, Console, SecurityKey, asserted, cookie_in, facts_of

REGIONAL, GLOBAL, HOME = f"/console?region={MELBOURNE}", "/console", f"/console?region={SYDNEY}"


def test_a_user_signs_in_and_is_known_afterwards(console: Console) -> None:
    """The answer says who is signed in and where; the cookie is known by every node of every region, until it is given up."""
    answer = console.sign_in(REGIONAL)
    facts = facts_of(answer)
    assert (answer.status, facts["arn"]) == (200, f"arn:aws:iam::{console.account_id}:user/alice")
    assert (facts["region"], facts["node"]) == (MELBOURNE, "melbourne.token.z1")
    cookie = f"other=1; aws-creds={cookie_in(answer)}"
    for target, node in ((REGIONAL, "melbourne.token.z3"), (HOME, "sydney.token.z2"), (GLOBAL, "sydney.token.z1")):
        assert facts_of(console.get(target, node, cookie=cookie))["arn"] == facts["arn"]
    assert "Max-Age=0" in console.get("/logout").headers["set-cookie"]
    assert b'name="password"' in console.get(REGIONAL).payload


def test_a_session_ends_after_twelve_hours(console: Console) -> None:
    """The cookie is no session any more, and the form comes back."""
    cookie = f"aws-creds={cookie_in(console.sign_in(REGIONAL))}"
    console.sleep(12 * 3600 - 60)
    assert "arn" in facts_of(console.get(REGIONAL, cookie=cookie))
    console.sleep(61)
    assert "arn" not in facts_of(console.get(REGIONAL, cookie=cookie))


@pytest.mark.parametrize("wrong", [{"password": "other"}, {"username": "nobody"}, {"account": "123"}, {"password": ""}])
@pytest.mark.parametrize("target", [REGIONAL, GLOBAL])
def test_wrong_information_is_refused_with_one_text(console: Console, wrong: dict[str, str], target: str) -> None:
    """401 and the same words for a wrong password, an unknown user and another account, wherever it is judged."""
    answer = console.sign_in(target, **wrong)
    assert answer.status == 401
    assert b"Your authentication information is incorrect" in answer.payload
    assert "set-cookie" not in answer.headers


def test_a_password_is_changed_in_every_region(console: Console) -> None:
    """After a change the old password is refused everywhere, the new one taken."""
    console.set_password("alice", "battery staple")
    for target in (REGIONAL, GLOBAL):
        assert console.sign_in(target).status == 401
        assert console.sign_in(target, password="battery staple").status == 200


@pytest.mark.parametrize("target", [REGIONAL, GLOBAL])
def test_a_password_that_must_be_changed_lets_nobody_in(console: Console, target: str) -> None:
    """403 with the reason, for who has the right password only."""
    console.set_password("alice", reset_required=True)
    assert console.sign_in(target).status == 403
    assert console.sign_in(target, password="other").status == 401


def test_a_region_signs_in_while_the_home_region_is_cut_off(console: Console) -> None:
    """With `region=` of a live region sign-in works through the cut; without it, and with the home region, it does not."""
    console.cut()
    assert console.sign_in(REGIONAL).status == 200
    for target in (GLOBAL, HOME):
        answer = console.sign_in(target)
        assert answer.status == 503
        assert b"add region=REGION" in answer.payload


def test_sign_in_through_home_is_judged_by_the_directory(console: Console) -> None:
    """Without a region the trail goes on to the directory; with one it ends at the region's node."""
    through_home = parse(console.sign_in(GLOBAL).headers["x-brownout-trail"])
    regional = parse(console.sign_in(REGIONAL).headers["x-brownout-trail"])
    assert [hop.node for hop in through_home] == ["melbourne.token.z1", "sydney.directory"]
    assert [hop.node for hop in regional] == ["melbourne.token.z1"]


def test_the_home_region_s_sign_in_needs_its_control_plane(console: Console) -> None:
    """When the directory alone is down, sign-in fails in the home region and works in the other one."""
    console.world.run(console.world.hold(Carrier("node", "sydney.directory"), "d", NodeEffect("down")))
    assert console.sign_in(HOME, "sydney.token.z1").status == 503
    assert console.sign_in(GLOBAL, "sydney.token.z1").status == 503
    assert console.sign_in(REGIONAL).status == 200


@pytest.mark.parametrize(
    ("host", "node", "nodes"),
    [
        (f"{MELBOURNE}.{HOST}", "melbourne.token.z1", ["melbourne.token.z1"]),
        (f"ACCT.{HOST}", "melbourne.token.z1", ["melbourne.token.z1", "sydney.directory"]),
        (HOST, "sydney.token.z1", ["sydney.token.z1", "sydney.directory"]),
        (f"{SYDNEY}.{HOST}:443", "sydney.token.z1", ["sydney.token.z1", "sydney.directory"]),
    ],
)
def test_host_names_say_which_region_is_meant(console: Console, host: str, node: str, nodes: list[str]) -> None:
    """A region's own name is the region's; those of the account and of everybody go through the home region."""
    answer = console.sign_in("/", node, host.replace("ACCT", console.account_id))
    assert answer.status == 200
    assert [hop.node for hop in parse(answer.headers["x-brownout-trail"])] == nodes


def test_another_region_is_a_redirect_and_an_unknown_one_an_error(console: Console) -> None:
    """A node sends browsers on to the region that they mean, if there is one."""
    elsewhere = console.get(REGIONAL, "sydney.token.z1")
    assert (elsewhere.status, elsewhere.headers["location"]) == (302, f"https://{MELBOURNE}.{HOST}/console?region={MELBOURNE}")
    assert console.get("/console?region=eu-nowhere-1").status == 400


def test_the_form_shows_the_account_of_its_host(console: Console) -> None:
    """The account's own name fills the account in; what clients send is escaped."""
    answer = console.get("/console", host=f"{console.account_id}.{HOST}")
    assert f'value="{console.account_id}"' in answer.payload.decode()
    again = console.sign_in(REGIONAL, username='"><script>', password="x")
    assert b"<script>" not in again.payload


@pytest.mark.parametrize("cut", [False, True])
def test_a_one_time_code_is_checked_by_the_region(console: Console, cut: bool) -> None:
    """A user with a device needs its code, each code once; a cut region goes on to check them."""
    console.give_device("alice")
    if cut:
        console.cut()
    missing, wrong = console.sign_in(REGIONAL), console.sign_in(REGIONAL, mfa_code="000000")
    assert (missing.status, wrong.status) == (401, 401)
    assert b"Enter the code" in missing.payload
    code = console.code()
    assert console.sign_in(REGIONAL, mfa_code=code).status == 200
    assert console.sign_in(REGIONAL, mfa_code=code).status == 401


def test_a_one_time_code_is_checked_at_home(console: Console) -> None:
    """Through the home region the same holds."""
    console.give_device("alice")
    assert console.sign_in(GLOBAL).status == 401
    code = console.code()
    assert console.sign_in(GLOBAL, mfa_code=code).status == 200
    assert console.sign_in(GLOBAL, mfa_code=code).status == 401


def with_key(console: Console, key: SecurityKey, target: str, **changed: Any) -> Any:
    """A sign-in with a security key: the form is sent, its challenge answered."""
    form = console.sign_in(target)
    assert form.status == 401
    answer = key.answer(console.challenge_for(form), **changed)
    return console.sign_in(target, assertion=asserted(answer))


@pytest.mark.parametrize("target", [REGIONAL, GLOBAL])
def test_a_security_key_is_checked_at_home(console: Console, target: str) -> None:
    """Wherever it is shown, the directory judges it."""
    key = SecurityKey()
    serial = console.give_key("alice", key)
    assert serial.endswith(":u2f/user/alice/key-1")
    answer = with_key(console, key, target)
    assert answer.status == 200
    assert parse(answer.headers["x-brownout-trail"])[-1].node == "sydney.directory"


def test_a_security_key_is_of_no_use_while_the_home_region_is_cut_off(console: Console) -> None:
    """The same region that takes one-time codes cannot complete a sign-in with a key, and never does without one."""
    key = SecurityKey()
    console.give_key("alice", key)
    challenge = console.challenge_for(console.sign_in(REGIONAL))
    console.cut()
    assert console.sign_in(REGIONAL).status == 401
    answer = console.sign_in(REGIONAL, assertion=asserted(key.answer(challenge)))
    assert answer.status == 503
    assert b"Security keys are checked in" in answer.payload


WRONG_ASSERTIONS: tuple[dict[str, Any], ...] = ({"site": "evil.example"}, {"present": False}, {"kind": "webauthn.create"})


@pytest.mark.parametrize("changed", WRONG_ASSERTIONS, ids=str)
def test_an_assertion_for_something_else_is_refused(console: Console, changed: dict[str, Any]) -> None:
    """Another site's, one without touch, one of another kind: 401."""
    key = SecurityKey()
    console.give_key("alice", key)
    assert with_key(console, key, REGIONAL, **changed).status == 401


def test_a_challenge_is_good_once_for_a_while_and_for_its_user(console: Console) -> None:
    """A used challenge, an old one, one of nobody's and another's key are refused."""
    key = SecurityKey()
    console.give_key("alice", key)
    challenge = console.challenge_for(console.sign_in(REGIONAL))
    assert console.sign_in(REGIONAL, assertion=asserted(SecurityKey().answer(challenge))).status == 401
    assert console.sign_in(REGIONAL, assertion=asserted(key.answer(challenge))).status == 401, "used up"
    old = console.challenge_for(console.sign_in(REGIONAL))
    console.sleep(121)
    for wrong in (old, "AAAA", ""):
        assert console.sign_in(REGIONAL, assertion=asserted(key.answer(wrong))).status == 401


def test_a_wrong_password_is_not_made_good_by_a_key(console: Console) -> None:
    """The key is a second factor."""
    key = SecurityKey()
    console.give_key("alice", key)
    challenge = console.challenge_for(console.sign_in(REGIONAL))
    assert console.sign_in(REGIONAL, password="other", assertion=asserted(key.answer(challenge))).status == 401


@pytest.mark.parametrize(
    "assertion", ["{", "[]", "{}", '{"clientDataJSON": "!", "authenticatorData": "", "signature": ""}', "null"]
)
def test_an_assertion_that_cannot_be_read_is_refused(console: Console, assertion: str) -> None:
    """401, whatever it is."""
    console.give_key("alice", SecurityKey())
    assert console.sign_in(REGIONAL, assertion=assertion).status == 401


def test_only_users_with_sound_keys_get_them(console: Console) -> None:
    """An unknown user is 404, another kind of key 400."""
    for body, status in (
        ({"user": "nobody", "name": "k", "public_key": SecurityKey().public_key}, 404),
        ({"user": "alice", "name": "k", "public_key": "no key"}, 400),
        ({"user": "alice"}, 400),
    ):
        request = Request("PUT", "/admin/aws/security-keys", body=body)
        assert console.world.run(console.world.control("sydney.directory", request)).status == status


def test_a_region_without_a_sealing_key_signs_nobody_in(console: Console) -> None:
    """When the home region has been away for longer than keys were made ahead, the region has no key to make a session with."""
    console.lose("sydney.directory")
    console.sleep(49 * 3600)
    assert console.sign_in(REGIONAL).status == 503
    assert console.sign_in(REGIONAL, password="other").status == 401


def test_other_pages_and_methods_are_errors(console: Console) -> None:
    """404 for other paths of a sign-in host, and a form is all that can be sent."""
    assert console.get("/elsewhere", host=HOST).status == 404
    assert PASSWORD not in str(console.get(REGIONAL).payload)
