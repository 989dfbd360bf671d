"""The account is published whole, to every replica, at a constant rate, and never with a secret."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth import totp
from brownout.identity.aws.auth.region_keys import day_of, region_key
from brownout.identity.aws.records.credentials import Secret
from brownout.identity.aws.records.published import PublishedAccount
from brownout.identity.core.replication.lines import contains
from support.aws_directories import DIRECTORY, AwsStack, on_aws_stack
from support.certificates import certificate_and_key
from support.identity_stacks import EPOCH_S, body

REPLICAS = ("token.z1", "token.z2", "token.z3", "management", "vault")
PASSWORD = "Correct1horse"


def account_on(stack: AwsStack, name: str) -> PublishedAccount | None:
    """The account that a node holds."""
    annex: Any = stack.node(name).annexes["aws"]
    found: PublishedAccount | None = annex.replica.account
    return found


def versions(stack: AwsStack) -> dict[str, int]:
    names = [f"{region}.{role}" for region in stack.world.spec.regions for role in REPLICAS]
    found = {name: account_on(stack, name) for name in names}
    return {name: account.version if account else 0 for name, account in found.items()}


def test_a_change_reaches_every_replica_within_the_interval() -> None:
    """One interval after a change every replica has it."""

    async def story(stack: AwsStack) -> tuple[set[int], set[int], bool]:
        await stack.wait(1.5)
        before = set(versions(stack).values())
        await stack.call("CreateUser", UserName="Bob")
        await stack.wait(1.5)
        account = account_on(stack, "melbourne.token.z2")
        assert account is not None
        return before, set(versions(stack).values()), "bob" in account.users

    before, after, found = on_aws_stack(story)
    assert len(before) == len(after) == 1
    assert max(after) == max(before) + 1
    assert found


async def with_every_secret(stack: AwsStack) -> list[str]:
    """Makes one of everything that has a secret, and returns every text that no region may be sent."""
    await stack.call("CreateUser", UserName="Bob")
    key = (await stack.call("CreateAccessKey", UserName="Bob"))["AccessKey"]
    await stack.call("CreateLoginProfile", UserName="Bob", Password=PASSWORD)
    body_text, private_key = certificate_and_key("one")
    names = {"ServerCertificateName": "c", "CertificateBody": body_text, "PrivateKey": private_key}
    await stack.call("UploadServerCertificate", names)
    service = {"UserName": "Bob", "ServiceName": "codecommit.amazonaws.com"}
    credential = (await stack.call("CreateServiceSpecificCredential", service))["ServiceSpecificCredential"]
    device = (await stack.call("CreateVirtualMFADevice", VirtualMFADeviceName="idle"))["VirtualMFADevice"]
    seed = totp.seed_bytes(device["Base32StringSeed"].decode())
    told = [key["SecretAccessKey"], PASSWORD, credential["ServicePassword"], device["Base32StringSeed"].decode(), seed.hex()]
    secrets = stack.iam.account.durable.tables.table(Secret).values()
    kept = [word for secret in secrets if not secret.subject.startswith("passwords/") for word in secret.value.split()]
    return [*told, *private_key.splitlines()[1:-1], *(word for word in kept if len(word) > 24 and "AKIA" not in word)]


def test_no_secret_is_ever_published() -> None:
    """The whole text that a region is sent has none of the directory's secrets, and the keys of that region alone."""

    async def story(stack: AwsStack) -> tuple[list[str], dict[str, str], list[tuple[str, str]]]:
        secrets = await with_every_secret(stack)
        sent = {region: stack.iam.publisher.request(region).payload.decode() for region in stack.world.spec.regions}
        keys = [
            (secret.subject, secret.value)
            for secret in stack.iam.account.durable.tables.table(Secret).values()
            if secret.subject.startswith("AKIA")
        ]
        return secrets, sent, keys

    secrets, sent, keys = on_aws_stack(story)
    assert len(secrets) > 10
    assert len(keys) == 3
    assert [text for text in sent.values() for secret in secrets if secret in text] == []
    for region, own, other in (
        ("sydney", "ap-southeast-2", "ap-southeast-4"),
        ("melbourne", "ap-southeast-4", "ap-southeast-2"),
    ):
        account = PublishedAccount.from_json(json.loads(sent[region]))
        for key_id, secret in keys:
            held = account.access_keys[key_id]
            days = range(held.first_day, held.first_day + 402)
            assert set(held.region_keys) == {own, "us-east-1"}
            assert held.region_keys[own] == b"".join(region_key(secret, day, own) for day in days)
            for day in (days[0], days[1], days[-1]):
                assert all(region_key(secret, day, other) not in packed for packed in held.region_keys.values())


