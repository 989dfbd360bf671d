"""A directory that comes back with an older copy of its disk takes over from replicas what the account was when it was lost."""

from __future__ import annotations

from typing import Any

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.caller import Credentials
from support.aws_directories import DIRECTORY, AwsStack, on_aws_stack
from support.iam_account import allow
from support.iam_clients import IamStack, iam_stack
from support.simulated_aws import refusal

BEFORE, AFTER = "Correct1horse", "Wrong2battery"


def go_back(stack: IamStack, copy: dict[str, Any]) -> None:
    """The directory ends, and comes back with that disk."""
    world = stack.world
    world.run(world.hold(Carrier("node", DIRECTORY), "copy", NodeEffect("down")))
    disk = world._nodes[DIRECTORY].disk
    disk.clear()
    disk.update(copy)
    world.run(world.release(Carrier("node", DIRECTORY), "copy"))


def keyed(iam: Any, user: str) -> Credentials:
    made = iam.create_access_key(UserName=user)["AccessKey"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


def test_the_account_is_as_it_was_when_the_disk_was_lost() -> None:
    """With real clients: users, policies, keys, passwords, settings; what was deleted or deactivated stays so."""
    with iam_stack() as stack:
        iam = stack.iam()
        for name in ("deleted", "changed", "kept"):
            iam.create_user(UserName=name)
        iam.create_login_profile(UserName="changed", Password=BEFORE)
        iam.create_login_profile(UserName="kept", Password=BEFORE)
        gone, inactive, kept = keyed(iam, "kept"), keyed(iam, "changed"), keyed(iam, "changed")
        lost = keyed(iam, "deleted")
        stack.sleep(3)
        copy = dict(stack.world._nodes[DIRECTORY].disk)

        iam.create_user(UserName="made")
        made = keyed(iam, "made")
        iam.put_user_policy(UserName="made", PolicyName="all", PolicyDocument=allow("*"))
        iam.create_account_alias(AccountAlias="later")
        iam.delete_access_key(UserName="kept", AccessKeyId=gone.access_key_id)
        iam.update_access_key(UserName="changed", AccessKeyId=inactive.access_key_id, Status="Inactive")
        iam.update_login_profile(UserName="changed", Password=AFTER)
        iam.delete_access_key(UserName="deleted", AccessKeyId=lost.access_key_id)
        iam.delete_user(UserName="deleted")
        stack.sleep(3)
        go_back(stack, copy)
        iam.create_user(UserName="since")
        stack.sleep(6)

        users = {user["UserName"] for user in iam.list_users()["Users"]}
        assert users >= {"made", "changed", "kept", "since"}
        assert "deleted" not in users
        assert iam.list_account_aliases()["AccountAliases"] == ["later"]
        assert iam.list_access_keys(UserName="kept")["AccessKeyMetadata"] == []
        states = {each["AccessKeyId"]: each["Status"] for each in iam.list_access_keys(UserName="changed")["AccessKeyMetadata"]}
        assert states == {inactive.access_key_id: "Inactive", kept.access_key_id: "Active"}
        for node in ("sydney.token.z1", "melbourne.token.z2"):
            for key in (made, kept):
                stack.client("sts", key, node).get_caller_identity()
            for key in (gone, inactive, lost):
                assert refusal(stack.client("sts", key, node).get_caller_identity).code == "InvalidClientTokenId"
        assert signs_in(stack, "changed", AFTER)
        assert not signs_in(stack, "changed", BEFORE)
        assert signs_in(stack, "kept", BEFORE)
        stack.client("iam", made, "melbourne.management").get_user(UserName="since")


def signs_in(stack: IamStack, user: str, password: str) -> bool:
    """Whether a user's password is good at home."""
    answer = stack.internal(DIRECTORY, "POST", "/aws/sign-in", {"user_name": user, "password": password})
    assert answer.ok, answer
    return (answer.body or {}).get("user_name") == user


def test_a_restart_alone_takes_nothing_over() -> None:
    """The disk itself has all that replicas know: the account goes on by the next versions, on a line of this life."""

    async def story(stack: AwsStack) -> tuple[int, int, int]:
        await stack.call("CreateUser", UserName="Bob")
        await stack.wait(3)
        before = stack.iam.account.durable
        await stack.restart(DIRECTORY)
        await stack.wait(3)
        after = stack.iam.account.durable
        assert (len(before.lines), len(after.lines)) == (1, 2)
        annex: Any = stack.node("melbourne.vault").annexes["aws"]
        return before.version, after.version, annex.replica.version

    before, after, replica = on_aws_stack(story)
    assert after - before < 10
    assert replica == after
