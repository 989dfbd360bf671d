"""Where canaries stand: a region and machines of the load, and the ways that the stack has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.load.canary.canaries import CanaryMachines
from brownout.harness.load.models.model import Account, SignIn
from brownout.harness.run.canary_places import aws_ways, azure_machines
from brownout.harness.world import EdgeDoors, Endpoints
from brownout.identity.aws.auth.caller import Credentials

REGIONS = ("sydney", "melbourne")
KEY = Credentials("AKIAEXAMPLE", "secret")
URLS = {f"{region}.{node}": f"http://{region}.{node}" for region in REGIONS for node in ("host", "token.z1", "vault")}
PROXIES = {"sydney": "http://proxy.s", "melbourne": "http://proxy.m"}
DOORS = EdgeDoors({"proxy": PROXIES}, Path("/stack/ca.pem"), Path("/stack/trust.pem"), "00")
TOKENS = {"model": "token", "region": "melbourne"}
ASSUMERS = {"model": "assume-role", "region": "sydney"}
SECRETS = {"model": "secret", "region": "melbourne", "machines": ("web-1",)}


def plan(*cohorts: dict[str, Any], signed_in: bool = True) -> LoadPlan:
    account = Account(sign_in=SignIn("", {"caller": KEY} if signed_in else {}), aws_account_id="123456789012")
    made = tuple(Cohort(name=f"c{number}", rate_per_s=1, **cohort) for number, cohort in enumerate(cohorts))
    return LoadPlan(seed=1, start_s=0, end_s=60, cohorts=made, account=account)


def test_azure_s_need_an_established_machine_and_new_ones() -> None:
    """Both in one region, or there are none."""
    warm, new = {**TOKENS, "machines": ("web-1",)}, {**TOKENS, "machines": ("vmss",), "fresh": True}
    endpoints = Endpoints(URLS, {}, "")
    assert azure_machines(plan(warm, new), REGIONS, endpoints) == CanaryMachines("http://melbourne.host", "web-1", "vmss")
    assert azure_machines(plan(warm, {**new, "region": "sydney"}), REGIONS, endpoints) is None
    assert azure_machines(plan(SECRETS), REGIONS, endpoints) is None


def test_canaries_of_azure_stand_where_imds_is_asked() -> None:
    """A machine whose clients ask another endpoint has no token in IMDS' cache, so it stands for nothing."""
    warm, new = {**TOKENS, "machines": ("web-1",)}, {**TOKENS, "machines": ("vmss",), "fresh": True}
    endpoints = Endpoints(URLS, {}, "")
    by_arc = {"endpoint": "arc", "machines": ("arc-1",)}
    found = azure_machines(plan({**warm, **by_arc}, {**warm, "endpoint": "imds"}, new), REGIONS, endpoints)
    assert found == CanaryMachines("http://melbourne.host", "web-1", "vmss")
    assert azure_machines(plan({**warm, **by_arc}, new), REGIONS, endpoints) is None


def test_aws_s_stand_where_the_load_has_machines() -> None:
    """A region with machines goes before one without; a scale set is used where there is one."""
    endpoints = Endpoints(URLS, {}, "", edge=DOORS)
    found = aws_ways(plan(ASSUMERS, SECRETS), REGIONS, endpoints)
    assert found is not None
    assert found.machines == CanaryMachines("http://melbourne.host", "web-1", "")
    assert found.role_arn == "arn:aws:iam::123456789012:role/app"
    assert found.environment["AWS_DEFAULT_REGION"] == "ap-southeast-4"
    alone = aws_ways(plan(ASSUMERS), REGIONS, endpoints)
    assert alone is not None
    assert alone.machines == CanaryMachines("http://sydney.host")


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (DOORS, {"HTTPS_PROXY": "http://proxy.m", "AWS_CA_BUNDLE": "/stack/ca.pem"}),
        (
            None,
            {
                "AWS_ENDPOINT_URL_STS": "http://melbourne.token.z1",
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://melbourne.vault",
            },
        ),
    ],
    ids=["by name", "by URL"],
)
def test_aws_s_go_by_name_where_the_stack_has_an_edge(edge: EdgeDoors | None, expected: dict[str, str]) -> None:
    """Otherwise they have the endpoints' URLs."""
    found = aws_ways(plan(SECRETS), REGIONS, Endpoints(URLS, {}, "", edge=edge))
    assert found is not None
    assert {name: value for name, value in found.environment.items() if "REGION" not in name} == expected


def test_aws_s_need_clients_of_aws_and_a_key() -> None:
    """A load of Azure's alone has none, nor has a stack that gave no key; keys are in no representation."""
    endpoints = Endpoints(URLS, {}, "", edge=DOORS)
    assert aws_ways(plan(TOKENS), REGIONS, endpoints) is None
    assert aws_ways(plan(SECRETS, signed_in=False), REGIONS, endpoints) is None
    assert "secret'" not in repr(aws_ways(plan(SECRETS), REGIONS, endpoints))
