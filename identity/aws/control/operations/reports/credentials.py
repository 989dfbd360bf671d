"""The credential report: a CSV with a line for the root user and each user, made on demand and kept for four hours.

Wire facts: docs/reference/aws-wire.md#credential-report.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.credentials import ACTIVE, AccessKey, LoginProfile, MfaDevice, SigningCertificate
from brownout.identity.aws.records.principals import LastUsed, User
from brownout.identity.aws.records.reports import CredentialReport
from brownout.identity.aws.records.settings import AccountSettings

MAKING_S = 2.0  # what a report takes to be made
KEPT_S = 4 * 3600.0
DAY_S = 86_400
COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    "access_key_1_active",
    "access_key_1_last_rotated",
    "access_key_1_last_used_date",
    "access_key_1_last_used_region",
    "access_key_1_last_used_service",
    "access_key_2_active",
    "access_key_2_last_rotated",
    "access_key_2_last_used_date",
    "access_key_2_last_used_region",
    "access_key_2_last_used_service",
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
)
_NONE = "N/A"


@operation("GenerateCredentialReport")
def generate_credential_report(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    report = tx.get(CredentialReport, "")
    if report is None or tx.now_s >= report.started_s + KEPT_S:
        tx.put(CredentialReport(tx.now_s, _content(tx)))
        told = "No report exists. Starting a new report generation task"
        return {"State": "STARTED", "Description": told}
    return {"State": "COMPLETE" if _is_made(tx, report) else "INPROGRESS"}


@operation("GetCredentialReport")
def get_credential_report(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    report = tx.get(CredentialReport, "")
    if report is None:
        raise AwsError.of("ReportNotPresent", "Credential report not present")
    if not _is_made(tx, report):
        raise AwsError.of("ReportInProgress", "Credential report is still being generated")
    if tx.now_s >= report.started_s + KEPT_S:
        raise AwsError.of("ReportExpired", "Credential report has expired")
    return {"Content": report.content.encode(), "ReportFormat": "text/csv", "GeneratedTime": report.started_s + MAKING_S}


def _is_made(tx: Transaction, report: CredentialReport) -> bool:
    return tx.now_s >= report.started_s + MAKING_S


def _content(tx: Transaction) -> str:
    credentials = _Credentials.of(tx)
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(COLUMNS)
    lines.writerow(_root_line(tx, credentials))
    lines.writerows(_user_line(tx, credentials, user) for user in sorted(tx.table(User).values(), key=lambda user: user.name))
    return written.getvalue().rstrip("\n")


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What hangs on each user, by the user's name in lower case; the root user's name is ""."""

    keys: dict[str, list[AccessKey]]
    certificates: dict[str, list[SigningCertificate]]
    with_mfa: frozenset[str]

    @classmethod
    def of(cls, tx: Transaction) -> _Credentials:
        keys: dict[str, list[AccessKey]] = {}
        for key in sorted(tx.table(AccessKey).values(), key=lambda key: (key.created_s, key.access_key_id)):
            keys.setdefault(key.user_name.lower(), []).append(key)
        certificates: dict[str, list[SigningCertificate]] = {}
        for each in sorted(tx.table(SigningCertificate).values(), key=lambda each: (each.uploaded_s, each.certificate_id)):
            certificates.setdefault(each.user_name.lower(), []).append(each)
        devices = tx.table(MfaDevice).values()
        return cls(keys, certificates, frozenset(device.user_name.lower() for device in devices if device.enabled_s))


def _root_line(tx: Transaction, credentials: _Credentials) -> list[str]:
    created_s = min((user.created_s for user in tx.table(User).values()), default=tx.now_s)
    return [
        "<root_account>",
        arns.root(tx.account_id),
        _time(created_s),
        "not_supported",
        "no_information",
        "not_supported",
        "not_supported",
        _truth("" in credentials.with_mfa),
        *_key_cells(tx, credentials.keys.get("", [])),
        *_certificate_cells(credentials.certificates.get("", [])),
    ]


def _user_line(tx: Transaction, credentials: _Credentials, user: User) -> list[str]:
    return [
        user.name,
        user.arn,
        _time(user.created_s),
        *_password_cells(tx, user),
        _truth(user.table_key in credentials.with_mfa),
        *_key_cells(tx, credentials.keys.get(user.table_key, [])),
        *_certificate_cells(credentials.certificates.get(user.table_key, [])),
    ]


def _password_cells(tx: Transaction, user: User) -> Iterator[str]:
    login = tx.get(LoginProfile, user.table_key)
    if login is None:
        yield from ("false", _NONE, _NONE, _NONE)
        return
    used = tx.get(LastUsed, f"password/{user.name}")
    settings = tx.get(AccountSettings, "")
    policy = settings.password_policy if settings else None
    yield "true"
    yield "no_information" if used is None else _time(used.at_s)
    yield _time(login.changed_s)
    yield _time(login.changed_s + policy.max_age_days * DAY_S) if policy and policy.max_age_days else _NONE


def _key_cells(tx: Transaction, keys: list[AccessKey]) -> Iterator[str]:
    """The cells of the user's two access keys."""
    for key in (*keys, None, None)[:2]:
        used = tx.get(LastUsed, key.access_key_id) if key else None
        yield _truth(key is not None and key.status == ACTIVE)
        yield _time(key.created_s) if key else _NONE
        yield from (_time(used.at_s), used.region, used.service) if used else (_NONE, _NONE, _NONE)


def _certificate_cells(certificates: list[SigningCertificate]) -> Iterator[str]:
    for certificate in (*certificates, None, None)[:2]:
        yield _truth(certificate is not None and certificate.status == ACTIVE)
        yield _time(certificate.uploaded_s) if certificate else _NONE


def _time(epoch_s: float) -> str:
    return datetime.fromtimestamp(int(epoch_s), UTC).isoformat()


def _truth(value: bool) -> str:
    return "true" if value else "false"
