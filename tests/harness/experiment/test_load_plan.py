"""An experiment's load on a stack: machines of cohorts, and the caches that established machines start with."""

from __future__ import annotations

import math
from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.load_plan import load_plan, primed_tokens
from brownout.harness.experiment.model import Experiment
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import StackSpec
from support.small_day import small_day


def stack(made: Experiment, posture: str, *, seed: int) -> StackSpec:
    return build_stack(seed=seed, settings=made.postures[posture].settings, machines=made.machines)


def planned(cohort: dict[str, Any]) -> tuple[str, ...]:
    made = small_day(cohort)
    return load_plan(made, stack(made, "repaired", seed=1)).cohorts[0].machines


@pytest.mark.parametrize(
    ("cohort", "count"),
    [
        ({"machines": ["web"]}, 40),
        ({"machines": ["web-7"]}, 1),
        ({"machines": ["web-7", "batch"]}, 2),
        ({"machines": ["fleet"], "fresh": True}, 1),
        ({}, 40),
        ({"fresh": True}, 1),
        ({"model": "management", "mix": {"list": 1}}, 0),
        ({"model": "management", "mix": {"assign": 1}}, 40),
        ({"model": "provision"}, 0),
    ],
)
def test_a_cohorts_machines(cohort: dict[str, Any], count: int) -> None:
    """A counted name means all of them; no name means every machine of the region that gets a token without a selector."""
    assert len(planned(cohort)) == count


@pytest.mark.parametrize(
    ("cohort", "words", "hint"),
    [
        ({"machines": ["wbe"]}, "no machine 'wbe'", "web"),
        ({"machines": ["web"], "fresh": True}, "fresh machines come from a scale set", ""),
        ({"machines": ["fleet"]}, "is a scale set", "fresh: true"),
        ({"machines": ["south"]}, "'south' is in melbourne", "own region"),
        ({"machines": ["web"], "region": "perth"}, "no region 'perth'", "sydney"),
        ({"region": "melbourne", "fresh": True}, "no scale sets for it", "machines: "),
    ],
)
def test_a_cohort_that_cannot_be_is_refused(cohort: dict[str, Any], words: str, hint: str) -> None:
    """A cohort whose requests could never succeed is an error of the file, not a failing service."""
    with pytest.raises(UsageError) as refused:
        planned(cohort)
    assert words in refused.value.message
    assert hint in refused.value.hint


NODES = {
    "web": {"region": "sydney", "count": 40},
    "batch": {"region": "sydney", "identities": ["a", "b"]},
    "bare": {"region": "sydney", "identities": []},
    "pods": {"region": "sydney", "scale_set": True, "instances": 3, "identities": ["pods-id"], "pods": True},
}


def planned_on_nodes(cohort: dict[str, Any], **settings: Any) -> LoadPlan:
    made = small_day(cohort, machines=NODES)
    return load_plan(made, build_stack(seed=1, settings=settings, machines=made.machines))


@pytest.mark.parametrize(
    ("cohort", "settings", "words", "hint"),
    [
        ({"model": "workload-identity", "machines": ["web"]}, {}, "'web-1' runs no pods", "pods: true"),
        (
            {"endpoint": "app-service", "machines": ["batch"]},
            {},
            "no identity of its own, which is what app-service",
            "`identity`",
        ),
        ({"endpoint": "arc", "machines": ["batch"]}, {}, "no identity of its own, which is what arc means", "`identity`"),
        ({"endpoint": "service-fabric", "machines": ["bare"]}, {}, "no identity that service-fabric could", "`identities`"),
        (
            {"endpoint": "vm-extension", "machines": ["web"]},
            {"builds": {"sydney": "2.0"}},
            "begins with build 2.0, whose machines have no VM extension",
            "`builds`",
        ),
    ],
)
def test_an_endpoint_that_the_machine_does_not_have_is_refused(
    cohort: dict[str, Any], settings: dict[str, Any], words: str, hint: str
) -> None:
    """Its clients could never get a token; the message says what the machine lacks."""
    with pytest.raises(UsageError) as refused:
        planned_on_nodes(cohort, **settings)
    assert words in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("cohort", "count"),
    [
        ({"endpoint": "app-service", "machines": ["batch"], "identity": "a"}, 1),
        ({"endpoint": "service-fabric", "machines": ["batch"]}, 1),
        ({"endpoint": "vm-extension", "machines": ["web"]}, 40),
        ({"endpoint": "arc"}, 40),
        ({"model": "workload-identity", "machines": ["pods"]}, 3),
        ({"model": "workload-identity", "fresh": True}, 1),
    ],
)
def test_machines_that_have_the_endpoint_are_taken(cohort: dict[str, Any], count: int) -> None:
    """Named ones, and of those that are not named only what has it."""
    assert len(planned_on_nodes(cohort).cohorts[0].machines) == count


@pytest.mark.parametrize("endpoint", ["app-service", "service-fabric", "arc", "cloud-shell", "vm-extension"])
def test_established_machines_have_their_tokens_where_their_clients_ask(endpoint: str) -> None:
    """Each of the other endpoints has a cache of its own; IMDS has the host's, whatever a cohort calls it."""
    spec = build_stack(seed=1, machines=NODES)
    for kind, service in ((endpoint, {"service": endpoint}), ("imds", {}), (None, {})):
        plan = planned_on_nodes({"endpoint": kind, "machines": ["web"]})
        tokens = primed_tokens(plan, spec)["sydney"]
        assert [{name: token[name] for name in token if name == "service"} for token in tokens] == [service] * 40
        longest_s = 28_800 if service == {"service": "app-service"} else 43_200
        assert max(token["age_s"] for token in tokens) < longest_s, "older ones would have been renewed"
    assert primed_tokens(planned_on_nodes({"model": "workload-identity", "machines": ["pods"]}), spec) == {}


@pytest.mark.parametrize(("posture", "oldest_s"), [("repaired", 0.5 * 86399), ("fragile", 86399 - 300)])
def test_established_machines_have_tokens_of_every_age(posture: str, oldest_s: float) -> None:
    """Ages are even from new to the refresh point (or the margin before the end), one token for each machine."""
    made = small_day()
    spec = stack(made, posture, seed=3)
    tokens = primed_tokens(load_plan(made, spec), spec)
    ages = [token["age_s"] for token in tokens["sydney"]]
    assert set(tokens) == {"sydney"}
    assert sorted(token["machine"] for token in tokens["sydney"]) == sorted(f"web-{number}" for number in range(1, 41))
    assert 0 <= min(ages) <= max(ages) <= oldest_s
    assert abs(math.fsum(ages) / len(ages) - oldest_s / 2) < 4 * oldest_s / math.sqrt(12 * len(ages))


def test_fresh_and_management_cohorts_are_not_primed() -> None:
    """Only machines that hold tokens get any."""
    for cohort in ({"machines": ["fleet"], "fresh": True}, {"model": "management", "mix": {"list": 1}}):
        made = small_day(cohort)
        spec = stack(made, "repaired", seed=3)
        assert primed_tokens(load_plan(made, spec), spec) == {}
