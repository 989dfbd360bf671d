"""Access keys: two for each user, a secret that is told once, and their last use."""

from __future__ import annotations

from brownout.identity.aws import ids
from brownout.identity.aws.records.credentials import AccessKey, Secret
from brownout.identity.aws.records.principals import LastUsed
from support.iam_account import ACCOUNT, IamAccount


def account() -> IamAccount:
    iam = IamAccount()
    for name in ("a", "b"):
        iam("CreateUser", UserName=name)
    return iam


def test_a_key_is_made_listed_and_deleted() -> None:
    """The secret is in the answer of CreateAccessKey alone, and goes with the key."""
    iam = account()
    key = iam("CreateAccessKey", UserName="A")["AccessKey"]
    assert (key["UserName"], key["Status"], len(key["SecretAccessKey"])) == ("a", "Active", 40)
    assert ids.account_of(key["AccessKeyId"]) == ACCOUNT
    listed = iam("ListAccessKeys", UserName="a")["AccessKeyMetadata"]
    assert listed == [{name: value for name, value in key.items() if name != "SecretAccessKey"}]
    iam("DeleteAccessKey", UserName="a", AccessKeyId=key["AccessKeyId"])
    assert iam("ListAccessKeys", UserName="a")["AccessKeyMetadata"] == []
    assert not iam.tables.table(Secret)
    iam("DeleteUser", UserName="a")


def test_a_user_has_two_keys() -> None:
    """A third key is LimitExceeded, whether or not the others are active."""
    iam = account()
    for _ in range(2):
        key = iam("CreateAccessKey", UserName="a")["AccessKey"]["AccessKeyId"]
        iam("UpdateAccessKey", UserName="a", AccessKeyId=key, Status="Inactive")
    assert iam.refused("CreateAccessKey", UserName="a") == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )
    assert {key["Status"] for key in iam("ListAccessKeys", UserName="a")["AccessKeyMetadata"]} == {"Inactive"}
    assert iam("CreateAccessKey", UserName="b")["AccessKey"]["UserName"] == "b"


def test_keys_of_others_are_not_found() -> None:
    """A key that is another user's, or nobody's, is NoSuchEntity and stays as it is."""
    iam = account()
    key = iam("CreateAccessKey", UserName="a")["AccessKey"]["AccessKeyId"]
    words = f"The Access Key with id {key} cannot be found."
    assert iam.refused("UpdateAccessKey", UserName="b", AccessKeyId=key, Status="Inactive") == ("NoSuchEntity", words)
    assert iam.refused("DeleteAccessKey", UserName="b", AccessKeyId=key) == ("NoSuchEntity", words)
    assert iam.refused("GetAccessKeyLastUsed", AccessKeyId="AKIAZZZZZZZZZZZZZZZZ")[0] == "NoSuchEntity"
    assert iam.tables.table(AccessKey)[key].status == "Active"


def test_who_calls_has_keys_of_its_own() -> None:
    """Without a name a user manages its own keys, and so does the root."""
    iam = account()
    of_root = iam("CreateAccessKey")["AccessKey"]
    assert of_root["UserName"] == ""
    iam.caller = iam.caller._replace(kind="user", principal_arn=f"arn:aws:iam::{ACCOUNT}:user/b")
    own = iam("CreateAccessKey")["AccessKey"]
    assert own["UserName"] == "b"
    assert [key["AccessKeyId"] for key in iam("ListAccessKeys")["AccessKeyMetadata"]] == [own["AccessKeyId"]]
    assert iam.refused("DeleteAccessKey", AccessKeyId=of_root["AccessKeyId"])[0] == "NoSuchEntity"


def test_the_last_use_of_a_key() -> None:
    """A key that was never used has no date; a used one has date, service and region, and loses them when it is deleted."""
    iam = account()
    key = iam("CreateAccessKey", UserName="a")["AccessKey"]["AccessKeyId"]
    never = iam("GetAccessKeyLastUsed", AccessKeyId=key)
    assert never == {"UserName": "a", "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    used = LastUsed(key, 7.0, "ap-southeast-2", "sts")
    iam.tables = iam.tables.with_changes({LastUsed: {key: used}})
    assert iam("GetAccessKeyLastUsed", AccessKeyId=key)["AccessKeyLastUsed"] == {
        "LastUsedDate": 7.0,
        "ServiceName": "sts",
        "Region": "ap-southeast-2",
    }
    iam("DeleteAccessKey", UserName="a", AccessKeyId=key)
    assert not iam.tables.table(LastUsed)
