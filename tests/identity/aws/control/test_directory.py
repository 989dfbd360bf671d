"""IAM's control plane on the directory: calls of front ends, switches and control requests."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws import ids
from brownout.identity.aws.control.calls import IamCall
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.principals import LastUsed
from support.aws_directories import DIRECTORY, AwsStack, caller, on_aws_stack
from support.identity_stacks import EPOCH_S, body, hops


def test_a_user_is_made_and_found() -> None:
    """What CreateUser returns is what GetUser finds, and nobody has the name afterwards but that user."""

    async def story(stack: AwsStack) -> tuple[Any, Any, AwsError]:
        made = await stack.call("CreateUser", UserName="Bob", Path="/team/")
        found = await stack.call("GetUser", UserName="bob")
        return made["User"], found["User"], await stack.refused("CreateUser", UserName="BOB")

    made, found, refused = on_aws_stack(story)
    assert made == found
    assert made["CreateDate"] == pytest.approx(EPOCH_S, abs=5)
    assert (refused.code, refused.status) == ("EntityAlreadyExists", 409)


def test_what_is_no_operation_and_what_is_no_call() -> None:
    """An operation that is not built is InvalidAction; a payload that is no call is 400 and harms nobody."""

    async def story(stack: AwsStack) -> tuple[AwsError, list[int]]:
        node = stack.node(DIRECTORY)
        call = IamCall("GetUser", {}, caller(), "r").to_json()
        bad: list[Any] = [{}, {"action": "GetUser"}, call | {"caller": 3}, call | {"params": None, "caller": {"kind": "x"}}]
        answers = [await node.handle(node.internal("POST", "/aws/call", each)) for each in bad]
        return await stack.refused("AcquireRole"), [answer.status for answer in answers]

    refused, statuses = on_aws_stack(story)
    assert (refused.code, refused.status) == ("InvalidAction", 400)
    assert statuses == [400] * 4


def test_bytes_survive_the_way_to_a_front_end() -> None:
    """The seed of an MFA device is bytes at both ends."""

    async def story(stack: AwsStack) -> Any:
        return await stack.call("CreateVirtualMFADevice", VirtualMFADeviceName="m")

    assert len(on_aws_stack(story)["VirtualMFADevice"]["Base32StringSeed"]) == 64


def test_the_account_survives_a_restart() -> None:
    """A directory that is killed and started again has what it had acknowledged, and the same keys for its users."""

    async def story(stack: AwsStack) -> tuple[Any, Any, int, int]:
        await stack.call("CreateUser", UserName="Bob")
        before, version = body(await stack.control("GET", "/credentials")), stack.iam.account.durable.version
        await stack.restart(DIRECTORY)
        await stack.call("GetUser", UserName="bob")
        return before, body(await stack.control("GET", "/credentials")), version, stack.iam.account.durable.version

    before, after, first, second = on_aws_stack(story)
    assert before == after
    assert second == first + 1, "the line of the new life, and nothing else"


def test_credentials_are_told_to_the_harness() -> None:
    """Both first users have a key of their own from the start; others get one when it is asked for; strangers have none."""

    async def story(stack: AwsStack) -> list[Any]:
        await stack.call("CreateUser", UserName="Bob")
        answers = [
            await stack.control("GET", "/credentials", user=name) for name in ("admin", "caller", "bob", "bob", "nobody")
        ]
        return [answer.body | {"status": answer.status} if answer.body else None for answer in answers]

    admin, of_caller, bob, again, nobody = on_aws_stack(story)
    assert ids.account_of(admin["access_key_id"]) == admin["account_id"]
    assert len({admin["access_key_id"], of_caller["access_key_id"], bob["access_key_id"]}) == 3
    assert bob == again
    assert len(bob["secret_access_key"]) == 40
    assert nobody["status"] == 404


def test_credentials_need_the_control_token() -> None:
    """Nobody without the control token gets a secret."""

    async def story(stack: AwsStack) -> int:
        return (await stack.raw(DIRECTORY, "GET", "/admin/aws/credentials")).status

    assert on_aws_stack(story) == 401


def test_a_reset_gives_the_account_back() -> None:
    """What was made is gone, what was deleted is there, also keys that clients were told of, and regions know it at once."""

    async def story(stack: AwsStack) -> tuple[Any, Any, Any, Any]:
        before = body(await stack.control("GET", "/credentials", user="caller"))
        await stack.call("CreateUser", UserName="Bob")
        await stack.call("DeleteAccessKey", UserName="caller", AccessKeyId=before["access_key_id"])
        await stack.call("DeleteUserPolicy", UserName="caller", PolicyName="calls")
        await stack.call("DeleteUser", UserName="caller")
        sealing = dict(stack.iam.publisher.edition("sydney").sealing_keys)
        answer = body(await stack.control("POST", "/reset"))
        replica: Any = stack.node("melbourne.vault").annexes["aws"]
        assert replica.replica.version == answer["version"]
        assert "caller" in replica.replica.account.users
        assert dict(stack.iam.publisher.edition("sydney").sealing_keys) == sealing
        users = await stack.call("ListUsers")
        return before, body(await stack.control("GET", "/credentials", user="caller")), users, answer

    before, after, users, answer = on_aws_stack(story)
    assert after == before
    assert [user["UserName"] for user in users["Users"]] == ["admin", "caller"]
    assert set(answer["published"].values()) == {True}


def test_keys_that_were_switched_off_are_good_after_a_reset() -> None:
    """The first keys stay those that clients were told of."""

    async def story(stack: AwsStack) -> tuple[Any, Any]:
        before = body(await stack.control("GET", "/credentials"))
        await stack.call("UpdateAccessKey", UserName="admin", AccessKeyId=before["access_key_id"], Status="Inactive")
        await stack.call("CreateAccessKey", UserName="admin")
        await stack.control("POST", "/reset")
        listed = await stack.call("ListAccessKeys", UserName="admin")
        assert [key["Status"] for key in listed["AccessKeyMetadata"]] == ["Active"]
        return before, body(await stack.control("GET", "/credentials"))

    before, after = on_aws_stack(story)
    assert before == after


def test_errors_are_a_share_of_all_calls() -> None:
    """A switch makes that share of calls fail with its code, before they change anything; data planes notice nothing."""

    async def story(stack: AwsStack) -> tuple[list[str], int]:
        await stack.hold(DIRECTORY, "f", "iam-errors", share=0.5, code="ServiceUnavailable")
        answers = [await stack.answer("CreateUser", UserName=f"u{number}") for number in range(200)]
        await stack.release(DIRECTORY, "f")
        users = (await stack.call("ListUsers", MaxItems=1000))["Users"]
        return [answer.error.code if answer.error else "" for answer in answers], len(users) - 2

    codes, made = on_aws_stack(story)
    assert set(codes) == {"", "ServiceUnavailable"}
    assert 60 < codes.count("") == made < 140


def test_calls_take_longer() -> None:
    """A delay holds every call back and is over when it is released."""

    async def story(stack: AwsStack) -> list[float]:
        took = []
        for delay_s in (0.0, 3.0):
            await stack.hold(DIRECTORY, "f", "iam-latency", delay_s=delay_s)
            began = stack.world.now()
            await stack.call("ListUsers")
            took.append(stack.world.now() - began)
            await stack.release(DIRECTORY, "f")
        return took

    assert on_aws_stack(story) == [0.0, 3.0]


def test_describing_lags() -> None:
    """While it lags, new things are not described, and never more is hidden than was there when the lag began."""

    async def story(stack: AwsStack) -> list[str]:
        await stack.call("CreateUser", UserName="before")
        await stack.hold(DIRECTORY, "f", "describe-lag", lag_s=20.0)
        await stack.call("CreateUser", UserName="after")
        seen = []
        for _ in range(4):
            answers = [await stack.answer("GetUser", UserName=name) for name in ("before", "after")]
            seen.append("".join("-" if answer.error else "+" for answer in answers))
            await stack.wait(8)
        assert (await stack.refused("CreateUser", UserName="after")).code == "EntityAlreadyExists"
        await stack.call("CreateUser", UserName="last")
        await stack.release(DIRECTORY, "f")
        await stack.call("GetUser", UserName="last")
        return seen

    assert on_aws_stack(story) == ["+-", "+-", "+-", "++"]


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("iam-errors", {"share": 2}),
        ("iam-errors", {"share": "half"}),
        ("iam-errors", {"share": 0.5, "code": "Nonsense"}),
        ("iam-errors", {}),
        ("iam-latency", {"delay_s": -1}),
        ("iam-latency", {"delay_s": "nan"}),
        ("describe-lag", {}),
        ("pause-iam-replication", {}),
        ("pause-iam-replication", {"regions": ["perth"]}),
        ("pause-iam-replication", {"nodes": ["sydney.store"]}),
        ("pause-iam-replication", {"regions": 3}),
        ("slow-iam-replication", {"regions": ["melbourne"]}),
        ("slow-iam-replication", {"delay_s": 5}),
        ("slow-iam-replication", {"regions": ["melbourne"], "delay_s": -5}),
    ],
)
def test_a_switch_that_cannot_be_meant_is_refused(switch: str, value: dict[str, Any]) -> None:
    """A value that makes no sense is 400, and calls go on."""

    async def story(stack: AwsStack) -> int:
        answer = await stack.try_hold(DIRECTORY, "f", switch, value)
        await stack.call("ListUsers")
        return answer.status

    assert on_aws_stack(story) == 400


def test_an_answer_names_the_version_that_it_made_or_was_given_by() -> None:
    """A change its own, a description the one described (also where that has not what is asked for); a failed call none."""

    async def story(stack: AwsStack) -> tuple[list[str], int]:
        async def told(action: str, **params: Any) -> str:
            node = stack.node(DIRECTORY)
            call = IamCall(action, params, caller(), "r").to_json()
            return hops(await node.handle(node.internal("POST", "/aws/call", call)))[0].version

        first = stack.iam.account.durable.version
        found = [await told("CreateUser", UserName="Ann"), await told("GetUser", UserName="Ann")]
        await stack.hold(DIRECTORY, "lag", "describe-lag", lag_s=20.0)
        found += [await told("CreateUser", UserName="Bob"), await told("GetUser", UserName="Bob")]
        found += [await told("DeleteUser", UserName="Cid"), await told("AcquireRole")]
        await stack.hold(DIRECTORY, "errors", "iam-errors", share=1.0)
        return [*found, await told("GetUser", UserName="Ann")], first

    versions, first = on_aws_stack(story)
    ann, bob = str(first + 1), str(first + 2)
    assert versions == [f"+{ann}", ann, f"+{bob}", ann, bob, "", ""]


def test_of_two_uses_the_later_is_kept() -> None:
    """Regions report when a key was last used, in any order; an older report changes nothing; nonsense is refused."""

    async def story(stack: AwsStack) -> tuple[Any, int]:
        node = stack.node(DIRECTORY)
        key = body(await stack.control("GET", "/credentials"))["access_key_id"]
        for at_s, region in ((20.0, "ap-southeast-2"), (10.0, "ap-southeast-4")):
            uses = {"uses": [LastUsed(key, at_s, region, "sts").to_json()]}
            assert (await node.handle(node.internal("POST", "/aws/last-used", uses))).ok
        bad = await node.handle(node.internal("POST", "/aws/last-used", {"uses": [{}]}))
        return await stack.call("GetAccessKeyLastUsed", AccessKeyId=key), bad.status

    found, bad = on_aws_stack(story)
    assert found["AccessKeyLastUsed"] == {"LastUsedDate": 20.0, "ServiceName": "sts", "Region": "ap-southeast-2"}
    assert bad == 400


def test_the_state_names_the_account() -> None:
    """What the harness is shown has the account and its versions, and no secret."""

    async def story(stack: AwsStack) -> tuple[Any, Any]:
        return (await stack.state(DIRECTORY))["aws"], body(await stack.control("GET", "/credentials"))

    state, credentials = on_aws_stack(story)
    assert state["account_id"] == credentials["account_id"]
    assert state["users"] == 2
    assert set(state["published"]) == {"sydney", "melbourne"}
    assert credentials["secret_access_key"] not in str(state)


def test_who_there_is_is_told_of_the_newest_state() -> None:
    """Asked twice of one state and then of the next, which has a user more, and of one in which a key is of no use."""

    async def story(stack: AwsStack) -> list[Any]:
        first, same = [body(await stack.control("GET", "/principals")) for _ in range(2)]
        await stack.call("CreateUser", UserName="Bob")
        more = body(await stack.control("GET", "/principals"))
        key = await stack.call("CreateAccessKey", UserName="Bob")
        key_id = key["AccessKey"]["AccessKeyId"]
        usable = body(await stack.control("GET", "/principals"))["access_keys"][key_id]
        await stack.call("UpdateAccessKey", UserName="Bob", AccessKeyId=key_id, Status="Inactive")
        return [first, same, more, usable, body(await stack.control("GET", "/principals"))["access_keys"][key_id]]

    first, same, more, usable, unusable = on_aws_stack(story)
    assert first == same
    assert len(more["users"]) == len(first["users"]) + 1
    assert more["version"] > first["version"]
    assert (usable, unusable) == (True, False)


def test_a_crowd_is_made_at_once() -> None:
    """One control request makes so many users and roles, which are listed and published as any others."""

    async def story(stack: AwsStack) -> tuple[int, int, int]:
        node = stack.node(DIRECTORY)
        answer = await node.handle(node.internal("POST", "/admin/aws/crowd", {"users": 300, "roles": 20}))
        listed = (await stack.call("ListUsers", MaxItems=1000, PathPrefix="/crowd/"))["Users"]
        bad = await node.handle(node.internal("POST", "/admin/aws/crowd", {}))
        assert bad.status == 400
        return answer.status, len(listed), len(stack.iam.publisher.edition("sydney").roles)

    status, users, roles = on_aws_stack(story)
    assert (status, users) == (200, 300)
    assert roles > 20


def test_a_write_in_a_large_account_touches_little() -> None:
    """Of the users' table all parts but one are those of before, in the account and in what regions are sent."""

    async def story(stack: AwsStack) -> tuple[int, int]:
        node = stack.node(DIRECTORY)
        await node.handle(node.internal("POST", "/admin/aws/crowd", {"users": 20_000}))
        before = stack.iam.publisher.edition("sydney").users
        await stack.call("UpdateUser", UserName="crowd-user-7", NewPath="/x/")
        after = stack.iam.publisher.edition("sydney").users
        shared = sum(mine is theirs for mine, theirs in zip(before._parts, after._parts, strict=True))
        return len(after._parts), shared

    parts, shared = on_aws_stack(story)
    assert shared == parts - 1
