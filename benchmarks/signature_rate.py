"""How many signed requests one core verifies in a second, without HTTP, and how many it signs and how many tokens it seals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from benchmarks.report import Benchmark, Figures, Row, Spread, text
from brownout.identity.aws.auth.authenticate import authenticate
from brownout.identity.aws.auth.caller import Credentials, Session
from brownout.identity.aws.auth.region_keys import day_of, horizon
from brownout.identity.aws.auth.sealing import seal
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.published import PublishedAccount, PublishedKey
from brownout.identity.aws.records.settings import SealingKey
from brownout.identity.aws.records.tables import Tables
from brownout.identity.core.messages import Request

ACCOUNT, REGION, NOW_S = "123456789012", "ap-southeast-2", 1_893_456_000.0
KEY = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SEALING = SealingKey("benchmark", bytes(32), NOW_S - 1, NOW_S + 86_400, NOW_S + 216_000)
SESSION = Session(
    "ASIAIOSFODNN7EXAMPLE",
    KEY.secret_access_key[::-1],
    ACCOUNT,
    "assumed-role",
    f"arn:aws:iam::{ACCOUNT}:role/app",
    "AROAEXAMPLE1234567890",
    "job-7",
    NOW_S,
    NOW_S + 3600,
    REGION,
)
LINES = (  # what boto3 sends beside what it signs
    (b"accept-encoding", b"identity"),
    (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8"),
    (
        b"user-agent",
        b"Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7 cfg/retry-mode#legacy",
    ),
    (b"amz-sdk-invocation-id", b"a4b1a9d0-95c2-4d7c-9d0c-0ac1b1c2d3e4"),
    (b"amz-sdk-request", b"attempt=1"),
    (b"content-length", b"43"),
)
PAYLOAD = b"Action=GetCallerIdentity&Version=2011-06-15"


@dataclass(frozen=True, slots=True)
class Settings:
    requests: int = 20_000  # per round
    rounds: int = 5


class SignatureRate(Figures):
    """Per second on one core, by what is done."""

    per_s: Mapping[str, Spread]


def measure(settings: Settings) -> SignatureRate:
    rounds = range(settings.rounds)
    return SignatureRate(
        per_s={name: Spread.of(_rate(act, settings.requests) for _ in rounds) for name, act in _acts().items()}
    )


def _acts() -> Mapping[str, Callable[[], object]]:
    account, numbers = _account(), count()

    def new_id() -> str:
        return f"{next(numbers):032x}"

    token = seal(SESSION, SEALING, new_id)
    temporary = Credentials(SESSION.access_key_id, SESSION.secret_access_key, token)
    plain = Request.raw("POST", "/", LINES, PAYLOAD)
    long_term, of_session = (_signed(plain, credentials).raw_headers for credentials in (KEY, temporary))

    def verify(lines: tuple[tuple[bytes, bytes], ...]) -> object:
        return authenticate(Request.raw("POST", "/", lines, PAYLOAD), "sts", (REGION,), account, NOW_S)

    return {
        "verified with a long-term key": lambda: verify(long_term),
        "verified with a session that was seen before": lambda: verify(of_session),
        "signed": lambda: _signed(plain, KEY),
        "session tokens sealed": lambda: seal(SESSION, SEALING, new_id),
    }


def _signed(plain: Request, credentials: Credentials) -> Request:
    return sign(plain, credentials, service="sts", region=REGION, now_s=NOW_S, host="127.0.0.1:37459")


def _account() -> PublishedAccount:
    """An account with one user and her key, as a region has it."""
    first = day_of(NOW_S) - 1
    keys = {REGION: horizon(KEY.secret_access_key, REGION, first, 3)}
    user = User("reader", "AIDAEXAMPLE1234567890", f"arn:aws:iam::{ACCOUNT}:user/reader", NOW_S)
    records = (user, PublishedKey(KEY.access_key_id, "reader", first, keys), SEALING)
    return PublishedAccount(ACCOUNT, "sydney", 1, (), Tables.of(records))


def _rate(act: Callable[[], object], times: int) -> float:
    started_s = time.perf_counter()
    for _ in range(times):
        act()
    return times / (time.perf_counter() - started_s)


def rows(figures: SignatureRate) -> tuple[Row, ...]:
    return tuple(Row(name, text(rate, "per s")) for name, rate in figures.per_s.items())


BENCHMARK = Benchmark(
    name="signature_rate",
    title="Signatures are verified in microseconds",
    about="One core verifies, signs and seals over and over, without HTTP. Requests have the headers that boto3 sends.",
    figures=SignatureRate,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(requests=20, rounds=2),
)
