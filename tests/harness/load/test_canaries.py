"""Canaries with the real azure-identity against stub services."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.load.canaries import Canaries
from brownout.harness.load.canary import CanaryConfig, machines
from brownout.harness.load.log_tail import LinesTail

EPOCH_S = 1_721_000_000.0


def attempts(folder: Path, client: str) -> list[Mapping[str, Any]]:
    return list(LinesTail(folder / f"canary-{client}.jsonl").read())


def requests_read(url: str) -> int:
    with urllib.request.urlopen(url + "/count", timeout=5) as answer:
        return int(json.load(answer)["requests"])


def wait_for(happened: Callable[[], bool], *, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("client", ["sync", "async"])
def test_machines_alternate_and_fresh_ones_never_come_back(client: str, tmp_path: Path) -> None:
    """Every other machine is a new one of the scale set, named by digits that the load's own arrivals never reach."""
    config = CanaryConfig(
        client=client,  # type: ignore[arg-type]
        host_url="http://127.0.0.1:1",
        warm_machine="vm1",
        scale_set="vmss",
        clock={},
        folder=tmp_path,
    )
    found = list(islice(machines(config), 8))
    assert [fresh for _, fresh in found] == [False, True] * 4
    assert {name for name, fresh in found if not fresh} == {"vm1"}
    numbers = [int(name.removeprefix("vmss_")) for name, fresh in found if fresh]
    assert len(set(numbers)) == 4
    assert min(numbers) >= 900_000


@pytest.mark.slow
def test_real_clients_are_recorded_attempt_by_attempt(stub: Callable[[str], Any], tmp_path: Path) -> None:
    """Against a good service every attempt is ok; against a failing one the attempt under way is left as unfinished."""
    clock = {"epoch_s": EPOCH_S, "monotonic_s": time.monotonic(), "rate": 100.0}
    good, failing, denying = tmp_path / "good", tmp_path / "failing", tmp_path / "denying"
    stubs: dict[str, Any] = {}

    def enough() -> bool:
        """Two attempts of each kind have ended where they can, and both kinds are at their retries where they cannot."""
        ended = [len(attempts(folder, client)) for folder in (good, denying) for client in ("sync", "async")]
        return min(ended) >= 2 and requests_read(stubs["status:503"].url) >= 4

    async def run() -> tuple[str, ...]:
        canaries = {folder: Canaries() for folder in (good, failing, denying)}
        for folder, mode in ((good, "ok"), (failing, "status:503"), (denying, "status:400")):
            stubs[mode] = stub(mode)
            canaries[folder].start(stubs[mode].url, "vm1", "vmss", clock, folder)
        await asyncio.to_thread(wait_for, enough, within_s=25.0)
        problems = tuple(problem for one in canaries.values() for problem in one.problems())
        for one in canaries.values():
            await one.stop()
        return problems

    assert asyncio.run(run()) == ()
    for client in ("sync", "async"):
        finished = [attempt for attempt in attempts(good, client) if not attempt["unfinished"]]
        assert len(finished) >= 2
        assert all(attempt["ok"] and attempt["client"] == client for attempt in finished)
        assert [attempt["fresh"] for attempt in finished[:2]] == [False, True]
        assert all(
            attempt["ended_s"] - attempt["started_s"] == pytest.approx(100 * attempt["wall_s"], abs=1.0) for attempt in finished
        )
        (under_way,) = attempts(failing, client)
        assert (under_way["unfinished"], under_way["ok"], under_way["machine"]) == (True, False, "vm1")
        assert {attempt["error"] for attempt in attempts(denying, client)} == {"CredentialUnavailableError"}


@pytest.mark.slow
def test_a_canary_that_cannot_run_says_so(tmp_path: Path) -> None:
    """A canary that ends by itself is a problem with the end of its output, not silence."""

    async def run() -> tuple[str, ...]:
        canaries = Canaries()
        canaries.start("http://127.0.0.1:1", "vm1", "vmss", {"rate": 0.0}, tmp_path)
        await asyncio.to_thread(wait_for, lambda: len(canaries.problems()) == 2, within_s=15.0)
        await canaries.stop()
        return canaries.problems()

    problems = asyncio.run(run())
    assert len(problems) == 2
    assert all("the stack's clock" in problem for problem in problems)
