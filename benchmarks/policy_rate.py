"""How many decisions about a request one core makes in a second, and how many documents it compiles."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.report import Benchmark, Figures, Row, Spread, text
from brownout.identity.aws.policy.context import RequestContext, RequestFacts, RequestPrincipal, request_keys
from brownout.identity.aws.policy.document import PolicyDocument
from brownout.identity.aws.policy.evaluate import evaluate
from brownout.identity.aws.policy.managed import aws_managed_policies
from brownout.identity.aws.policy.parse import parse_document

ACCOUNT = "123456789012"
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/reader"
OF_AWS = "arn:aws:iam::aws:policy/"
FACTS = RequestFacts(1_893_456_000.0, "eu-west-1", "203.0.113.9", "aws-cli/2", secure_transport=True)
READER = RequestPrincipal("user", ACCOUNT, USER_ARN, USER_ARN, "AIDAREADEREXAMPLE1234", "reader", {"team": "red-1"})
STATEMENTS: tuple[Mapping[str, Any], ...] = (
    {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:username}/*"},
    {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {
            "Bool": {"aws:SecureTransport": "false"},
            "NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "203.0.113.0/24"]},
        },
    },
    {
        "Effect": "Allow",
        "Action": ["dynamodb:Get*", "dynamodb:Query"],
        "Resource": "arn:aws:dynamodb:*:*:table/*",
        "Condition": {
            "StringLike": {"aws:PrincipalTag/team": ["red-*", "blue-?"]},
            "DateLessThan": {"aws:CurrentTime": "2040-01-01T00:00:00Z"},
        },
    },
)


@dataclass(frozen=True, slots=True)
class Settings:
    decisions: int = 50_000  # per round
    documents: int = 1_000
    rounds: int = 5


class PolicyRate(Figures):
    """Decisions per second on one core, by what there is to decide; `documents_per_s` are read for the first time."""

    decisions_per_s: Mapping[str, Spread]
    documents_per_s: Spread


def measure(settings: Settings) -> PolicyRate:
    decisions = {name: Spread.of(_rates(decide, settings.decisions, settings.rounds)) for name, decide in _decisions().items()}
    rounds = range(settings.rounds)
    return PolicyRate(
        decisions_per_s=decisions, documents_per_s=Spread.of(_documents_per_s(settings.documents, each) for each in rounds)
    )


def _decisions() -> Mapping[str, Callable[[], bool]]:
    """What is decided, by name; each allows."""
    administrator, read_only = (_of_aws(name) for name in ("AdministratorAccess", "ReadOnlyAccess"))
    own = parse_document(_policy(*STATEMENTS), "identity")
    keys = request_keys(READER, FACTS)
    home = RequestContext("s3:GetObject", "arn:aws:s3:::home/reader/file", READER, keys)
    table = RequestContext("dynamodb:Query", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t", READER, keys)

    def with_everything() -> bool:
        context = RequestContext(table.action, table.resource, READER, request_keys(READER, FACTS))
        return evaluate(context, [own, read_only], boundary=administrator, session_policies=[administrator]).allowed

    return {
        "one statement that allows everything": lambda: evaluate(home, [administrator]).allowed,
        "ReadOnlyAccess": lambda: evaluate(home, [read_only]).allowed,
        "a variable, an address and a transport": lambda: evaluate(home, [own]).allowed,
        "two policies, boundary, session policy, keys of the request made anew": with_everything,
    }


def _of_aws(name: str) -> PolicyDocument:
    return parse_document(aws_managed_policies()[OF_AWS + name].document, "managed")


def _policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _rates(decide: Callable[[], bool], count: int, rounds: int) -> list[float]:
    if not decide():
        raise AssertionError("what is measured allows its request")
    return [_rate(decide, count) for _ in range(rounds)]


def _rate(act: Callable[[], object], count: int) -> float:
    started_s = time.perf_counter()
    for _ in range(count):
        act()
    return count / (time.perf_counter() - started_s)


def _documents_per_s(count: int, round_number: int) -> float:
    texts = iter([_policy({**STATEMENTS[0], "Sid": f"r{round_number}n{number}"}, *STATEMENTS[1:]) for number in range(count)])
    return _rate(lambda: parse_document(next(texts), "identity"), count)


def rows(figures: PolicyRate) -> tuple[Row, ...]:
    decisions = [Row(f"decisions: {name}", text(rate, "per s")) for name, rate in figures.decisions_per_s.items()]
    return (*decisions, Row("documents of three statements, read and compiled", text(figures.documents_per_s, "per s")))


BENCHMARK = Benchmark(
    name="policy_rate",
    title="Policies are decided in microseconds",
    about="One core decides about one request over and over; documents are compiled before, as a replica has them.",
    figures=PolicyRate,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(decisions=20, documents=5, rounds=2),
)
