"""Unmodified Azure SDK clients against the emulated IMDS behave as they do against the real one.

The figures are golden (docs/reference/real-clients.md): counts of requests, and seconds until the client gives up or
succeeds. All cases run at once, each on a machine of its own, because the longest takes 35 s of real time. Those
that would take 75 s live five times faster.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.processes import await_true
from brownout.harness.effects import LinkEffect, NodeEffect, SwitchThrow
from brownout.identity.core.messages import Request
from brownout.suites.clients.programs.acquisition import Acquisition
from brownout.suites.clients.programs.python_cases import ClientStep, PythonCase, done_file, read_story, start, story_file
from support.carriers import link, node, switch
from support.client_requests import token_request
from support.server_stacks import Stack

pytestmark = pytest.mark.slow

HALF_LIFE_S = 43199  # the emulated token lives 86399 s
SLACK_S = 3.0  # this machine does other things too
PATIENCE_S = 60.0
ONCE = (ClientStep(),)
LATER = (ClientStep(), ClientStep("refused", shift_s=43260), ClientStep(shift_s=86160))
FOREVER_503, FOREVER_410 = {"status": 503}, {"status": 410}
PACE = 5
CASES: Mapping[str, dict[str, Any]] = {
    "retry-after": {"machine": "web-1", "kind": "sync", "answer": {"status": 503, "retry_after_s": 7}, "steps": ONCE},
    "sync-503": {"machine": "web-2", "kind": "sync", "answer": FOREVER_503, "steps": (ClientStep(), ClientStep())},
    "async-503": {"machine": "web-3", "kind": "async", "answer": FOREVER_503, "steps": ONCE},
    "sync-410": {"machine": "web-11", "kind": "sync", "answer": FOREVER_410, "pace": PACE, "steps": ONCE},
    "async-410": {"machine": "web-13", "kind": "async", "answer": FOREVER_410, "pace": PACE, "steps": ONCE},
    "sync-410x3": {"machine": "web-4", "kind": "sync", "answer": {"status": 410, "times": 3}, "steps": ONCE},
    "sync-503x3": {"machine": "web-5", "kind": "sync", "answer": {"status": 503, "times": 3}, "steps": ONCE},
    "async-503x3": {"machine": "web-6", "kind": "async", "answer": {"status": 503, "times": 3}, "steps": ONCE},
    "sync-ok": {"machine": "web-7", "kind": "sync", "steps": (ClientStep(), ClientStep())},
    "async-ok": {"machine": "web-8", "kind": "async", "steps": (ClientStep(), ClientStep())},
    "dac-ok": {"machine": "web-9", "kind": "dac", "steps": (ClientStep(), ClientStep())},
    "sync-400": {"machine": "web-10", "kind": "sync", "answer": {"status": 400}, "steps": ONCE},
    "sync-ambiguous": {"machine": "batch", "kind": "sync", "steps": ONCE},
    "fresh-machine": {"machine": "scaleout_7", "kind": "async", "steps": ONCE},
    # These live in Melbourne, whose host goes away under them.
    "sync-later": {"machine": "south-1", "kind": "sync", "steps": LATER},
    "async-later": {"machine": "south-2", "kind": "async", "steps": LATER},
    "sync-refused": {"machine": "south-3", "kind": "sync", "steps": (ClientStep("refused"),)},
    "async-refused": {"machine": "south-4", "kind": "async", "steps": (ClientStep("refused"),)},
    "sync-killed": {"machine": "south-5", "kind": "sync", "steps": (ClientStep("killed"),)},
}


@dataclass(frozen=True, slots=True)
class Golden:
    """What every case came to: the outcome of each step, and how often its machine was asked for a token."""

    outcomes: Mapping[str, tuple[Acquisition, ...]]
    requests: Mapping[str, int]

    def only(self, name: str) -> tuple[Acquisition, int]:
        (outcome,) = self.outcomes[name]
        return outcome, self.requests[name]


@pytest.fixture(scope="module")
def golden(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Golden]:
    folder = tmp_path_factory.mktemp("golden")
    hold_answers(stack)
    clients = start_clients(stack, folder)
    try:
        take_melbourne_away(stack, folder)
        outcomes = {name: read_outcome(folder, name) for name in CASES}
        yield Golden(outcomes, counted(stack))
    finally:
        clients.kill()  # they have all ended unless a check above failed
        clients.wait()


def hold_answers(stack: Stack) -> None:
    for name, case in CASES.items():
        if "answer" in case:
            value = {**case["answer"], "machine": case["machine"]}
            stack.run(stack.world.hold(switch("sydney.host"), f"g-{name}", SwitchThrow("answer", value)))


def region_of(case: Mapping[str, Any]) -> str:
    return "melbourne" if case["machine"].startswith("south") else "sydney"


def start_clients(stack: Stack, folder: Path) -> subprocess.Popen[bytes]:
    urls = stack.world.endpoints().clients

    def environment(case: Mapping[str, Any]) -> dict[str, str]:
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{urls[region_of(case) + '.host']}/{case['machine']}"}

    def steps(case: Mapping[str, Any]) -> tuple[ClientStep, ...]:
        return tuple(replace(step, after=str(folder / step.after) if step.after else "") for step in case["steps"])

    cases = [
        PythonCase(name, case["kind"], environment(case), steps(case), pace=case.get("pace", 1.0))
        for name, case in CASES.items()
    ]
    return start(cases, folder)


def take_melbourne_away(stack: Stack, folder: Path) -> None:
    """Once its two first tokens are out: the link refuses, then comes back, then the host itself is killed."""
    for name in ("sync-later", "async-later"):
        assert await_true(done_file(folder, name, 0).exists, PATIENCE_S)
    stack.run(stack.world.hold(link("client->melbourne.host"), "g-refuse", LinkEffect("refuse")))
    (folder / "refused").touch()
    for name in ("sync-later", "async-later", "sync-refused", "async-refused"):
        read_outcome(folder, name)
    stack.run(stack.world.hold(node("melbourne.host"), "g-kill", NodeEffect("down")))
    stack.run(stack.world.release(link("client->melbourne.host"), "g-refuse"))
    (folder / "killed").touch()
    read_outcome(folder, "sync-killed")
    stack.run(stack.world.release(node("melbourne.host"), "g-kill"))


def read_outcome(folder: Path, name: str) -> tuple[Acquisition, ...]:
    assert await_true(story_file(folder, name).exists, PATIENCE_S), f"{name} did not finish"
    return read_story(folder, name).acquisitions


def machine_counts(stack: Stack, region: str) -> Mapping[str, int]:
    state = stack.run(stack.world.read(switch(f"{region}.host")))
    counts: Mapping[str, int] = state["imds_requests"]
    return counts


def counted(stack: Stack) -> Mapping[str, int]:
    sydney = machine_counts(stack, "sydney")
    return {name: sydney.get(case["machine"], 0) for name, case in CASES.items() if region_of(case) == "sydney"}


def assert_took(outcome: Acquisition, seconds: float) -> None:
    """The waits that the client chose come to this, but for the requests themselves, whose time is the machine's."""
    assert outcome.seconds == pytest.approx(seconds, abs=0.2)


