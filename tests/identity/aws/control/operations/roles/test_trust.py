"""Whom a trust policy may name, and what it shows of who was deleted."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest

from brownout.identity.aws.control.operations.roles.trust import forget_principal
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.records.principals import Role, User
from support.iam_account import ACCOUNT, EC2_TRUST, START_S, IamAccount, trust

ALICE = User("alice", "AIDAALICE000000000001", f"arn:aws:iam::{ACCOUNT}:user/team/alice", START_S, "/team/")
OTHER = "999999999999"


@pytest.fixture
def account() -> IamAccount:
    """An account with the user alice and the role `app`."""
    account = IamAccount([ALICE])
    account("CreateRole", RoleName="app", AssumeRolePolicyDocument=EC2_TRUST)
    return account


def app_of(account: IamAccount) -> Role:
    return account.tables.table(Role)["app"]


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "*"},
        {"AWS": ACCOUNT},
        {"AWS": OTHER},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        {"AWS": ALICE.arn},
        {"AWS": ALICE.user_id},
        {"AWS": [ALICE.arn, f"arn:aws:iam::{ACCOUNT}:role/app"]},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/session"},
        {"AWS": f"arn:aws:sts::{ACCOUNT}:federated-user/bob"},
        {"AWS": f"arn:aws:iam::{OTHER}:user/of-another-account"},
        {"Service": "ec2.amazonaws.com"},
        {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"], "AWS": ALICE.arn},
    ],
)
def test_principals_that_exist_are_taken(account: IamAccount, principal: dict[str, Any]) -> None:
    """Accounts, users and roles by ARN or id, sessions, services; another account's names cannot be looked up here."""
    account("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=trust(principal))
    assert app_of(account).trust == trust(principal)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("AWS", f"arn:aws:iam::{ACCOUNT}:user/bob"),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:user/alice"),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:role/none"),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:role/alice"),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:group/app"),
        ("AWS", f"arn:aws:iam::{ACCOUNT}:user/team/*"),
        ("AWS", f"arn:aws:sts::{ACCOUNT}:assumed-role/none/session"),
        ("AWS", "arn:aws:s3:::bucket"),
        ("AWS", "AIDANOBODY00000000001"),
        ("AWS", "AROANOBODY00000000001"),
        ("Service", "ec2"),
        ("Service", "*.amazonaws.com"),
    ],
)
def test_principals_that_do_not_exist_are_refused(account: IamAccount, kind: str, value: str) -> None:
    """The message shows the principal as JSON has it, and the old trust policy stays."""
    refused = account.refused("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=trust({kind: value}))
    assert refused[0] == "MalformedPolicyDocument"
    assert refused[1].startswith("Invalid principal in policy")
    assert app_of(account).trust == EC2_TRUST


def forget(account: IamAccount, principal: User | Role) -> None:
    """Deletes the principal as DeleteUser does."""
    tx = Transaction(account.tables, ACCOUNT, now_s=START_S, new_uuid=str, regions={})
    forget_principal(tx, principal)
    tx.delete(principal)
    account.tables = account.tables.with_changes(tx.changes)


def test_a_deleted_user_is_shown_by_id(account: IamAccount) -> None:
    """The ARN gives way to the unique id where it is a principal, and only there."""
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": [ALICE.arn, ACCOUNT]}},
            {
                "Effect": "Deny",
                "Action": "sts:AssumeRole",
                "Principal": {"AWS": ALICE.arn},
                "Condition": {"StringEquals": {"aws:PrincipalArn": ALICE.arn}},
            },
        ],
    }
    account("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=json.dumps(document))
    forget(account, ALICE)
    shown = json.loads(unquote(account("GetRole", RoleName="app")["Role"]["AssumeRolePolicyDocument"]))
    assert [statement["Principal"] for statement in shown["Statement"]] == [
        {"AWS": [ALICE.user_id, ACCOUNT]},
        {"AWS": ALICE.user_id},
    ]
    assert shown["Statement"][1]["Condition"] == document["Statement"][1]["Condition"]  # type: ignore[index]  # a list of two


def test_a_trust_policy_of_a_deleted_user_cannot_be_saved_again(account: IamAccount) -> None:
    """The id of a principal that does not exist any more is no principal."""
    account("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=trust({"AWS": ALICE.arn}))
    forget(account, ALICE)
    again = account.refused("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=app_of(account).trust)
    assert again == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{ALICE.user_id}"')


def test_a_deleted_role_is_shown_by_id(account: IamAccount) -> None:
    """DeleteRole does it in the same transaction; who is made anew under the name is not trusted."""
    deleted = account("CreateRole", RoleName="other", AssumeRolePolicyDocument=EC2_TRUST)["Role"]
    account("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=trust({"AWS": deleted["Arn"]}))
    account("DeleteRole", RoleName="other")
    account("CreateRole", RoleName="other", AssumeRolePolicyDocument=EC2_TRUST)
    assert json.loads(app_of(account).trust)["Statement"][0]["Principal"] == {"AWS": deleted["RoleId"]}


def test_an_arn_may_be_written_with_escapes(account: IamAccount) -> None:
    """JSON allows a backslash before each slash, and some writers of JSON put it there."""
    written = trust({"AWS": ALICE.arn}).replace("/", "\\/")
    account("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=written)
    assert app_of(account).trust == written
    forget(account, ALICE)
    assert json.loads(app_of(account).trust)["Statement"][0]["Principal"] == {"AWS": ALICE.user_id}


def test_sessions_of_a_deleted_role_are_shown_by_id(account: IamAccount) -> None:
    """A session is its role's: a session of that name of a role made anew is another principal."""
    deleted = account("CreateRole", RoleName="other", AssumeRolePolicyDocument=EC2_TRUST)["Role"]
    account("CreateRole", RoleName="other2", AssumeRolePolicyDocument=EC2_TRUST)
    sessions = [f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/s" for name in ("other", "other2")]
    account("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=trust({"AWS": sessions}))
    account("DeleteRole", RoleName="other")
    shown = [f"{deleted['RoleId']}:s", sessions[1]]
    assert json.loads(app_of(account).trust)["Statement"][0]["Principal"] == {"AWS": shown}
    parse_document(app_of(account).trust, "trust")
    again = account.refused("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=app_of(account).trust)
    assert again == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{shown[0]}"')


def test_a_mention_outside_of_principals_stays(account: IamAccount) -> None:
    """A document that only mentions the ARN keeps its text to the letter."""
    document = trust({"AWS": "*"}).replace("}]}", f', "Condition": {{"ArnEquals": {{"aws:PrincipalArn": "{ALICE.arn}"}}}}}}]}}')
    account("UpdateAssumeRolePolicy", RoleName="app", PolicyDocument=document)
    forget(account, ALICE)
    assert app_of(account).trust == document
