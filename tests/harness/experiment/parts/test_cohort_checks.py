"""Keys of a cohort that would decide nothing are mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.base.pydantic_errors import Problem
from brownout.harness.experiment.parts.cohort_checks import check_cohort
from brownout.harness.load.arrivals import Cohort, NameCaches
from brownout.identity.azure.hosts.endpoint import KINDS

CACHES = NameCaches(count=2, ttl="5m", negative_ttl="5m")


def problems(model: str, **changed: Any) -> tuple[Problem, ...]:
    """Those of a cohort of that model in Sydney."""
    return tuple(check_cohort(("x",), Cohort(name="c", model=model, region="sydney", rate_per_s=1, **changed), ("sydney",)))


@pytest.mark.parametrize("model", ["sign-in", "assume-role", "secret", "iam", "new-role"])
def test_clients_by_name_may_have_caches_of_names(model: str) -> None:
    """These find the service by name."""
    assert not list(problems(model, name_caches=CACHES))


@pytest.mark.parametrize("model", ["token", "resource", "management", "provision", "instance-credentials"])
def test_clients_of_an_address_cannot(model: str) -> None:
    """The problem stands at the key, and names the models that could."""
    (problem,) = problems(model, name_caches=CACHES)
    assert problem.path == ("x", "name_caches")
    assert "sign-in" in problem.hint


@pytest.mark.parametrize("endpoint", [*KINDS, None])
def test_clients_of_a_machine_choose_one_of_its_endpoints(endpoint: str | None) -> None:
    """All kinds that a machine serves are a choice, and so is none."""
    assert not problems("token", endpoint=endpoint)


@pytest.mark.parametrize(
    ("model", "endpoint", "said", "hint"),
    [
        ("token", "servicefabric", "no token endpoint 'servicefabric'", "did you mean 'service-fabric'?"),
        ("token", "workload-identity", "no token endpoint 'workload-identity'", "known: app-service"),
        ("workload-identity", "imds", "no workload-identity endpoint 'imds'", "known: workload-identity"),
        ("resource", "arc", "clients of the model resource have no choice of an endpoint", "models that have: token"),
        ("assume-role", "imds", "clients of the model assume-role have no choice of an endpoint", "models that have: token"),
    ],
)
def test_an_endpoint_that_clients_do_not_ask_is_refused(model: str, endpoint: str, said: str, hint: str) -> None:
    """The problem stands at the key, and says which there are."""
    (problem,) = problems(model, endpoint=endpoint)
    assert problem.path == ("x", "endpoint")
    assert said in problem.text
    assert problem.hint.startswith(hint)


@pytest.mark.parametrize("endpoint", KINDS)
def test_an_identity_is_named_where_the_endpoint_has_a_choice(endpoint: str) -> None:
    """Service Fabric and Cloud Shell have none; the others take a resource id."""
    found = problems("token", endpoint=endpoint, identity="an-id")
    assert [problem.path for problem in found] == ([("x", "identity")] if endpoint in ("service-fabric", "cloud-shell") else [])
    assert all(f"clients of {endpoint} name no identity" in problem.text for problem in found)


def test_a_pod_names_no_identity() -> None:
    """Its service account says which one it gets."""
    (problem,) = problems("workload-identity", identity="an-id")
    assert problem.path == ("x", "identity")