@pytest.mark.parametrize("name", ["sync-ok", "async-ok", "dac-ok"])
def test_a_cold_client_asks_once_and_then_not_again(golden: Golden, name: str) -> None:
    """A healthy IMDS is asked once; the client will refresh at the token's half-life and answers itself until then."""
    first, second = golden.outcomes[name]
    assert golden.requests[name] == 1
    assert second.token == first.token
    assert first.refresh_in_s == pytest.approx(HALF_LIFE_S, abs=SLACK_S)


def test_a_machine_of_a_scale_set_exists_from_its_first_request(golden: Golden) -> None:
    """A client on a machine that was never seen before gets its token at once."""
    outcome, requests = golden.only("fresh-machine")
    assert outcome.error == ""
    assert requests == 1


def test_several_identities_and_no_selector_is_one_plain_error(golden: Golden) -> None:
    """A machine with two user-assigned identities answers 400, and the client gives up within a second."""
    outcome, requests = golden.only("sync-ambiguous")
    assert (outcome.error, requests) == ("CredentialUnavailableError", 1)
    assert outcome.seconds < 1


def test_a_400_is_not_retried(golden: Golden) -> None:
    """Any 400 is one request and an error."""
    outcome, requests = golden.only("sync-400")
    assert (outcome.error, requests) == ("CredentialUnavailableError", 1)


