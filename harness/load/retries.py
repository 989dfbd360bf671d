"""How clients try again: the schedules of real SDKs, around any client model.

A cohort with `retry` has each call of its model's script repeated as that SDK would, with its waits, its limit of attempts and
what it remembers (docs/reference/overload.md#how-clients-try-again). There is no single flight: clients that want the same at
the same time ask at the same time. An arrival is good or bad by its last attempt; each attempt is in the attempts' log.

Waits are emulated seconds and attempts' time-outs are network time, like all of a client's; at rate 1 they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from brownout.harness.base.keyed_random import keyed_random
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients, Pause, Script
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.surface import retry_after_of

RetryName = Literal["none", "azure-identity-sync", "azure-identity-async", "boto3-legacy", "boto3-standard", "jittered"]
NAMES: tuple[RetryName, ...] = get_args(RetryName)
CallEnd = Response | CallFailed
THROTTLING = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"})
QUOTA, RETRY_COST, THROTTLED_COST = 500.0, 14.0, 5.0


def _azure_wait_s(number: int, answer: CallEnd, draw: float) -> float:
    factor = 2.5 if isinstance(answer, Response) and answer.status == 410 else 0.8
    return 0.0 if number == 1 else factor * 2.0 ** (number - 1)


def _legacy_wait_s(number: int, answer: CallEnd, draw: float) -> float:
    return draw * 2.0 ** (number - 1)


def _standard_wait_s(number: int, answer: CallEnd, draw: float) -> float:
    base_s = 1.0 if is_throttled(answer) else 0.05
    return draw * min(20.0, base_s * 2.0 ** (number - 1))


def _jittered_wait_s(number: int, answer: CallEnd, draw: float) -> float:
    return draw * min(120.0, 10.0 * 4.0 ** (number - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """One SDK's rules. `wait_s(number, answer, draw)` is the wait before retry `number`, counted from 1, `draw` from 0 to 1.

    At most `retries` in all, `after_failures` of them where no answer came. `throttle_s`: for so long after a call that ended
    with 429 or 5xx, or for its Retry-After, further calls of the client get that answer without a request. `resends`: how often
    a request is sent again at once by the HTTP library when a connection is lost. `has_quota`: retries cost of a quota.
    """

    retries: int
    after_failures: int
    statuses: frozenset[int]
    wait_s: Callable[[int, CallEnd, float], float]
    heeds_retry_after: bool = True
    throttle_s: float = 0.0
    resends: int = 0
    has_quota: bool = False

    def is_for(self, answer: CallEnd) -> bool:
        """Whether such an answer is a reason to try again."""
        if isinstance(answer, CallFailed):
            return True
        named = self.heeds_retry_after and answer.status >= 400 and "retry-after" in answer.headers
        return named or answer.status in self.statuses or (self.has_quota and is_throttled(answer))


_AZURE = frozenset({404, 408, 410, 429, *range(500, 600)})
_AWS = frozenset({429, 500, 502, 503, 504})
POLICIES: Mapping[str, RetryPolicy] = {
    "azure-identity-sync": RetryPolicy(retries=5, after_failures=3, statuses=_AZURE, wait_s=_azure_wait_s, throttle_s=5.0),
    "azure-identity-async": RetryPolicy(retries=5, after_failures=3, statuses=_AZURE, wait_s=_azure_wait_s, resends=1),
    "boto3-legacy": RetryPolicy(retries=4, after_failures=4, statuses=_AWS, wait_s=_legacy_wait_s, heeds_retry_after=False),
    "boto3-standard": RetryPolicy(
        retries=2, after_failures=2, statuses=_AWS, wait_s=_standard_wait_s, heeds_retry_after=False, has_quota=True
    ),
    # No SDK's: what a careful client does. Few attempts, far apart, each wait drawn from all of its length.
    "jittered": RetryPolicy(retries=2, after_failures=2, statuses=_AZURE - {404}, wait_s=_jittered_wait_s),
}


class Throttled(dict[str, tuple[float, Response]]):
    """By client: until when (emulated) it answers itself, and with what."""


class Quotas(dict[str, float]):
    """By client: what is left of its quota for retries."""


def is_throttled(answer: CallEnd) -> bool:
    """Whether an answer says that the client asks too often."""
    if isinstance(answer, CallFailed):
        return False
    found = (answer.body or {}).get("error")
    code = str(found.get("code", "")) if isinstance(found, Mapping) else ""
    return answer.status == 429 or code in THROTTLING or b"<Code>Throttling</Code>" in answer.payload


class Retrier:
    """One arrival's attempts under a policy. `now` is the emulated time."""

    def __init__(self, policy: RetryPolicy, arrival: Arrival, clients: Clients, now: Callable[[], float]) -> None:
        self._policy, self._arrival, self._clients, self._now = policy, arrival, clients, now
        self._client = arrival.machine or arrival.cohort
        self._sent = 0

    def play(self, script: Script) -> Script:
        """The script with each of its calls tried again."""
        try:
            step = next(script)
            while True:
                if isinstance(step, Pause):
                    yield step
                    step = next(script)
                    continue
                answer = yield from self._call(step)
                step = script.throw(answer) if isinstance(answer, CallFailed) else script.send(answer)
        except StopIteration as ended:
            result: ArrivalResult = ended.value
            return result

    def _call(self, call: Call) -> Generator[Call | Pause, Response, CallEnd]:
        """The answer to a call in the end."""
        policy, throttled = self._policy, self._clients.memory(Throttled)
        until_s, remembered = throttled.get(self._client, (0.0, None))
        if remembered is not None and self._now() < until_s:
            return remembered
        tried = failed = 0
        spent = 0.0
        while True:
            answer = yield from self._attempt(call)
            failed += isinstance(answer, CallFailed)
            if not policy.is_for(answer) or tried == policy.retries or failed > policy.after_failures:
                break
            cost = self._cost(answer)
            if cost is None:
                break
            tried, spent = tried + 1, cost
            wait_s = self._wait_s(tried, answer)
            if wait_s > 0:
                yield Pause(wait_s)
        self._remember(answer, spent)
        return answer

    def _attempt(self, call: Call) -> Generator[Call | Pause, Response, CallEnd]:
        """One request, sent again at once where the HTTP library does that."""
        for left in range(self._policy.resends, -1, -1):
            self._sent += 1
            try:
                return (yield call._replace(attempt=self._sent))
            except CallFailed as failure:
                if failure.failure != "reset" or left == 0:
                    return failure
        raise AssertionError("the last round returns")

    def _wait_s(self, number: int, answer: CallEnd) -> float:
        if self._policy.heeds_retry_after and isinstance(answer, Response):
            asked_s = retry_after_of(answer)
            if asked_s:
                return asked_s
        draw = keyed_random(self._clients.seed, "retry", self._arrival.id, number)
        return self._policy.wait_s(number, answer, draw)

    def _cost(self, answer: CallEnd) -> float | None:
        """What a retry after this answer costs of the quota, taken from it; None where that is used up."""
        if not self._policy.has_quota:
            return 0.0
        quotas, cost = self._clients.memory(Quotas), THROTTLED_COST if is_throttled(answer) else RETRY_COST
        left = quotas.get(self._client, QUOTA)
        if cost > left:
            return None
        quotas[self._client] = left - cost
        return cost

    def _remember(self, answer: CallEnd, spent: float) -> None:
        """What the client keeps of a call that has ended, for its next ones."""
        if isinstance(answer, CallFailed):
            return
        if self._policy.throttle_s and (answer.status == 429 or answer.status >= 500):
            for_s = retry_after_of(answer) or self._policy.throttle_s
            self._clients.memory(Throttled)[self._client] = (self._now() + for_s, answer)
        if self._policy.has_quota and answer.ok:
            quotas = self._clients.memory(Quotas)
            quotas[self._client] = min(QUOTA, quotas.get(self._client, QUOTA) + (spent or 1.0))
