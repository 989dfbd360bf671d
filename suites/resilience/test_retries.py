"""How often real botocore asks again, and what it does with credentials that it cannot renew, on a virtual clock.

What is measured is compared with the tables of docs/reference/real-clients.md#boto3-and-botocore, row by row, so that the page
cannot go stale. Seconds are of the virtual clock: what botocore waited, with one seed of its jitter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.caller import Credentials
from support.botocore_wire import Answer, Sent, SleptClock, botocore_wire, from_stack
from support.iam_clients import ACCOUNT_ID, IamStack, iam_stack
from support.places import ROOT
from support.simulated_aws import EPOCH_S

MODES = ("legacy", "standard", "adaptive")
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/app"
REGION, AWS_REGION = "melbourne", "ap-southeast-4"
STS, VAULT, HOST = f"{REGION}.token.z1", f"{REGION}.vault", f"{REGION}.host"
MACHINE = "web-south-1"
MINUTE_S, SESSION_S = 60.0, 3600.0
PAGE = ROOT / "docs" / "reference" / "real-clients.md"


def require_row(*cells: object) -> None:
    """Fails with the row that was measured, when the page does not have it."""
    row = f"| {' | '.join(map(str, cells))} |"
    if row not in PAGE.read_text(encoding="utf-8").splitlines():
        pytest.fail(f"{PAGE.name} lacks the row that was measured:\n{row}", pytrace=False)


def error(status: int, code: str) -> Answer:
    """As STS tells an error."""
    xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    return Answer(status, xml.encode(), headers={"content-type": "text/xml"})


GOOD = Answer(200, b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>")
FAULTS: Mapping[str, Answer] = {
    "400 Throttling": error(400, "Throttling"),
    "400 RequestLimitExceeded": error(400, "RequestLimitExceeded"),
    "400 IDPCommunicationError": error(400, "IDPCommunicationError"),
    "400 ExpiredToken": error(400, "ExpiredToken"),
    "403 AccessDenied": error(403, "AccessDenied"),
    "503 ServiceUnavailable": error(503, "ServiceUnavailable"),
    "connection refused": Answer(failure="refused"),
    "connection reset": Answer(failure="reset"),
    "no answer": Answer(failure="timeout"),
    "200, cut short": Answer(200, b"<GetCallerIdentityResponse><GetCallerId"),
}


def outcome(call: Callable[..., Any], **params: Any) -> str:
    """Either "good", the code of the service's error, or the class of botocore's own."""
    try:
        call(**params)
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    except (BotoCoreError, ResponseParserError) as failed:
        return type(failed).__name__
    return "good"


@contextmanager
def environment(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Iterator[None]:
    """Nothing of the user's, and these variables."""
    with monkeypatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name, raising=False)
        defaults = {
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_DEFAULT_REGION": AWS_REGION,
        }
        for name, value in {**defaults, **variables}.items():
            patch.setenv(name, value)
        yield


def attempts_of_one_call(monkeypatch: pytest.MonkeyPatch, mode: str, fault: Answer) -> tuple[int, float, str]:
    """Requests that one GetCallerIdentity made, seconds that it waited between them, how it ended."""
    clock = SleptClock(EPOCH_S)
    with (
        environment(monkeypatch, AWS_RETRY_MODE=mode, AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY="s"),
        botocore_wire(clock.now, clock.sleep, lambda _: fault) as sent,
    ):
        ended = outcome(boto3.Session().client("sts").get_caller_identity)
        return len(sent), clock.now() - EPOCH_S, ended


