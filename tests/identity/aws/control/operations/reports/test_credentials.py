"""The credential report: made on demand, kept for four hours, a line for each user."""

from __future__ import annotations

import csv
import io

import pytest

from brownout.identity.aws.control.operations.reports.credentials import COLUMNS, KEPT_S, MAKING_S
from brownout.identity.aws.records.credentials import INACTIVE, AccessKey, LoginProfile, MfaDevice, SigningCertificate
from brownout.identity.aws.records.principals import LastUsed, User
from brownout.identity.aws.records.settings import AccountSettings, PasswordPolicy
from support.iam_account import ACCOUNT, START_S, IamAccount

HOUR_S, DAY_S = 3600.0, 86_400.0


@pytest.fixture
def account() -> IamAccount:
    """Alice has all sorts of credentials, bob has none."""
    return IamAccount(
        [
            User("Alice", "AIDAALICE000000000001", f"arn:aws:iam::{ACCOUNT}:user/Alice", START_S),
            User("bob", "AIDABOB00000000000001", f"arn:aws:iam::{ACCOUNT}:user/bob", START_S + 1),
            LoginProfile("Alice", START_S, START_S + HOUR_S),
            AccountSettings(password_policy=PasswordPolicy(max_age_days=90)),
            LastUsed("password/Alice", START_S + 2 * HOUR_S, "ap-southeast-2", "signin"),
            AccessKey("AKIA1", "Alice", START_S),
            AccessKey("AKIA2", "Alice", START_S + 60, INACTIVE),
            LastUsed("AKIA1", START_S + DAY_S, "ap-southeast-4", "sts"),
            MfaDevice(f"arn:aws:iam::{ACCOUNT}:mfa/phone", START_S, user_name="Alice", enabled_s=START_S),
            SigningCertificate("ASCA1", "Alice", "", START_S + 120),
        ]
    )


def report(account: IamAccount) -> list[dict[str, str]]:
    account("GenerateCredentialReport")
    account.now_s += MAKING_S
    text = account("GetCredentialReport")["Content"].decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_the_report_has_a_line_for_each_user(account: IamAccount) -> None:
    """The root user stands first, the others by name."""
    lines = report(account)
    assert [line["user"] for line in lines] == ["<root_account>", "Alice", "bob"]
    assert all(tuple(line) == COLUMNS for line in lines)


def test_credentials_are_told(account: IamAccount) -> None:
    """When each was made and used, and whether it is active."""
    assert report(account)[1] == {
        "user": "Alice",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/Alice",
        "user_creation_time": "2026-01-01T00:00:00+00:00",
        "password_enabled": "true",
        "password_last_used": "2026-01-01T02:00:00+00:00",
        "password_last_changed": "2026-01-01T01:00:00+00:00",
        "password_next_rotation": "2026-04-01T01:00:00+00:00",
        "mfa_active": "true",
        "access_key_1_active": "true",
        "access_key_1_last_rotated": "2026-01-01T00:00:00+00:00",
        "access_key_1_last_used_date": "2026-01-02T00:00:00+00:00",
        "access_key_1_last_used_region": "ap-southeast-4",
        "access_key_1_last_used_service": "sts",
        "access_key_2_active": "false",
        "access_key_2_last_rotated": "2026-01-01T00:01:00+00:00",
        "access_key_2_last_used_date": "N/A",
        "access_key_2_last_used_region": "N/A",
        "access_key_2_last_used_service": "N/A",
        "cert_1_active": "true",
        "cert_1_last_rotated": "2026-01-01T00:02:00+00:00",
        "cert_2_active": "false",
        "cert_2_last_rotated": "N/A",
    }


def test_what_is_not_there_is_not_available(account: IamAccount) -> None:
    """A user without credentials, and what the root user never has."""
    root, _, bob = report(account)
    rest = set(COLUMNS[3:])
    assert {bob[column] for column in rest} == {"false", "N/A"}
    assert (root["password_enabled"], root["password_last_used"]) == ("not_supported", "no_information")
    assert root["arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_report_is_made_and_kept(account: IamAccount) -> None:
    """Asked for again it is the same one, until it has expired."""
    assert account.refused("GetCredentialReport")[0] == "ReportNotPresent"
    assert account("GenerateCredentialReport")["State"] == "STARTED"
    assert account("GenerateCredentialReport")["State"] == "INPROGRESS"
    assert account.refused("GetCredentialReport")[0] == "ReportInProgress"
    account.now_s += MAKING_S
    assert account("GenerateCredentialReport") == {"State": "COMPLETE"}
    found = account("GetCredentialReport")
    assert (found["ReportFormat"], found["GeneratedTime"]) == ("text/csv", START_S + MAKING_S)
    account.now_s = START_S + KEPT_S
    assert account.refused("GetCredentialReport")[0] == "ReportExpired"
    assert account("GenerateCredentialReport")["State"] == "STARTED"
