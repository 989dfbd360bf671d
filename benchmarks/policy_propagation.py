"""How long a change of a policy takes to reach every replica of the account, from the answer to the call that made it.

A replica authorizes by what it holds, so a node decides by the new policy from the moment it has that version.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from benchmarks.report import Benchmark, Figures, Row, Spread, text
from benchmarks.stands import DIRECTORY_NODE, aws_credentials, standing_aws_stack
from benchmarks.tokens import address_of
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.records.seed import ADMIN, CALLER
from brownout.identity.core.messages import FORM_TYPE, Request
from brownout.identity.core.nodes.publisher import REPLICATED
from brownout.identity.core.settings import Settings as StackSettings
from brownout.identity.core.topology import NodeName

FRONT, SCOPE_REGION = "sydney.management", "us-east-1"
VERSION = "2010-05-08"
WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Settings:
    """`look_s` is the time between two looks at a replica: no figure is better than that."""

    changes: int = 25
    look_s: float = 0.02


class PolicyPropagation(Figures):
    """Times from the call's answer. A replica that had the change before the answer came counts as 0."""

    publish_interval_s: float
    look_ms: float
    replicas: int
    write_ms: Spread
    first_replica_ms: Spread
    every_replica_ms: Spread


@dataclass(frozen=True, slots=True)
class Change:
    """One change: how long the call took, and when each replica had it after the answer."""

    write_s: float
    reached_s: Mapping[str, float]


def measure(settings: Settings) -> PolicyPropagation:
    return asyncio.run(_measure(settings))


async def _measure(settings: Settings) -> PolicyPropagation:
    async with standing_aws_stack() as world:
        key = await aws_credentials(world, ADMIN)
        interval_s = StackSettings.of(world.spec.settings).iam_publish_interval_s
        changes = []
        async with httpx.AsyncClient(trust_env=False) as looking:
            watch = Watch(world, looking, settings.look_s)
            for number in range(settings.changes):
                await asyncio.sleep(interval_s * number / settings.changes)  # at every moment between two publications
                changes.append(await _change(watch, key, number))
    return PolicyPropagation(
        publish_interval_s=interval_s,
        look_ms=1000 * settings.look_s,
        replicas=len(changes[0].reached_s),
        write_ms=Spread.of(1000 * change.write_s for change in changes),
        first_replica_ms=Spread.of(1000 * min(change.reached_s.values()) for change in changes),
        every_replica_ms=Spread.of(1000 * max(change.reached_s.values()) for change in changes),
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """Looks at nodes over connections that are kept."""

    world: ProcessesWorld
    client: httpx.AsyncClient
    look_s: float

    async def version(self, node: str, name: str) -> int:
        """A version that AWS's part of a node tells; raises httpx.HTTPStatusError."""
        spec = self.world.spec
        url = f"{self.world.endpoints().control[node]}{spec.control_path}/admin/state"
        answer = await self.client.get(url, headers={"authorization": f"Bearer {spec.control_token}"})
        return int(answer.raise_for_status().json()["aws"][name])

    async def reached_s(self, node: str, version: int) -> float:
        """When a replica was seen to have that version or a later one."""
        while await self.version(node, "account_version") < version:  # noqa: ASYNC110  # another process tells no event
            await asyncio.sleep(self.look_s)
        return time.perf_counter()


async def _change(watch: Watch, key: Credentials, number: int) -> Change:
    """Puts another policy and watches all replicas until they have it; raises TimeoutError."""
    world, started_s = watch.world, time.perf_counter()
    await asyncio.to_thread(_put_policy, world.endpoints().clients[FRONT], key, number)
    answered_s = time.perf_counter()
    version = await watch.version(DIRECTORY_NODE, "version")
    replicas = [name for name in world.spec.nodes() if NodeName.parse(name).role in REPLICATED]
    async with asyncio.timeout(WITHIN_S):
        ends_s = await asyncio.gather(*(watch.reached_s(name, version) for name in replicas))
    reached_s = {name: max(0.0, end_s - answered_s) for name, end_s in zip(replicas, ends_s, strict=True)}
    return Change(answered_s - started_s, reached_s)


def _put_policy(url: str, key: Credentials, number: int) -> None:
    """PutUserPolicy of another document than before, at a front end; raises httpx.HTTPStatusError."""
    statement = {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": f"arn:aws:secretsmanager:*:*:secret:s{number}-*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    form = {"Action": "PutUserPolicy", "Version": VERSION, "UserName": CALLER, "PolicyName": "p", "PolicyDocument": document}
    payload = urlencode(form).encode()
    plain = Request.raw("POST", "/", ((b"content-type", FORM_TYPE.encode()),), payload)
    host, port = address_of(url)
    signed = sign(plain, key, service="iam", region=SCOPE_REGION, now_s=time.time(), host=f"{host}:{port}")
    httpx.post(url, content=payload, headers=list(signed.raw_headers), trust_env=False, timeout=10).raise_for_status()


def rows(figures: PolicyPropagation) -> tuple[Row, ...]:
    return (
        Row("PutUserPolicy, answered", text(figures.write_ms, "ms")),
        Row("- in the first replica after the answer", text(figures.first_replica_ms, "ms")),
        Row(f"- in every one of {figures.replicas} replicas", text(figures.every_replica_ms, "ms")),
    )


BENCHMARK = Benchmark(
    name="policy_propagation",
    title="A change of a policy reaches every replica",
    about="Changes at every moment between two publications, in a stack of processes; replicas are asked for their version.",
    figures=PolicyPropagation,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(changes=2, look_s=0.05),
)
