"""What was acknowledged survives the death of a region, and what a wipe may lose is what docs/design.md says."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from brownout.faults.node_wipe import NodeWipe
from brownout.faults.region_kill import RegionKill
from brownout.harness.effects import NodeEffect
from brownout.harness.fault import Fault
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from support.client_requests import user_token
from support.containers import ContainerStack

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PLACES: Mapping[str, str] = {"sydney": "australiaeast", "melbourne": "australiasoutheast"}
ROUND_S = 2.5  # a little more than the stack's publishing interval
names = itertools.count(1)


@dataclass
class Writer:
    """Creates identities, at home in either region, through one region's management node; keeps what was acknowledged."""

    stack: ContainerStack
    token: str
    region: str
    acknowledged: list[str] = field(default_factory=list)

    async def write(self, count: int) -> None:
        for _ in range(count):
            name = f"written-{next(names)}"
            location = PLACES[("sydney", "melbourne")[len(self.acknowledged) % 2]]
            path = self.stack.identity_path(name)
            if (await self.stack.arm(self.token, "PUT", path, {"location": location}, region=self.region)).status == 201:
                self.acknowledged.append(name)


async def missing(stack: ContainerStack, token: str, written: list[str]) -> list[str]:
    """What one of the two regions does not know."""
    lost = []
    for region, name in itertools.product(PLACES, written):
        answer = await stack.arm(token, "GET", stack.identity_path(name), region=region)
        if answer.status != 200:
            lost.append(f"{name} in {region}: {answer.status}")
    return lost


async def machine(stack: ContainerStack, token: str, region: str) -> str:
    """A new machine with an identity of its own, which its host knows: a host that is slow hears of it with the next change."""
    name = f"made-{next(names)}"
    body = {"location": PLACES[region], "identity": {"type": "SystemAssigned"}}
    for _ in range(5):
        assert (await stack.arm(token, "PUT", stack.machine_path(name), body, region=region)).status in (200, 201)
        if await stack.imds(name, region=region) == 200:
            return name
    raise AssertionError(f"the host never heard of {name}")


async def forget_tokens(stack: ContainerStack) -> None:
    """Restarts what caches tokens, so that stores are asked."""
    nodes = [node for node in stack.world.spec.nodes() if ".token." in node or node.endswith(".host")]
    for act in ("hold", "release"):
        carriers = [Carrier("node", node) for node in nodes]
        if act == "hold":
            await stack.world.together(stack.world.hold(carrier, "cold", NodeEffect("down")) for carrier in carriers)
        else:
            await stack.world.together(stack.world.release(carrier, "cold") for carrier in carriers)
    await stack.ready(*nodes)


async def through(stack: ContainerStack, fault: Fault) -> None:
    """Carries the fault out and takes it back."""
    await fault.apply(stack.world, "f-1")
    await fault.revert(stack.world, "f-1")
    await stack.ready()


async def identities(stack: ContainerStack, node: str) -> Any:
    return (await stack.world.read(Carrier("control", node)))["identities"]


def test_killing_a_region_under_writes_loses_nothing_acknowledged(whole: ContainerStack) -> None:
    """Identities are being created in both regions when the home region dies; all that were acknowledged are there after."""

    async def story() -> tuple[int, list[str], list[int]]:
        token = await user_token(whole.world)
        made = [await machine(whole, token, region) for region in PLACES]
        writers = [Writer(whole, token, region) for region in PLACES]
        writing = [asyncio.create_task(writer.write(25)) for writer in writers]
        while min(len(writer.acknowledged) for writer in writers) < 3:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)
        await RegionKill(region="sydney").apply(whole.world, "f-1")
        await asyncio.gather(*writing)
        await RegionKill(region="sydney").revert(whole.world, "f-1")
        await whole.ready()
        await asyncio.sleep(ROUND_S)  # what the directory had not published yet when it died
        await forget_tokens(whole)
        written = [name for writer in writers for name in writer.acknowledged]
        tokens = [await whole.imds(name, region=region) for name, region in zip(made, PLACES, strict=True)]
        return len(written), await missing(whole, token, written), tokens

    count, lost, tokens = whole.run(story())
    assert count >= 6
    assert lost == []
    assert tokens == [200, 200]


