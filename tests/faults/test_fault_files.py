"""Faults as data and as files: parameters, targets that do not exist, and the promises that every fault file keeps."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from brownout.harness.errors import AbilityMissing, UsageError
from brownout.harness.fault import Fault
from brownout.harness.worlds.catalog import WORLDS, check_able
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from support.fault_cases import CASES, IN_CONTAINERS, SITUATIONAL, VENDORS
from support.places import ROOT

FOLDER = ROOT / "faults"
FILES = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
EVERYWHERE = (*CASES, *SITUATIONAL)
EVERY = (*EVERYWHERE, *IN_CONTAINERS)
WORLD = SimulationWorld(replace(build_stack(seed=1, vendors=VENDORS), edge=True), epoch_s=0.0)


def class_of(path: Path) -> type[Fault]:
    """The one fault class that a file defines."""
    module = importlib.import_module(f"brownout.faults.{path.stem}")
    (found,) = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    assert issubclass(found, Fault)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_fault_file_is_small_and_named_after_its_fault(path: Path) -> None:
    """One class of at most 100 lines per file, whose kind is the file's name, with a case in these tests."""
    kind = class_of(path)
    assert kind.kind == path.stem.replace("_", "-")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 100
    assert kind in {case for case, _ in EVERY}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_faults_import_only_their_contract(path: Path) -> None:
    """Of this project a fault file imports the harness's fault, world, effects and errors, and faults' own helpers."""
    allowed = {f"brownout.harness.{name}" for name in ("effects", "errors", "fault", "world")}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in modules if name.split(".")[0] == "brownout"}
    assert all(name in allowed or name.startswith("brownout.faults._") for name in ours)


@pytest.mark.parametrize(("kind", "params"), EVERY)
def test_parameters_survive_the_ledger(kind: type[Fault], params: Mapping[str, Any]) -> None:
    """A fault dumped as JSON makes an equal fault."""
    fault = kind.model_validate(dict(params))
    assert kind.model_validate(fault.model_dump(mode="json")) == fault


@pytest.mark.parametrize(("kind", "params"), EVERY)
def test_a_fault_says_what_it_is_and_does(kind: type[Fault], params: Mapping[str, Any]) -> None:
    """Each has a line for people, holds at least one carrier, and can be done in the containers."""
    fault = kind.model_validate(dict(params))
    assert fault.describe()
    assert "\n" not in fault.describe()
    assert fault.carriers(WORLD.spec)
    assert kind.needs <= WORLDS["compose"].abilities


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in EVERYWHERE}, key=lambda kind: kind.kind))
def test_what_every_world_can_do_is_needed(kind: type[Fault]) -> None:
    """These faults can be done in each world."""
    assert all(kind.needs <= world.abilities for world in WORLDS.values())


