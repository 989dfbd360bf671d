"""Canaries with the real client libraries against stub services, and boto3's against a stack of processes."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.load.canary.canaries import AwsWays, Canaries, CanaryMachines
from brownout.harness.load.canary.clients import (
    ASSUME_ROLE,
    CLIENTS,
    INSTANCE_CREDENTIALS,
    SECRET_VALUE,
    Boto3,
    CanaryConfig,
    Turn,
    machines,
)
from brownout.harness.load.log_tail import LinesTail
from brownout.harness.worlds.control_plane import access_key
from brownout.identity.aws.auth.caller import Credentials
from support.live_aws import LiveAws, live_aws

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


def config_of(client: Any, folder: Path, **changes: Any) -> CanaryConfig:
    clock = {"epoch_s": EPOCH_S, "monotonic_s": time.monotonic(), "rate": 1.0}
    values = {"host_url": "http://127.0.0.1:1", "warm_machine": "vm1", "scale_set": "vmss", "clock": clock, "folder": folder}
    return CanaryConfig(client=client, **{**values, **changes})


@pytest.mark.parametrize("client", CLIENTS)
def test_machines_alternate_and_fresh_ones_never_come_back(client: str, tmp_path: Path) -> None:
    """Every other machine is a new one of the scale set, named by digits that the load's own arrivals never reach."""
    found = list(islice(machines(config_of(client, tmp_path)), 8))
    assert [fresh for _, fresh in found] == [False, True] * 4
    assert {name for name, fresh in found if not fresh} == {"vm1"}
    numbers = [int(name.removeprefix("vmss_")) for name, fresh in found if fresh]
    assert len(set(numbers)) == 4
    assert min(numbers) >= 900_000


def test_canaries_share_no_new_machine() -> None:
    """Each client has at least a load's length of numbers to itself."""
    firsts = sorted(kind.first_number for kind in CLIENTS.values())
    assert min(after - before for before, after in pairwise(firsts)) >= 30_000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [("vm1", False), ("vmss_980000", True), ("vm1", False)]),
        ({"scale_set": ""}, [("vm1", False)] * 3),
        ({"scale_set": "", "warm_machine": ""}, []),
    ],
    ids=["both", "established only", "no machine"],
)
def test_boto3_takes_its_operations_in_turn(
    changes: Mapping[str, str], expected: list[tuple[str, bool]], tmp_path: Path
) -> None:
    """A role, an instance's credentials on what machines there are, a secret; and again."""
    turns = list(islice(Boto3(config_of("boto3", tmp_path, **changes)).turns(), 9))
    on_machines = [turn for turn in turns if turn.operation == INSTANCE_CREDENTIALS]
    assert [(turn.machine, turn.fresh) for turn in on_machines] == expected
    others = [turn for turn in turns if turn.operation != INSTANCE_CREDENTIALS]
    assert others == [Turn(ASSUME_ROLE), Turn(SECRET_VALUE)] * (len(others) // 2) + [Turn(ASSUME_ROLE)] * (len(others) % 2)


def test_boto3_s_key_is_not_left_where_an_instance_would_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore asks its environment before the metadata service, so a key there would be every instance's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    Boto3(config_of("boto3", tmp_path))
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(os.environ)


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
            canaries[folder].start(CanaryMachines(stubs[mode].url, "vm1", "vmss"), None, clock, folder)
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
        denied = [attempt["error"] for attempt in attempts(denying, client) if not attempt["unfinished"]]
        assert set(denied) == {"CredentialUnavailableError"}


@pytest.mark.slow
def test_boto3_is_recorded_on_a_stack_of_another_day_and_pace(tmp_path: Path) -> None:
    """Through the edge by AWS's names: every operation succeeds, and fails by name where its machine has no role."""
    good, astray = tmp_path / "good", tmp_path / "astray"
    operations = {ASSUME_ROLE, INSTANCE_CREDENTIALS, SECRET_VALUE}

    def seen() -> bool:
        """Three turns of each canary have ended."""
        return all(len(attempts(folder, "boto3")) >= 3 for folder in (good, astray))

    with live_aws(tmp_path / "stack", edge=True, epoch_s=EPOCH_S, rate=20.0) as aws:
        runs = {folder: Canaries() for folder in (good, astray)}
        clock = {name: float(value) for name, value in aws.world.clock_record().items()}
        way = ways(aws, "web-1")
        runs[good].start(None, way, clock, good)
        runs[astray].start(None, replace(way, machines=replace(way.machines, warm="nowhere")), clock, astray)
        wait_for(seen, within_s=30.0)
        problems = [problem for one in runs.values() for problem in one.problems()]
        for one in runs.values():
            aws.runner.run(one.stop())
    assert problems == []
    found = [attempt for attempt in attempts(good, "boto3") if not attempt["unfinished"]]
    assert {attempt["operation"] for attempt in found} == operations
    assert [attempt for attempt in found if not attempt["ok"]] == []
    lost = {attempt["error"] for attempt in attempts(astray, "boto3") if attempt["operation"] == INSTANCE_CREDENTIALS}
    assert "NoCredentialsError" in lost
    secret = way.key.secret_access_key
    assert not [path for path in tmp_path.glob("*/canary-*") if secret in path.read_text()]


def ways(aws: LiveAws, machine: str) -> AwsWays:
    """Those of clients in the home region, as its user `caller`."""
    endpoints = aws.world.endpoints()
    assert endpoints.edge is not None
    return AwsWays(
        machines=CanaryMachines(endpoints.clients["sydney.host"], machine),
        environment={
            "AWS_REGION": "ap-southeast-2",
            "AWS_DEFAULT_REGION": "ap-southeast-2",
            "HTTPS_PROXY": endpoints.edge.proxies["sydney"],
            "AWS_CA_BUNDLE": str(endpoints.edge.ca_bundle),
        },
        role_arn=aws.role("app"),
        key=aws.runner.run(access_key(aws.world, "caller")),
    )


@pytest.mark.slow
def test_a_canary_that_cannot_run_says_so(tmp_path: Path) -> None:
    """A canary that ends by itself is a problem with the end of its output, not silence."""
    nowhere = CanaryMachines("http://127.0.0.1:1", "vm1", "vmss")
    aws = AwsWays(nowhere, {}, "arn:aws:iam::123456789012:role/app", Credentials("AKIAEXAMPLE", "secret"))

    async def run() -> tuple[str, ...]:
        canaries = Canaries()
        canaries.start(nowhere, aws, {"rate": 0.0}, tmp_path)
        await asyncio.to_thread(wait_for, lambda: len(canaries.problems()) == 3, within_s=15.0)
        await canaries.stop()
        return canaries.problems()

    problems = asyncio.run(run())
    assert len(problems) == 3
    assert all("the stack's clock" in problem for problem in problems)
