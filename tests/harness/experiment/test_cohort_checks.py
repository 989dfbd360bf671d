"""Keys of a cohort that would decide nothing are mistakes."""

from __future__ import annotations

import pytest

from brownout.harness.experiment.cohort_checks import check_cohort
from brownout.harness.load.arrivals import Cohort, NameCaches

CACHES = NameCaches(count=2, ttl="5m", negative_ttl="5m")


@pytest.mark.parametrize("model", ["sign-in", "assume-role", "secret", "iam", "new-role"])
def test_clients_by_name_may_have_caches_of_names(model: str) -> None:
    """These find the service by name."""
    assert not list(check_cohort(("x",), Cohort(name="c", model=model, region="sydney", rate_per_s=1, name_caches=CACHES)))


@pytest.mark.parametrize("model", ["token", "resource", "management", "provision", "instance-credentials"])
def test_clients_of_an_address_cannot(model: str) -> None:
    """The problem stands at the key, and names the models that could."""
    cohort = Cohort(name="c", model=model, region="sydney", rate_per_s=1, name_caches=CACHES)
    (problem,) = check_cohort(("x",), cohort)
    assert problem.path == ("x", "name_caches")
    assert "sign-in" in problem.hint