def test_a_wiped_store_gets_its_identities_back(whole: ContainerStack) -> None:
    """A machine's identity that the store had lost is there again when a token is asked for; ARM never missed it."""

    async def story() -> tuple[int, int, int, list[str]]:
        token = await user_token(whole.world)
        writer = Writer(whole, token, "sydney")
        await writer.write(2)
        made = await machine(whole, token, "sydney")
        await asyncio.sleep(ROUND_S)
        before = await identities(whole, "sydney.store")
        await through(whole, NodeWipe(node="sydney.store"))
        wiped = await identities(whole, "sydney.store")
        await forget_tokens(whole)
        return before, wiped, await whole.imds(made), await missing(whole, token, writer.acknowledged)

    before, wiped, status, lost = whole.run(story())
    assert wiped < before
    assert (status, lost) == (200, [])


@pytest.mark.parametrize("role", ["token", "management", "vault"])
def test_a_wiped_reader_loses_nothing(whole: ContainerStack, role: str) -> None:
    """It has its replica again after a round of publishing, as new as everybody's, and serves."""

    async def story() -> tuple[list[str], int, set[int]]:
        token = await user_token(whole.world)
        writer = Writer(whole, token, "sydney")
        await writer.write(2)
        await asyncio.sleep(ROUND_S)
        await through(whole, NodeWipe(node=f"melbourne.{role}"))
        nodes = [node for node in whole.world.spec.nodes() if node.startswith(f"melbourne.{role}")]
        versions = {(await whole.world.read(Carrier("control", node)))["replica_version"] for node in (*nodes, "sydney.vault")}
        lost = await missing(whole, token, writer.acknowledged)
        return lost, await whole.imds("web-south-1", region="melbourne"), versions

    lost, status, versions = whole.run(story())
    assert (lost, status) == ([], 200)
    assert len(versions) == 1


def test_a_wiped_home_region_comes_back_from_the_other(whole: ContainerStack) -> None:
    """All that had been published is there, also who may sign; versions go on; only machines made in Sydney are unknown."""

    async def story() -> list[Any]:
        token = await user_token(whole.world)
        writers = [Writer(whole, token, region) for region in PLACES]
        for writer in writers:
            await writer.write(4)
        there, here = await machine(whole, token, "melbourne"), await machine(whole, token, "sydney")
        await asyncio.sleep(ROUND_S)
        before = await whole.world.read(Carrier("control", "sydney.directory"))
        await through(whole, NodeWipe(node="sydney"))
        await asyncio.sleep(ROUND_S)
        await forget_tokens(whole)
        after = await whole.world.read(Carrier("control", "sydney.directory"))
        written = [name for writer in writers for name in writer.acknowledged]
        again = Writer(whole, token, "sydney")
        await again.write(2)
        return [
            len(written),
            await missing(whole, token, written),
            [await whole.imds(there, region="melbourne"), await whole.imds("web-1")],
            (await whole.arm(token, "GET", whole.machine_path(here), region="sydney")).status,
            after["version"] > before["version"],
            after["signing_key_id"] == before["signing_key_id"],
            len(again.acknowledged),
        ]

    assert whole.run(story()) == [8, [], [200, 200], 404, True, True, 2]


def test_a_region_that_is_not_home_is_wiped_and_comes_back(whole: ContainerStack) -> None:
    """Its stores are filled again from the directory as its identities are asked for."""

    async def story() -> tuple[list[str], int]:
        token = await user_token(whole.world)
        writer = Writer(whole, token, "melbourne")
        await writer.write(4)
        await asyncio.sleep(ROUND_S)
        await through(whole, NodeWipe(node="melbourne"))
        lost = await missing(whole, token, writer.acknowledged)
        body = {"tags": {"after": "wipe"}}
        path = whole.identity_path(writer.acknowledged[0])
        return lost, (await whole.arm(token, "PATCH", path, body, region="melbourne")).status

    lost, status = whole.run(story())
    assert lost == []
    assert status in (200, 201)


def test_a_token_that_was_given_before_the_wipe_is_still_believed(whole: ContainerStack) -> None:
    """Wiping the directory takes no signing key away: a token of before opens the vaults of both regions."""

    async def story() -> list[int]:
        query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
        asked = Request("GET", "/web-2/metadata/identity/oauth2/token", query, {"metadata": "true"})
        given = (await whole.world.client("sydney.host", asked, timeout_s=10)).body or {}
        await through(whole, NodeWipe(node="sydney.directory"))
        await asyncio.sleep(ROUND_S)
        secret = Request("GET", "/secrets/sample", {"api-version": "7.6"}, {"authorization": f"Bearer {given['access_token']}"})
        return [(await whole.world.client(f"{region}.vault", secret, timeout_s=10)).status for region in PLACES]

    assert whole.run(story()) == [200, 200]