@pytest.mark.parametrize("fault", FAULTS)
def test_attempts_of_one_call(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By retry mode, for an endpoint that goes on so; a denial is never asked for twice."""
    measured = [attempts_of_one_call(monkeypatch, mode, FAULTS[fault]) for mode in MODES]
    cells = [f"{attempts} in {waited_s:.2f} s" if attempts > 1 else "1" for attempts, waited_s, _ in measured]
    (ended,) = {end for _, _, end in measured}
    assert ended != "good"
    require_row(fault, *cells, f"`{ended}`")


def test_a_good_answer_takes_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: no mode asks twice for what it got."""
    assert {attempts_of_one_call(monkeypatch, mode, GOOD) for mode in MODES} == {(1, 0.0, "good")}


def test_standard_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is told no mode does as one that is told `standard`."""
    with environment(monkeypatch, AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY="s"):
        assert boto3.Session().client("sts").meta.config.retries["mode"] == "standard"


def test_standard_mode_stops_asking_again_when_its_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client's failures in a row use up its retries; legacy knows no such budget."""
    found = {}
    for mode in ("legacy", "standard"):
        clock = SleptClock(EPOCH_S)
        with (
            environment(monkeypatch, AWS_RETRY_MODE=mode, AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_SECRET_ACCESS_KEY="s"),
            botocore_wire(clock.now, clock.sleep, lambda _: FAULTS["503 ServiceUnavailable"]) as sent,
        ):
            client = boto3.Session().client("sts")
            counts = []
            for _ in range(60):
                before = len(sent)
                outcome(client.get_caller_identity)
                counts.append(len(sent) - before)
        found[mode] = counts
    assert found["legacy"] == [5] * 60
    spent = found["standard"].index(1)
    assert spent > 1
    assert set(found["standard"][spent:]) == {1}
    require_row("requests repeated before `standard` stops", sum(found["standard"]) - 60)


class Application:
    """One process with credentials from botocore's providers that reads a secret again and again."""

    def __init__(self, stack: IamStack, sent: Sequence[Sent]) -> None:
        self._stack, self._sent = stack, sent
        self._client = boto3.Session().client("secretsmanager")

    def call(self, asked_host: str) -> tuple[int, str]:
        """How many requests went to where credentials come from, for one signed call, and how the call ended."""
        before = len(self._sent)
        ended = outcome(self._client.get_secret_value, SecretId="sample")
        return sum(one.host == asked_host for one in self._sent[before:]), ended

    def minutes(self, asked_host: str, first: int, last: int, start_s: float) -> dict[int, tuple[int, str]]:
        """One signed call in the middle of each of these minutes of its credentials' life, numbered from 0."""
        found = {}
        for minute in range(first, last + 1):
            self._stack.sleep(max(0.0, start_s + (minute + 0.5) * MINUTE_S - self._stack.now_s))
            found[minute] = self.call(asked_host)
        return found


def node_of(host: str) -> str:
    """Where the names lead that an application in this region uses."""
    return STS if host.startswith("sts.") else VAULT if host.startswith("secretsmanager.") else HOST


def break_link(stack: IamStack, *links: str) -> None:
    for link in links:
        stack.world.run(stack.world.hold(Carrier("link", link), "dead", LinkEffect("refuse")))


def spans(found: Mapping[int, tuple[int, str]]) -> Iterator[tuple[str, int, str]]:
    """Runs of minutes that went alike."""
    minutes = sorted(found)
    start = minutes[0]
    for minute in minutes:
        if found.get(minute + 1) != found[minute]:
            yield f"{start} to {minute}" if start < minute else str(minute), *found[minute]
            start = minute + 1


def role_profile(folder: Path, key: Credentials) -> Mapping[str, str]:
    """The environment of a process whose profile assumes a role with a user's key."""
    config, keys = folder / "config", folder / "credentials"
    config.write_text(f"[profile app]\nrole_arn = {ROLE}\nsource_profile = user\nregion = {AWS_REGION}\n")
    keys.write_text(f"[user]\naws_access_key_id = {key.access_key_id}\naws_secret_access_key = {key.secret_access_key}\n")
    return {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(keys), "AWS_PROFILE": "app"}


@contextmanager
def application(monkeypatch: pytest.MonkeyPatch, folder: Path, mode: str) -> Iterator[tuple[IamStack, Application]]:
    """An application that assumes a role by its profile."""
    with iam_stack() as stack:
        stack.sleep(3.0)
        key = stack.credentials("caller")
        with (
            environment(monkeypatch, AWS_RETRY_MODE=mode, **role_profile(folder, key)),
            botocore_wire(lambda: stack.now_s, stack.sleep, from_stack(stack, node_of)) as sent,
        ):
            yield stack, Application(stack, sent)


@pytest.mark.parametrize("mode", MODES)
def test_a_session_of_an_hour_fails_at_minute_50_of_a_dead_sts(
    mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From minute 45 on every signed call asks STS first, all retries included; from minute 50 on the call fails for it."""
    with application(monkeypatch, tmp_path, mode) as (stack, app):
        start_s = stack.now_s
        asked = f"sts.{AWS_REGION}.amazonaws.com"
        assert app.call(asked) == (1, "good")
        break_link(stack, f"client->{STS}")
        found = app.minutes(asked, 1, 62, start_s)
    assert [minute for minute, (_, ended) in found.items() if ended != "good"] == list(range(50, 63))
    for minutes, requests, ended in spans(found):
        require_row(mode, minutes, requests, ended if ended == "good" else f"`{ended}`")


def test_a_session_of_an_hour_is_renewed_once_by_an_sts_that_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The control: one request, at the first signed call after minute 45."""
    with application(monkeypatch, tmp_path, "legacy") as (stack, app):
        start_s, asked = stack.now_s, f"sts.{AWS_REGION}.amazonaws.com"
        app.call(asked)
        found = app.minutes(asked, 1, 62, start_s)
    assert [(minute, requests) for minute, (requests, _) in found.items() if requests] == [(45, 1)]
    assert {ended for _, ended in found.values()} == {"good"}


SESSIONS, DEAD_S, CALL_EVERY_S = 20, 60.0, 10.0


def attempts_at_sts(dead_s: float) -> list[float]:
    """When sessions in their refresh window ask an STS that was dead until second 0: `SESSIONS` processes, each by itself.

    Each makes a signed call every few seconds, from its own moment on. Where STS answers every request at once, no
    process has an effect on another, so that each may have the clock to itself.
    """
    found: list[float] = []
    for number in range(SESSIONS):
        clock = SleptClock(EPOCH_S - DEAD_S + (number + 0.5) * CALL_EVERY_S / SESSIONS)
        with botocore_wire(clock.now, clock.sleep, lambda prepared, clock=clock: herd_answer(prepared, clock, dead_s)) as sent:
            client = boto3.Session().client("secretsmanager")
            clock.now_s -= 46 * MINUTE_S
            outcome(client.get_secret_value, SecretId="sample")  # its session begins, long before STS is dead
            clock.now_s += 46 * MINUTE_S
            while clock.now_s < EPOCH_S + 30:
                due_s = clock.now_s + CALL_EVERY_S
                outcome(client.get_secret_value, SecretId="sample")
                clock.now_s = max(clock.now_s, due_s)
        found += [one.at_s - EPOCH_S for one in sent if one.host.startswith("sts.") and one.at_s > EPOCH_S - DEAD_S]
    return found


def herd_answer(prepared: AWSPreparedRequest, clock: SleptClock, dead_s: float) -> Answer:
    """A vault that has the secret, and an STS that is dead for some time before EPOCH_S."""
    if not (urlsplit(prepared.url).hostname or "").startswith("sts."):
        return Answer(200, b'{"SecretString": "s"}')
    if EPOCH_S - dead_s <= clock.now_s < EPOCH_S:
        return Answer(failure="refused")
    ends = expiration(clock.now_s + SESSION_S)
    given = f"<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>{ends}"
    body = f"<AssumeRoleResult><Credentials>{given}</Credentials></AssumeRoleResult>"
    return Answer(200, f"<AssumeRoleResponse>{body}</AssumeRoleResponse>".encode())


def expiration(at_s: float) -> str:
    return f"<Expiration>{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}</Expiration>"


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_the_herd_at_recovery(mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A dead STS is asked many times as often as one that lives; once it is back, each session asks it once."""
    with environment(monkeypatch, AWS_RETRY_MODE=mode, **role_profile(tmp_path, Credentials("AKIAEXAMPLE", "s"))):
        found = attempts_at_sts(DEAD_S)
    outage = [at_s for at_s in found if at_s < 0]
    after = Counter(int(at_s) for at_s in found if at_s >= 0)
    assert sum(after.values()) == SESSIONS, "a session with credentials asks no more"
    require_row(f"`{mode}`", len(outage), f"{len(outage) / DEAD_S:.1f}", max(after.values()), f"{max(after) + 1} s")


def test_an_sts_that_lives_is_asked_once_by_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The control of the herd: the same processes over the same minute, with nothing wrong."""
    with environment(monkeypatch, **role_profile(tmp_path, Credentials("AKIAEXAMPLE", "s"))):
        assert len(attempts_at_sts(0.0)) == SESSIONS


def test_clients_of_imds_go_on_with_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the host gets no new credentials botocore puts their end off, and the caller sees no error of its own."""
    with iam_stack(iam_publish_interval_s=MINUTE_S) as stack:
        stack.sleep(MINUTE_S + 1)
        with (
            environment(monkeypatch, AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://imds.local/{MACHINE}"),
            botocore_wire(lambda: stack.now_s, stack.sleep, from_stack(stack, node_of)) as sent,
        ):
            app = Application(stack, sent)
            start_s = stack.now_s
            assert len(sent) == 3, "a token, the role's name, its credentials"
            assert app.call("imds.local") == (0, "good")
            break_link(stack, *(f"{REGION}.host->{REGION}.token.{zone}" for zone in stack.world.spec.zones))
            found = app.minutes("imds.local", 1, 400, start_s)
    asked = [minute for minute, (requests, _) in found.items() if requests]
    failed = [minute for minute, (_, ended) in found.items() if ended != "good"]
    gaps = [after - before for before, after in pairwise(asked)]
    assert {requests for requests, _ in found.values()} == {0, 3}
    require_row("first asked for new ones", f"minute {asked[0]}")
    require_row("asked again after", f"{min(gaps)} to {max(gaps)} min")
    require_row("first call that fails", f"minute {failed[0]}, `{found[failed[0]][1]}`")
