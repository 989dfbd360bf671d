"""Clients that try again: the attempts and waits of each SDK, as they were measured or read (docs/reference/overload.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import ControlRun
from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call, Clients, Pause
from brownout.harness.load.playing import begin
from brownout.harness.run.prepare import derive
from brownout.identity.core.messages import CallFailed, Response

RESOURCE = "https://vault.azure.net"
DROPPED, SILENT = CallFailed("reset", "sydney.host"), CallFailed("timeout", "sydney.host")
Answer = Response | CallFailed


def arrival(retry: str, number: int = 0) -> Arrival:
    return Arrival(f"c-{number}", 0.0, "c", "token", "sydney", "web-1", "token", "sydney", RESOURCE, retry=retry)


class Client:
    """One client on a clock of its own that only its waits move."""

    def __init__(self, retry: str) -> None:
        self.retry, self.now_s = retry, 0.0
        self.clients = Clients(Account(tenant_id="t"))
        self.calls = 0

    def call(self, answers: Iterator[Answer]) -> tuple[int, list[float], ArrivalResult]:
        """One call: its attempts, its waits and its end."""
        self.calls += 1
        playing = begin(arrival(self.retry, self.calls), self.clients, self.now_s, lambda: self.now_s)
        attempts, waits, step = 0, list[float](), playing.next()
        while not isinstance(step, ArrivalResult):
            if isinstance(step, Pause):
                waits.append(round(step.duration_s, 9))
                self.now_s += step.duration_s
                step = playing.next()
            else:
                assert isinstance(step, Call)
                attempts += 1
                assert step.attempt == attempts
                step = playing.next(next(answers))
        return attempts, waits, step


def always(answer: Answer) -> Iterator[Answer]:
    return repeat(answer)


def status(code: int, retry_after: int = 0) -> Response:
    return Response(code, {"error": "unknown"}, {"retry-after": str(retry_after)} if retry_after else {})


AZURE = ("azure-identity-sync", "azure-identity-async")


@pytest.mark.parametrize("retry", AZURE)
@pytest.mark.parametrize(
    ("answer", "attempts", "waits"),
    [
        *((status(code), 6, [1.6, 3.2, 6.4, 12.8]) for code in (404, 429, 500, 502, 503, 504)),
        (status(410), 6, [5, 10, 20, 40]),
        (status(429, 3), 6, [3, 3, 3, 3, 3]),
        (status(503, 7), 6, [7, 7, 7, 7, 7]),
        (status(400), 1, []),
        (status(403), 1, []),
        (status(400, 2), 6, [2, 2, 2, 2, 2]),
        (SILENT, 4, [1.6, 3.2]),
        (CallFailed("refused", "sydney.host"), 4, [1.6, 3.2]),
    ],
)
def test_azure_identity_waits_as_measured(retry: str, answer: Answer, attempts: int, waits: list[float]) -> None:
    """Six attempts in 24 seconds on 5xx and in 75 on 410, by Retry-After where it is sent; four without an answer."""
    sent, waited, result = Client(retry).call(always(answer))
    assert (sent, waited) == (attempts, pytest.approx(waits))
    assert result.outcome == ("unknown" if answer is SILENT else "refused")


def test_the_async_client_sends_twice_when_a_connection_is_lost() -> None:
    """Four attempts of azure-identity are eight requests there, and four in the sync client."""
    assert [Client(retry).call(always(DROPPED))[0] for retry in AZURE] == [4, 8]


def test_a_call_soon_after_a_failed_one_is_answered_from_memory_by_the_sync_client_only() -> None:
    """Within five seconds of 503, and for Retry-After, without a request; after that again; a 404 is not remembered."""
    for retry, again in zip(AZURE, (0, 6), strict=True):
        client = Client(retry)
        assert client.call(always(status(503)))[0] == 6
        assert client.call(always(status(503)))[0] == again
        client.now_s += 5.1
        assert client.call(always(status(503)))[0] == 6
    client = Client("azure-identity-sync")
    client.call(always(status(404)))
    assert client.call(always(status(404)))[0] == 6
    client.now_s += 10
    client.call(always(status(429, 9)))
    client.now_s += 8
    assert client.call(always(status(429, 9)))[0] == 0


@pytest.mark.parametrize("retry", AZURE)
@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.0), (3, 4.8)])
def test_a_service_that_recovers_is_noticed(retry: str, failures: int, seconds: float) -> None:
    """503 three times and then another answer: 4.8 seconds, and the arrival ends by that answer."""
    answers = chain(repeat(status(503), failures), repeat(status(400)))
    sent, waits, result = Client(retry).call(answers)
    assert (sent, sum(waits), result.status) == (failures + 1, pytest.approx(seconds), 400)


@pytest.mark.parametrize(
    ("retry", "answer", "attempts", "longest"),
    [
        ("boto3-legacy", status(503), 5, lambda number: 2.0**number),
        ("boto3-legacy", SILENT, 5, lambda number: 2.0**number),
        ("boto3-standard", status(503), 3, lambda number: 0.05 * 2**number),
        ("boto3-standard", status(429), 3, lambda number: 2.0**number),
        ("boto3-standard", DROPPED, 3, lambda number: 0.05 * 2**number),
        ("jittered", status(503), 3, lambda number: 10 * 4.0**number),
    ],
)
def test_waits_by_chance_are_within_their_bounds(
    retry: str, answer: Answer, attempts: int, longest: Callable[[int], float]
) -> None:
    """Each wait is drawn from nothing up to its bound, and over many calls from all of that."""
    for number in range(attempts - 1):
        seen = []
        for seed in range(200):
            client = Client(retry)
            client.clients.seed = seed
            sent, waits, _ = client.call(always(answer))
            assert (sent, len(waits)) == (attempts, attempts - 1)
            seen.append(waits[number] / longest(number))
        assert 0 < min(seen) < 0.1 < 0.9 < max(seen) <= 1


def test_the_standard_mode_stops_retrying_when_its_quota_is_used_up() -> None:
    """500 in the quota and 14 for a retry are 35 retries; then a failed call is one request, until successes give some back."""
    client = Client("boto3-standard")
    sent = [client.call(always(status(503)))[0] for _ in range(30)]
    assert sum(sent) - len(sent) == 35
    assert sent[-1] == 1
    good = Response(200, {})
    for _ in range(14):
        client.call(always(good))
    assert client.call(always(status(503)))[0] == 2


def test_without_a_policy_an_arrival_is_one_request() -> None:
    """It carries no attempt's number either, so nothing of it is in the attempts' log."""
    step = begin(arrival(""), Clients(Account(tenant_id="t")), 0.0).next()
    assert isinstance(step, Call)
    assert step.attempt == 0


def test_a_control_run_changes_how_those_try_again_that_do() -> None:
    """Cohorts that try again do so as the control says, and those that ask once still ask once."""
    experiment = load(find("link-cut"))
    first, *others = experiment.load.cohorts
    cohorts = (first.model_copy(update={"retry": "boto3-legacy"}), *others)
    experiment = experiment.model_copy(update={"load": experiment.load.model_copy(update={"cohorts": cohorts})})
    derived = derive(experiment, ControlRun.model_validate({"posture": experiment.posture, "retry": "boto3-standard"}))
    assert [cohort.retry for cohort in derived.load.cohorts] == ["boto3-standard", *["none"] * len(others)]
    unchanged = derive(experiment, ControlRun(posture=experiment.posture))
    assert unchanged.load.cohorts[0].retry == "boto3-legacy"