def test_a_seed_is_published_while_its_device_is_in_use() -> None:
    """Regions can check the codes of a device that is enabled, and forget its seed when it is not."""

    async def story(stack: AwsStack) -> list[int]:
        await stack.call("CreateUser", UserName="Bob")
        device = (await stack.call("CreateVirtualMFADevice", VirtualMFADeviceName="m"))["VirtualMFADevice"]
        seed, now = totp.seed_bytes(device["Base32StringSeed"].decode()), totp.period_of(stack.world.now())
        codes = {f"AuthenticationCode{number}": totp.code_of(seed, now - 2 + number) for number in (1, 2)}
        named = {"UserName": "Bob", "SerialNumber": device["SerialNumber"]}
        found = [len(stack.iam.publisher.edition("sydney").mfa_seeds)]
        await stack.call("EnableMFADevice", named | codes)
        seeds = stack.iam.publisher.edition("melbourne").mfa_seeds
        assert seeds[device["SerialNumber"]].seed == seed
        found.append(len(seeds))
        await stack.call("DeactivateMFADevice", named)
        return [*found, len(stack.iam.publisher.edition("melbourne").mfa_seeds)]

    assert on_aws_stack(story) == [0, 1, 0]


def test_each_region_is_sent_its_own_password_hash() -> None:
    """A region's edition has the hash made for it and not the other's."""

    async def story(stack: AwsStack) -> Any:
        await stack.call("CreateUser", UserName="Bob")
        await stack.call("CreateLoginProfile", UserName="Bob", Password=PASSWORD)
        made = [stack.iam.publisher.edition(region).logins["bob"] for region in ("sydney", "melbourne")]
        await stack.call("DeleteLoginProfile", UserName="Bob")
        assert not stack.iam.publisher.edition("sydney").logins
        return made

    sydney, melbourne = on_aws_stack(story)
    assert sydney.digest != melbourne.digest
    assert sydney.salt != melbourne.salt


def test_the_rate_is_constant() -> None:
    """A minute of many writes sends each replica as many messages as a minute of none, each as long as the account is."""

    async def story(stack: AwsStack) -> tuple[Counter[str], Counter[str], set[int]]:
        ports: Any = stack.node(DIRECTORY).ports
        sent: Counter[str] = Counter()
        lengths: set[int] = set()
        call = ports.call

        async def counted(target: str, request: Any, *, timeout_s: float) -> Any:
            if request.path.endswith("/aws/account"):
                sent[target] += 1
            return await call(target, request, timeout_s=timeout_s)

        ports.call = counted
        await stack.wait(60)
        quiet = Counter(sent)
        sent.clear()
        for number in range(60):
            await stack.call("UpdateUser", UserName="caller", NewPath=f"/{number % 10}/")
            lengths.add(len(stack.iam.publisher.request("sydney").payload))
            await stack.wait(1)
        return quiet, sent, lengths

    quiet, busy, lengths = on_aws_stack(story)
    assert set(quiet.values()) <= {59, 60}, "a round takes its second and the way there and back"
    assert len(quiet) == 10
    assert all(abs(busy[target] - quiet[target]) <= 1 for target in quiet)
    assert max(lengths) - min(lengths) <= 2, "a snapshot is as long as the account, however many writes there were"


def test_nothing_is_made_when_nothing_changes() -> None:
    """The very same request goes out until something changes that regions are sent; last uses are no such thing."""

    async def story(stack: AwsStack) -> list[bool]:
        publisher = stack.iam.publisher
        before = publisher.request("sydney")
        await stack.wait(30)
        same = [publisher.request("sydney") is before]
        node = stack.node(DIRECTORY)
        uses = {"uses": [{"subject": "AKIA", "at_s": 1.0, "region": "r", "service": "sts"}]}
        await node.handle(node.internal("POST", "/aws/last-used", uses))
        same.append(publisher.request("sydney") is before)
        await stack.call("CreateGroup", GroupName="g")
        return [*same, publisher.request("sydney") is before]

    assert on_aws_stack(story) == [True, True, False]