@pytest.mark.parametrize("world", ["simulation", "processes"])
@pytest.mark.parametrize("kind", sorted({kind for kind, _ in IN_CONTAINERS}, key=lambda kind: kind.kind))
def test_what_a_world_cannot_do_is_refused_with_those_that_can(kind: type[Fault], world: str) -> None:
    """What needs containers is refused elsewhere, and the refusal names the world that can."""
    with pytest.raises(AbilityMissing) as refused:
        check_able(kind.kind, kind.needs, world)
    assert "compose" in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(
    ("kind", "params", "suggestion"),
    [
        ("link_refuse", {"link": "melborne->sydney"}, "melbourne"),
        ("link_refuse", {"link": "melbourne.token->sydney.stor"}, "melbourne.token->sydney.store"),
        ("node_kill", {"node": "sydney.stor"}, "sydney.store"),
        ("node_kill", {"node": "sydney.token.z9"}, "sydney.token.z"),
        ("node_pause", {"node": "syd"}, "sydney"),
        ("link_blackhole", {"link": "client->sydney.hots"}, "client->sydney.host"),
        ("link_reset", {"link": "melborne->sydney"}, "melbourne"),
        ("node_wipe", {"node": "sydney.stor"}, "sydney.store"),
        ("node_old_image", {"node": "sydney.tokens", "build": "0.9"}, "sydney.token"),
        ("zone_kill", {"region": "sydney", "zone": "z7"}, "z1"),
        ("region_kill", {"region": "sidney"}, "sydney"),
        ("key_rollover", {"region": "sidney"}, "sydney"),
        ("key_switch", {"region": "sidney"}, "sydney"),
        ("key_invalidate", {"region": "melburne"}, "melbourne"),
        ("key_accept", {"region": "melburne", "key_id": "manual"}, "melbourne"),
        ("key_push", {"region": "sidney"}, "sydney"),
        ("build_pin", {"region": "sidney", "build": "1.0"}, "sydney"),
        ("build_rollout", {"build": "2.0", "regions": ["sidney"]}, "sydney"),
        ("configure", {"regions": ["sidney"], "set": {"force_managed_key": True}}, "sydney"),
        ("replication_pause", {"regions": ["sidney"]}, "sydney"),
        ("failover_zone", {"region": "sydney", "zone": "z1", "to": "z9"}, "z1"),
        ("failover_zone", {"region": "sydney", "zone": "z1", "to": "z1"}, "another zone"),
        ("failover_region", {"region": "sydney", "to": "melborne"}, "melbourne"),
        ("failover_region", {"region": "sydney", "to": "sydney"}, "another region"),
        ("imds_answer", {"region": "sydney", "status": 500, "machine": "webb-1"}, "web-1"),
        ("imds_answer", {"region": "sydney", "status": 500, "machine": "web-south-1"}, "web-1"),
        ("metadata_answer", {"region": "sydney", "status": 500, "machine": "webb-1"}, "web-1"),
        ("metadata_answer", {"region": "sidney", "status": 500}, "sydney"),
    ],
)
def test_an_unknown_target_is_refused_with_a_suggestion(kind: str, params: Mapping[str, Any], suggestion: str) -> None:
    """A name that the stack does not have is a usage error before anything is touched, with the nearest that it has."""
    fault = class_of(FOLDER / f"{kind}.py").model_validate(dict(params))
    with pytest.raises(UsageError) as caught:
        fault.carriers(WORLD.spec)
    assert suggestion in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("link_refuse", {"link": "sydney"}),
        ("link_refuse", {"link": "melbourne->sydney", "direction": "upstream"}),
        ("link_stall", {"link": "melbourne->sydney", "direction": "sideways"}),
        ("link_reset", {"link": "melbourne->sydney", "direction": "sideways"}),
        ("link_blackhole", {"link": "melbourne->sydney", "direction": "sideways"}),
        ("node_old_image", {"node": "sydney.token"}),
        ("node_old_image", {"node": "sydney.token", "build": "2.0"}),
        ("link_slow", {"link": "melbourne->sydney"}),
        ("link_slow", {"link": "melbourne->sydney", "latency": 300}),
        ("link_slow", {"link": "melbourne->sydney", "latency": "1ms"}),
        ("link_slow", {"link": "melbourne->sydney", "latency": "100ms", "jitter": "60ms"}),
        ("key_rollover", {"region": "sydney", "overlap": "soon"}),
        ("build_rollout", {"build": 2.0}),
        ("configure", {"set": {}}),
        ("replication_pause", {"regions": []}),
        ("imds_answer", {"region": "sydney", "status": 42}),
        ("imds_answer", {"region": "sydney", "status": 429, "times": 0}),
        ("metadata_answer", {"region": "sydney", "status": 429, "request": "tokens"}),
    ],
)
def test_wrong_parameters_are_refused(kind: str, params: Mapping[str, Any]) -> None:
    """Parameters that make no sense never become a fault."""
    with pytest.raises(ValidationError):
        class_of(FOLDER / f"{kind}.py").model_validate(dict(params))


@pytest.mark.parametrize(
    ("kind", "params", "nodes"),
    [
        ("zone_kill", {"region": "sydney", "zone": "z1"}, {"sydney.token.z1"}),
        ("node_kill", {"node": "melbourne.token"}, {f"melbourne.token.z{n}" for n in (1, 2, 3)}),
        ("node_wipe", {"node": "melbourne"}, {n for n in WORLD.spec.nodes() if n.startswith("melbourne.")}),
        ("node_stop", {"node": "sydney.token.z2"}, {"sydney.token.z2"}),
        ("region_kill", {"region": "sydney"}, {n for n in WORLD.spec.nodes() if n.startswith("sydney.")}),
    ],
)
def test_which_nodes_are_meant(kind: str, params: Mapping[str, Any], nodes: set[str]) -> None:
    """A zone, a name's start and a region mean exactly their nodes; the home region has the directory and the deployer."""
    fault = class_of(FOLDER / f"{kind}.py").model_validate(dict(params))
    assert {carrier.name for carrier in fault.carriers(WORLD.spec)} == nodes
