"""Which requests each fault concerns, in terms of what their trails show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brownout.harness.experiment import plugins
from brownout.harness.record.reach import Reach
from brownout.harness.worlds.stack_spec import build_stack
from support.fault_cases import CASES, IDS, VENDORS

STACK = replace(build_stack(seed=1, vendors=VENDORS), edge=True)
SYDNEY_READERS = ("sydney.token.z1", "sydney.token.z2", "sydney.token.z3", "sydney.management")


def reach(kind, **params):
    return plugins.fault(kind, params).reach(STACK)


@pytest.mark.parametrize(("kind", "params"), CASES, ids=IDS)
def test_every_fault_names_what_the_stack_has(kind, params):
    """A name that no trail can show would never count as an exposure."""
    found = kind.model_validate(dict(params)).reach(STACK)
    assert set(found.links) <= {str(link) for link in STACK.links()}
    assert {*found.nodes, *found.replicas} <= set(STACK.nodes())


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (reach("link-refuse", link="client->sydney.host"), Reach(links=("client->sydney.host",))),
        (reach("link-stall", link="sydney.directory->melbourne.vault"), Reach(replicas=("melbourne.vault",))),
        (reach("node-kill", node="sydney.deployer"), Reach(nodes=("sydney.deployer",))),
        (reach("zone-kill", region="sydney", zone="z1"), Reach(nodes=("sydney.token.z1",))),
        (reach("key-rollover", region="sydney"), Reach(nodes=("sydney.store",))),
        (reach("key-switch", region="sydney"), Reach(nodes=("sydney.store",))),
        (reach("key-push", region="sydney"), Reach(nodes=("sydney.store",))),
        (reach("key-invalidate", region="sydney"), Reach(nodes=("sydney.store",))),
        (reach("key-invalidate", region="sydney", key_id="manual"), Reach(nodes=("sydney.store",), keys=("manual",))),
        (reach("key-accept", region="sydney", key_id="managed"), Reach(nodes=("sydney.store",), keys=("managed",))),
        (reach("build-pin", region="sydney", build="1.0"), Reach(nodes=SYDNEY_READERS)),
        (reach("build-rollout", build="2.0", regions=["sydney"]), Reach(nodes=SYDNEY_READERS)),
        (reach("configure", set={"force_managed_key": True}, regions=["sydney"]), Reach(nodes=SYDNEY_READERS)),
        (reach("replication-pause", regions=["sydney"]), Reach(replicas=(*SYDNEY_READERS, "sydney.vault"))),
        (
            reach("imds-answer", region="sydney", status=500, machine="web-1"),
            Reach(links=("client->sydney.host",), machines=("web-1",)),
        ),
        (
            reach("failover-zone", region="sydney", zone="z1", to="z2"),
            Reach(links=("sydney.host->sydney.token.z1",)),
        ),
        (reach("freeze"), Reach()),
    ],
)
def test_the_reach_of_a_fault(found, wanted):
    """Links and nodes that requests use; a switch of the directory or the deployer names the nodes that it changes."""
    assert found == wanted


def test_losing_the_directory_reaches_what_its_replicas_answer():
    """Nobody calls the directory for a token; its replicas are what it is for. The loss of a region is not about them."""
    assert "melbourne.token.z1" in reach("node-kill", node="sydney.directory").replicas
    lost = reach("region-kill", region="sydney")
    assert not any(node.startswith("melbourne") for node in (*lost.nodes, *lost.replicas))


def test_a_regional_failover_reaches_both_ways():
    """The way that machines leave, and the way that they take instead."""
    links = reach("failover-region", region="sydney", to="melbourne").links
    assert {"sydney.host->sydney.token.z1", "sydney.host->melbourne.token.z1"} <= set(links)