@pytest.mark.parametrize("value", [{"regions": ["melbourne"]}, {"nodes": [f"melbourne.{role}" for role in REPLICAS]}])
def test_a_paused_region_lags_and_catches_up(value: dict[str, Any]) -> None:
    """A pause holds those replicas back and no others; released, they catch up within the interval."""

    async def story(stack: AwsStack) -> list[set[str]]:
        await stack.wait(1.5)
        await stack.hold(DIRECTORY, "f", "pause-iam-replication", **value)
        await stack.call("CreateUser", UserName="Bob")
        await stack.wait(20)
        newest = stack.iam.account.durable.version
        behind = {name.partition(".")[0] for name, version in versions(stack).items() if version < newest}
        await stack.release(DIRECTORY, "f")
        await stack.wait(1.5)
        return [behind, {name for name, version in versions(stack).items() if version < newest}]

    assert on_aws_stack(story) == [{"melbourne"}, set()]


def test_a_slowed_replica_follows_at_its_distance() -> None:
    """It knows each change when the delay has passed and not before, in order; others at once; a release lets it catch up."""

    async def story(stack: AwsStack) -> tuple[list[int], list[int]]:
        await stack.wait(1.5)
        first = stack.iam.account.durable.version
        await stack.hold(DIRECTORY, "f", "slow-iam-replication", nodes=["melbourne.token.z2"], delay_s=30.0)
        slowed, others = [], []
        for number in range(6):
            await stack.call("CreateUser", UserName=f"user-{number}")
            await stack.wait(10)
            seen = versions(stack)
            slowed.append(seen.pop("melbourne.token.z2") - first)
            others.append(min(seen.values()) - first)
        assert stack.iam.state()["delayed"] == {"melbourne.token.z2": {"delay_s": 30.0, "late": max(slowed)}}
        await stack.release(DIRECTORY, "f")
        await stack.wait(1.5)
        return [*slowed, versions(stack)["melbourne.token.z2"] - first], others

    slowed, others = on_aws_stack(story)
    assert others == [1, 2, 3, 4, 5, 6]
    assert slowed in ([0, 0, 0, 1, 2, 3, 6], [0, 0, 1, 2, 3, 4, 6]), "a change is 30 s old between two looks 10 s apart"


def test_a_change_that_was_on_its_way_when_the_delay_began_comes_late() -> None:
    """It counts as late once it came: else a fault that was seen to bite by it would look as if it had been lost."""

    async def story(stack: AwsStack) -> tuple[int, int]:
        await stack.wait(1.5)
        await stack.call("CreateUser", UserName="in-flight")  # and before the next edition is published
        await stack.hold(DIRECTORY, "f", "slow-iam-replication", nodes=["melbourne.token.z2"], delay_s=2.0)
        newest = stack.iam.account.durable.version
        behind = newest - versions(stack)["melbourne.token.z2"]
        await stack.wait(10)
        assert versions(stack)["melbourne.token.z2"] == newest
        return behind, stack.iam.state()["delayed"]["melbourne.token.z2"]["late"]

    assert on_aws_stack(story) == (1, 1)


def test_a_delay_outlives_the_directory() -> None:
    """A directory that was killed and is back keeps the replica behind, which never goes back."""

    async def story(stack: AwsStack) -> list[bool]:
        await stack.wait(1.5)
        await stack.hold(DIRECTORY, "f", "slow-iam-replication", regions=["melbourne"], delay_s=30.0)
        await stack.call("CreateUser", UserName="Bob")
        await stack.wait(10)
        await stack.restart(DIRECTORY)
        found = []
        for wait_s in (5, 20, 10):
            await stack.wait(wait_s)
            account = account_on(stack, "melbourne.vault")
            assert account is not None
            found.append("bob" in account.users)
        return found

    assert on_aws_stack(story) == [False, False, True]


def test_a_node_that_hangs_delays_nobody() -> None:
    """A paused node takes nothing, and all others go on at their rate."""

    async def story(stack: AwsStack) -> set[str]:
        await stack.world.hold(Carrier("node", "sydney.token.z1"), "f", NodeEffect("paused"))
        await stack.call("CreateUser", UserName="Bob")
        await stack.wait(1.5)
        newest = stack.iam.account.durable.version
        return {name for name, version in versions(stack).items() if version < newest}

    assert on_aws_stack(story) == {"sydney.token.z1"}


