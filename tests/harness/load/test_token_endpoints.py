"""Every kind of token endpoint has clients of a load, in the simulation and on real processes: old machines and new ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from brownout.harness.experiment.model import Experiment
from brownout.harness.pytest_plugin.runs import Brownout
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.hosts.endpoint import KINDS
from brownout.identity.azure.machine_secrets import endpoint_key, secret_of_machine
from brownout.identity.core.trail import parse

PODS = "workload-identity"
NAMED = ("app-service", "arc", "vm-extension")  # kinds with a cache of their own at which a client can name an identity
EACH = 12
LENGTH_S = 240


def cohort(kind: str, name: str, machines: str, *, fresh: bool = False) -> dict[str, Any]:
    model = {"model": PODS} if kind == PODS else {"model": "token", "endpoint": kind}
    rate = EACH / LENGTH_S
    return {"name": f"{name}-{kind}", "region": "sydney", "rate_per_s": rate, "machines": [machines], "fresh": fresh, **model}


def naming(kind: str) -> dict[str, Any]:
    """Old clients on a machine of two identities that name the second."""
    return {**cohort(kind, "old", "pair"), "name": f"old-named-{kind}", "identity": "second-id"}


def small_load() -> Experiment:
    """Four minutes in which a dozen old and a dozen new clients of each kind ask for a token, and nothing of theirs breaks."""
    nodes = {"region": "sydney", "scale_set": True, "identities": ["pods-id"], "pods": True}
    old = [cohort(kind, "old", "nodes" if kind == PODS else "web") for kind in (*KINDS, PODS)]
    old += [naming(kind) for kind in NAMED]
    new = [cohort(kind, "new", "nodes" if kind == PODS else "fleet", fresh=True) for kind in (*KINDS, PODS)]
    return Experiment.model_validate(
        {
            "schema": "brownout/experiment/v1",
            "name": "token-endpoints",
            "title": "All token endpoints of Azure's machines",
            "timeline": {
                "date": "2024-07-12",
                "warm_up": "09:00",
                "baseline": "09:00:10",
                "fault": "09:02:10",
                "recovery": "09:03:10",
                "end": "09:04:10",
                "edge": "10s",
                "rates": {"processes": 40},
            },
            "posture": "plain",
            "postures": {"plain": {"description": "as it comes", "expect": "pass"}},
            "machines": {
                "web": {"region": "sydney", "count": 4},
                "pair": {"region": "sydney", "identities": ["first-id", "second-id"]},
                "fleet": {"region": "sydney", "scale_set": True},
                "nodes": {**nodes, "instances": 4},
            },
            "schedule": [
                {
                    "name": "elsewhere",
                    "at": "09:02:10",
                    "until": "09:03:10",
                    "role": "fault",
                    "fault": "node-kill",
                    "with": {"node": "melbourne.vault"},
                    "exposure": "none-expected",
                    "exposure_reason": "these clients want tokens, and Melbourne's vault gives none",
                }
            ],
            "load": {"deadline": "1s", "cohorts": [*old, *new]},
            "slos": [
                {
                    "name": "all",
                    "indicator": {"ratioMetric": {"total": {}}},
                    "objectives": [{"target": 0.9}],
                }
            ],
        }
    )


@pytest.mark.parametrize(
    "world",
    [
        "simulation",
        pytest.param("processes", marks=[pytest.mark.slow, pytest.mark.brownout_processes]),
    ],
)
def test_clients_of_every_endpoint_get_tokens(brownout: Brownout, world: str) -> None:
    """Old machines get theirs from the cache of their endpoint, new ones from the token service, pods from Entra."""
    run = brownout.run(small_load(), world=world, seed=1).expect("pass")
    found = Counter((record.cohort, record.outcome, record.error) for record in run.history.requests)
    cohorts = [f"{age}-{kind}" for age in ("old", "new") for kind in (*KINDS, PODS)] + [f"old-named-{kind}" for kind in NAMED]
    assert found == {(name, "happened", ""): EACH for name in cohorts}
    for record in run.history.requests:
        served = parse(record.trail)
        by_cache, by_service = served[0].cache == "hit", any(".token." in hop.node for hop in served)
        assert by_cache == (record.cohort.startswith("old-") and not record.cohort.endswith(PODS)), record
        assert by_service != by_cache, record


def test_no_key_of_an_endpoint_is_in_a_record(brownout: Brownout) -> None:
    """What clients show their endpoints is in no file of the run, and neither is what it is derived from."""
    run = brownout.run(small_load(), world="simulation", seed=2).expect("pass")
    control_token = build_stack(seed=2).control_token
    keys = [endpoint_key(control_token, kind) for kind in (*KINDS, PODS)]
    secrets = [secret_of_machine(key, "web-1") for key in keys]
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert any(b"web-1" in path.read_bytes() for path in files), "the machine itself is in the record"
    assert not [path for path in files for hidden in (*keys, *secrets) if hidden.encode() in path.read_bytes()]
