"""The compose file's profile `load`: master and workers in the client network, the dashboard on loopback, faults on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.load.fault_spans import FaultSpan, FaultSpans
from brownout.harness.world import Carrier
from brownout.harness.worlds.compose.stack import read_compose_stack
from support.containers import ContainerStack

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PATIENCE_S = 40.0
WORKERS = 2


@pytest.fixture(scope="module")
def dashboard(stack: ContainerStack) -> Iterator[str]:
    """The dashboard's URL while master and workers run; they are gone afterwards."""
    compose = read_compose_stack(stack.world.folder).compose()
    services = ("load-master", "load-worker")
    options = ("--detach", "--wait", "--no-deps", "--no-build", "--no-recreate", "--quiet-pull")
    compose.run("up", *options, "--scale", f"load-worker={WORKERS}", *services)
    yield stack.world.endpoints().inside.dashboard_url
    compose.run("rm", "--stop", "--force", *services)


async def shown(url: str, wanted: Any) -> dict[str, Any]:
    """What the dashboard draws from, once it is as wanted; fails when it is not in time."""
    deadline_s = time.monotonic() + PATIENCE_S
    data: dict[str, Any] = {}
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline_s:
            try:
                data = (await client.get(f"{url}/faults/data")).json()
            except (httpx.TransportError, ValueError):
                data = {}
            if data and wanted(data):
                return data
            await asyncio.sleep(0.2)
    raise AssertionError(f"the dashboard never showed it; last: {str(data)[:600]}")


def totals(data: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Requests and good ones by cohort."""
    return {cohort["name"]: (sum(cohort["total"]), sum(cohort["good"])) for cohort in data["cohorts"]}


def lost(data: dict[str, Any], cohort: str) -> int:
    """How many of a cohort's requests were not good."""
    total, good = totals(data)[cohort]
    return total - good


def spared(data: dict[str, Any], cohort: str) -> int:
    """How many a machine may lose on which another stack of containers is just starting: one, and a twentieth."""
    return 1 + totals(data)[cohort][0] // 20


def test_workers_in_containers_put_on_the_same_load(stack: ContainerStack, dashboard: str) -> None:
    """Every cohort, the management callers too, is asked for by the workers, and nearly all of it is good on a whole stack."""
    data = stack.run(shown(dashboard, lambda data: totals(data) and min(total for total, _ in totals(data).values()) >= 5))
    assert {"sydney-machines", "melbourne-machines", "sydney-managers"} <= totals(data).keys()
    assert all(lost(data, cohort) <= spared(data, cohort) for cohort in totals(data)), totals(data)
    assert data["problems"] == []


def test_a_fault_is_felt_and_its_band_is_drawn(stack: ContainerStack, dashboard: str) -> None:
    """A hole in Sydney's clients' link takes their good share down; the band that the machine tells of is in the data."""
    carrier = Carrier("link", "client->sydney.host")
    name = "hole"
    stack.run(stack.world.hold(carrier, "f-load", LinkEffect("blackhole", "both")))
    try:
        band = FaultSpan(
            id="f-load",
            name=name,
            kind="link-blackhole",
            target=carrier.name,
            role="fault",
            state="bitten",
            from_s=stack.world.now(),
        )
        told = FaultSpans(told_at_s=time.time(), bands=(band,)).model_dump_json(by_alias=True)
        headers = {"authorization": f"Bearer {stack.world.spec.control_token}"}
        assert httpx.put(f"{dashboard}/faults/bands", content=told, headers=headers, trust_env=False).is_success
        assert httpx.put(f"{dashboard}/faults/bands", content=told, trust_env=False).status_code in (401, 403)
        felt = stack.run(
            shown(dashboard, lambda data: totals(data)["sydney-machines"][1] < totals(data)["sydney-machines"][0] - 5)
        )
        assert [each["name"] for each in felt["bands"]] == [name]
        assert lost(felt, "melbourne-machines") <= spared(felt, "melbourne-machines")
    finally:
        stack.run(stack.world.release(carrier, "f-load"))