def test_keys_of_days_to_come_are_published_day_by_day() -> None:
    """At midnight every key moves on by a day, without being derived anew; the fragile posture holds two days only."""

    async def story(stack: AwsStack) -> tuple[Any, Any]:
        key_id = body(await stack.control("GET", "/credentials"))["access_key_id"]
        first = stack.iam.publisher.edition("sydney").access_keys[key_id]
        await stack.wait(86_400)
        return first, stack.iam.publisher.edition("sydney").access_keys[key_id]

    before, after = on_aws_stack(story, iam_publish_interval_s=600.0)
    assert after.first_day == before.first_day + 1 == day_of(EPOCH_S)
    packed, later = before.region_keys["us-east-1"], after.region_keys["us-east-1"]
    assert packed[32:] == later[:-32]
    assert len(packed) == len(later) == 402 * 32
    before, after = on_aws_stack(story, iam_publish_interval_s=600.0, key_horizon_days=0)
    assert len(before.region_keys["us-east-1"]) == 2 * 32
    assert before.region_keys["us-east-1"][32:] == after.region_keys["us-east-1"][:32]


def test_a_wiped_directory_learns_the_account_back() -> None:
    """Replicas refuse the stranger; it takes over what they had, keys included, and they take it from then on."""

    async def story(stack: AwsStack) -> tuple[Any, ...]:
        old = body(await stack.control("GET", "/credentials"))["access_key_id"]
        await stack.call("CreateUser", UserName="Bob")
        await stack.call("CreateGroup", GroupName="g")
        await stack.call("AddUserToGroup", GroupName="g", UserName="Bob")
        await stack.call("CreateLoginProfile", UserName="Bob", Password=PASSWORD)
        await stack.wait(1.5)
        known = account_on(stack, "melbourne.vault")
        assert known is not None
        await stack.world.hold(Carrier("node", DIRECTORY), "f", NodeEffect("down"))
        stack.world._nodes[DIRECTORY].disk.clear()
        await stack.world.release(Carrier("node", DIRECTORY), "f")
        await stack.wait(5)
        after = account_on(stack, "melbourne.vault")
        assert after is not None
        group, keys = await stack.call("GetGroup", GroupName="g"), await stack.call("ListAccessKeys", UserName="admin")
        return old, known, after, group, keys

    old, known, after, group, keys = on_aws_stack(story)
    assert after.version > known.version
    assert contains(after.lines, known.lines, known.version)
    assert not contains(known.lines, after.lines, after.version)
    assert after.users["bob"] == known.users["bob"]
    assert after.logins == known.logins
    assert after.access_keys[old] == known.access_keys[old]
    assert set(known.sealing_keys) <= set(after.sealing_keys)
    assert [user["UserName"] for user in group["Users"]] == ["Bob"]
    assert old in {key["AccessKeyId"] for key in keys["AccessKeyMetadata"]}


def test_deletions_outlive_a_lost_disk() -> None:
    """What was deleted before the disk was lost stays deleted, and what was made since stays too."""

    async def story(stack: AwsStack) -> tuple[set[str], list[str]]:
        await stack.call("DeleteUserPolicy", UserName="caller", PolicyName="calls")
        for key in (await stack.call("ListAccessKeys", UserName="caller"))["AccessKeyMetadata"]:
            await stack.call("DeleteAccessKey", UserName="caller", AccessKeyId=key["AccessKeyId"])
        await stack.call("DeleteUser", UserName="caller")
        await stack.wait(1.5)
        await stack.world.hold(Carrier("node", DIRECTORY), "f", NodeEffect("down"))
        stack.world._nodes[DIRECTORY].disk.clear()
        await stack.world.release(Carrier("node", DIRECTORY), "f")
        await stack.call("CreateUser", UserName="since")
        await stack.wait(5)
        account = account_on(stack, "sydney.vault")
        assert account is not None
        assert all(key.user_name != "caller" for key in account.access_keys.values())
        return set(account.users), [user["UserName"] for user in (await stack.call("ListUsers"))["Users"]]

    published, listed = on_aws_stack(story)
    assert published == {"admin", "since"}
    assert listed == ["admin", "since"]


def test_one_account_is_shared_inside_one_process() -> None:
    """Replicas of one region hold the very same account, and regions share what is not made for them."""

    async def story(stack: AwsStack) -> tuple[Any, ...]:
        await stack.wait(1.5)
        return tuple(account_on(stack, name) for name in ("sydney.vault", "sydney.management", "melbourne.vault"))

    sydney, also, melbourne = on_aws_stack(story)
    assert sydney is also
    assert sydney.roles is melbourne.roles
