"""A process may die between any two requests, and two may work on one link: the set of holds must still be repairable."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any

import pytest
import toxiproxy.api

import brownout.harness.worlds.toxiproxy.client as adapter
from brownout.harness.effects import LinkEffect
from brownout.harness.worlds.toxiproxy.client import Toxiproxy
from support.toxiproxy_wire import Link, ask

pytestmark = pytest.mark.xdist_group("toxiproxy")

STATES: tuple[LinkEffect, ...] = (
    LinkEffect("refuse"),
    LinkEffect("reset", "both"),
    LinkEffect("stall", "both"),
    LinkEffect("slow", "both", latency_ms=30),
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


class DyingRequests:
    """Lets `budget` requests through and then dies, before the next one is sent."""

    def __init__(self, real: Any, budget: int) -> None:
        self._real, self.budget = real, budget

    def __getattr__(self, name: str) -> Any:
        if self.budget == 0:
            raise Killed
        self.budget -= 1
        return getattr(self._real, name)


def run_until_killed(monkeypatch: pytest.MonkeyPatch, budget: int, act: Any) -> bool:
    """Runs `act` with so many requests; True when it got to its end."""
    with monkeypatch.context() as patch:
        patch.setattr(toxiproxy.api, "requests", DyingRequests(toxiproxy.api.requests, budget))
        try:
            act()
        except Killed:
            return False
    return True


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.effect)
@pytest.mark.parametrize("verb", ["hold", "release"])
def test_release_repairs_a_kill_at_any_request(
    client: Toxiproxy, link: Link, monkeypatch: pytest.MonkeyPatch, state: LinkEffect, verb: str
) -> None:
    """Wherever a hold or a release was killed, one later release of that id restores the baseline, and others' holds stay."""
    other = LinkEffect("slow", "upstream", latency_ms=1)
    client.hold(link.name, "f-other", other)
    for budget in range(40):
        if verb == "release":
            client.hold(link.name, "f-1", state)
            finished = run_until_killed(monkeypatch, budget, lambda: client.release(link.name, "f-1"))
        else:
            finished = run_until_killed(monkeypatch, budget, lambda: client.hold(link.name, "f-1", state))
        client.release(link.name, "f-1")
        seen = client.read(link.name)
        assert seen["holds"] == {"f-other": other.to_json()}
        assert seen["foreign"] == []
        with link.connect() as connection:
            assert ask(connection, b"whole") == b"whole"
        if finished:
            return
    pytest.fail("it never got to its end")


def test_changes_at_once_end_in_agreement(client: Toxiproxy, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds and releases from several clients at once end with exactly the holds that were not released."""
    # Without the lock the threads interleave between any two requests, as processes do.
    monkeypatch.setattr(adapter, "_library_lock", nullcontext())
    errors: list[BaseException] = []

    def worker(number: int) -> None:
        mine = Toxiproxy(client.api_url)
        try:
            for turn in range(12):
                state = STATES[(number + turn) % len(STATES)]
                assert mine.hold(link.name, f"f-{number}", state)["holds"][f"f-{number}"] == state.to_json()
                mine.release(link.name, f"f-{number}")
        except BaseException as failed:
            errors.append(failed)

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert errors == []
    seen = client.read(link.name)
    assert (seen["holds"], seen["enabled"], seen["foreign"]) == ({}, True, [])
    with link.connect() as connection:
        assert ask(connection, b"whole") == b"whole"


def test_a_paused_process_cannot_keep_others_from_releasing(
    client: Toxiproxy, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a paused process holds the lock for changes of links, a release proceeds after a short wait."""
    client.hold(link.name, "f-1", STATES[0])
    monkeypatch.setattr(adapter, "TURN_TIMEOUT_S", 0.1)
    with client._turn():
        Toxiproxy(client.api_url).release(link.name, "f-1")
    with link.connect() as connection:
        assert ask(connection, b"whole") == b"whole"


def test_what_another_process_did_first_is_no_error(client: Toxiproxy, link: Link) -> None:
    """Adding a toxic that is there and removing one that is gone leave the decision to the read that follows."""
    with client._library():
        for _ in range(2):
            adapter._add(link.name, "f-1|refuse", adapter.MARKER)
        for _ in range(2):
            adapter._remove(link.name, "f-1|refuse")
    assert client.read(link.name)["holds"] == {}
