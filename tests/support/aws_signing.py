"""Accounts and signed requests for tests of AWS's signatures: botocore signs, the service verifies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials

from brownout.identity.aws.auth.caller import Credentials, Session
from brownout.identity.aws.auth.region_keys import day_of, horizon
from brownout.identity.aws.auth.sealing import seal
from brownout.identity.core.messages import Request

ACCOUNT_ID = "123456789012"
SYDNEY, MELBOURNE, GLOBAL = "ap-southeast-2", "ap-southeast-4", "us-east-1"
NOW_S = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC).timestamp()
ALICE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
FORM_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
IDENTITY_PAYLOAD = b"Action=GetCallerIdentity&Version=2011-06-15"


@dataclass(frozen=True)
class KeptKey:
    access_key_id: str
    user_name: str
    status: str
    first_day: int
    region_keys: Mapping[str, bytes]
    revoked: bool = False
    client_first_day: int = 0
    client_keys: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class KeptSealingKey:
    key_id: str
    key: bytes
    from_s: float
    until_s: float


@dataclass(frozen=True)
class KeptUser:
    arn: str
    user_id: str


@dataclass
class KeptAccount:
    """An account that is just tables, as one region knows it."""

    account_id: str = ACCOUNT_ID
    keys: dict[str, KeptKey] = field(default_factory=dict)
    sealing: dict[str, KeptSealingKey] = field(default_factory=dict)
    users: dict[str, KeptUser] = field(default_factory=dict)

    def access_key(self, access_key_id: str) -> KeptKey | None:
        return self.keys.get(access_key_id)

    def sealing_key(self, key_id: str) -> KeptSealingKey | None:
        return self.sealing.get(key_id)

    def user(self, user_name: str) -> KeptUser | None:
        return self.users.get(user_name)


SEALING = KeptSealingKey("seal-1", bytes(range(32)), NOW_S - 3600, NOW_S + 86_400)


def account_of(
    region: str = SYDNEY,
    *,
    credentials: Credentials = ALICE,
    user: str = "alice",
    status: str = "Active",
    days: int = 400,
    now_s: float = NOW_S,
) -> KeptAccount:
    """An account with one user, one key of hers with a horizon from yesterday on, and one sealing key."""
    first = day_of(now_s) - 1
    packed = horizon(credentials.secret_access_key, region, first, days)
    key = KeptKey(credentials.access_key_id, user, status, first, {region: packed})
    users = {user: KeptUser(f"arn:aws:iam::{ACCOUNT_ID}:user/{user}", "AIDAEXAMPLE1234567890")}
    return KeptAccount(keys={key.access_key_id: key}, sealing={SEALING.key_id: SEALING}, users=users)


def ids() -> Callable[[], str]:
    """A source of ids that are all different and the same in every run."""
    numbers: Iterator[int] = iter(range(10**9))
    return lambda: f"id-{next(numbers)}"


def session_of(**changed: object) -> Session:
    """A session of role `app` that lasts an hour."""
    known: dict[str, object] = {
        "access_key_id": "ASIAIOSFODNN7EXAMPLE",
        "secret_access_key": "temporary/secret+with/characters0EXAMPLE",
        "account_id": ACCOUNT_ID,
        "kind": "assumed-role",
        "principal_arn": f"arn:aws:iam::{ACCOUNT_ID}:role/service/app",
        "principal_id": "AROAEXAMPLE1234567890",
        "name": "job-7",
        "issued_s": NOW_S,
        "expires_s": NOW_S + 3600,
        "issuing_region": SYDNEY,
    }
    return Session(**known | changed)  # type: ignore[arg-type]  # the fields above have their types


def credentials_of(session: Session, key: KeptSealingKey = SEALING) -> Credentials:
    token = seal(session, key, ids())
    return Credentials(session.access_key_id, session.secret_access_key, token, session.expires_s)


@contextmanager
def botocore_clock(now_s: float) -> Iterator[None]:
    """Botocore signs as at this time. A plain function stands in, since thousands of signatures are made."""
    now = datetime.fromtimestamp(now_s, UTC)

    def stopped() -> datetime:
        return now

    with mock.patch("botocore.auth.get_current_datetime", new=stopped):
        yield


def by_botocore(
    method: str = "POST",
    url: str = "http://127.0.0.1:37459/",
    payload: bytes = IDENTITY_PAYLOAD,
    headers: Iterable[tuple[str, str]] = (("Content-Type", FORM_TYPE),),
    *,
    credentials: Credentials = ALICE,
    service: str = "sts",
    region: str = SYDNEY,
    now_s: float = NOW_S,
    presigned: bool = False,
) -> Request:
    """The request that botocore's own signer makes, as it stands on the wire."""
    request = botocore.awsrequest.AWSRequest(method, url, {}, payload)
    for name, value in headers:
        request.headers.add_header(name, value)
    known = botocore.credentials.Credentials(
        credentials.access_key_id, credentials.secret_access_key, credentials.session_token or None
    )
    signer = botocore.auth.SigV4QueryAuth if presigned else botocore.auth.SigV4Auth
    with botocore_clock(now_s):
        signer(known, service, region).add_auth(request)
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [(name.encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    if "host" not in request.headers:
        lines.append((b"Host", parts.netloc.encode()))
    body = b"" if presigned and not request.data else payload
    return Request.raw(method, target, lines, body)