def test_503_for_ever_is_six_requests_and_then_silence_for_a_while(golden: Golden) -> None:
    """The sync client gives up after six requests in 24.1 s, and answers the next call itself without asking."""
    first, second = golden.outcomes["sync-503"]
    assert (first.error, golden.requests["sync-503"]) == ("CredentialUnavailableError", 6)
    assert_took(first, 24.1)
    assert second.error
    assert second.seconds == 0


def test_503_for_ever_to_the_async_client(golden: Golden) -> None:
    """The async client makes the same six requests and raises the other class."""
    outcome, requests = golden.only("async-503")
    assert (outcome.error, requests) == ("ClientAuthenticationError", 6)
    assert_took(outcome, 24.1)


@pytest.mark.parametrize("name", ["sync-503x3", "async-503x3"])
def test_three_503_are_ridden_out(golden: Golden, name: str) -> None:
    """Three failures and then health is a success with the fourth request after 4.9 s."""
    outcome, requests = golden.only(name)
    assert (outcome.error, requests) == ("", 4)
    assert_took(outcome, 4.9)


def test_three_410_are_ridden_out_more_slowly(golden: Golden) -> None:
    """For 410 the client waits longer: success after 15.1 s."""
    outcome, requests = golden.only("sync-410x3")
    assert (outcome.error, requests) == ("", 4)
    assert_took(outcome, 15.1)


@pytest.mark.parametrize("name", ["sync-410", "async-410"])
def test_410_for_ever_is_six_requests_in_over_a_minute(golden: Golden, name: str) -> None:
    """An IMDS that says it is being updated is asked six times in 75.1 s, and then the client gives up."""
    outcome, requests = golden.only(name)
    assert (bool(outcome.error), requests) == (True, 6)
    assert_took(outcome, 75.1)


def test_retry_after_is_obeyed(golden: Golden) -> None:
    """503 with Retry-After 7 is six requests in 35.1 s."""
    outcome, requests = golden.only("retry-after")
    assert (bool(outcome.error), requests) == (True, 6)
    assert_took(outcome, 35.1)


@pytest.mark.parametrize("name", ["sync-refused", "async-refused", "sync-killed"])
def test_a_listener_that_is_gone_costs_five_seconds(golden: Golden, name: str) -> None:
    """With the port closed, or the host's process killed behind it, a cold client gives up after 4.8 s."""
    (outcome,) = golden.outcomes[name]
    assert outcome.error == "CredentialUnavailableError"
    assert_took(outcome, 4.8)


def test_past_the_half_life_the_sync_client_survives_an_outage_and_the_async_one_does_not(golden: Golden) -> None:
    """12 h 1 min on with IMDS away: sync waits 4.8 s and hands out the token it has, async raises."""
    sync, later = golden.outcomes["sync-later"][:2], golden.outcomes["async-later"][1]
    assert sync[1].token == sync[0].token
    assert_took(sync[1], 4.8)
    assert later.error == "CredentialUnavailableError"


@pytest.mark.parametrize("name", ["sync-later", "async-later"])
def test_close_to_the_end_of_the_token_nobody_survives(golden: Golden, name: str) -> None:
    """23 h 56 min on with IMDS away both clients raise."""
    assert golden.outcomes[name][2].error


def test_the_probe_without_the_metadata_header_is_answered_at_once(stack: Stack) -> None:
    """DefaultAzureCredential first asks without the header, and must get a 400 instead of a hang."""
    request = token_request("web-12")
    probe = Request("GET", request.path, request.query)
    answer = stack.run(stack.world.client("sydney.host", probe, timeout_s=2))
    assert answer.status == 400
    assert answer.body is not None
    assert answer.body["error"] == "bad_request_102"
