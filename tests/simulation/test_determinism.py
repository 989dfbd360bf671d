"""One seed is one history, byte for byte, on every run and whatever PYTHONHASHSEED; another seed is another history."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulated_stacks import link, node, run_load, switch

from brownout.harness.load.plan import Cohort
from brownout.harness.worlds.simulation import SimulationWorld

COHORTS = (
    Cohort(name="warm", model="token", region="sydney", rate_per_s=0.5, machines=("web-1", "web-2", "web-3")),
    Cohort(name="cold", model="token", region="sydney", rate_per_s=0.2, machines=("scaleout",), fresh=True),
    Cohort(
        name="admins",
        model="management",
        region="sydney",
        rate_per_s=0.2,
        machines=("web-1",),
        mix={"create": 1, "delete": 1, "assign": 1, "update": 1, "list": 1},
        homes={"sydney": 1, "melbourne": 1},
        front_ends={"arm": 1, "portal": 1},
    ),
    Cohort(name="apps", model="resource", region="sydney", rate_per_s=0.2, machines=("web-1",)),
    Cohort(
        name="makers", model="provision", region="sydney", rate_per_s=0.1, mix={"provision-system": 1, "provision-plain": 1}
    ),
)


async def turmoil(world: SimulationWorld) -> None:
    """Faults of every kind, overlapping."""
    start_s = world.now()
    await world.sleep_until(start_s + 60)
    await world.hold(switch("sydney.directory"), "a", {"switch": "switch-keys", "value": {"region": "sydney"}})
    await world.hold(link("sydney.host->sydney.token.z2"), "b", {"effect": "slow", "latency_ms": 200, "jitter_ms": 100})
    await world.sleep_until(start_s + 120)
    await world.hold(node("sydney.token.z1"), "c", {"effect": "down"})
    await world.hold(node("sydney.management"), "d", {"effect": "paused"})
    await world.hold(link("sydney.token->sydney.store"), "e", {"effect": "stall"})
    await world.sleep_until(start_s + 200)
    await world.release(link("sydney.token->sydney.store"), "e")
    await world.release(node("sydney.management"), "d")
    await world.release(node("sydney.token.z1"), "c")
    await world.sleep_until(start_s + 250)
    await world.release(switch("sydney.directory"), "a")


def digest(folder: Path, seed: int) -> str:
    """The digest of the request log of a troubled run."""
    records = run_load(folder, COHORTS, length_s=300, schedule=turmoil, seed=seed)
    assert len({record.outcome for record in records}) == 3
    return hashlib.sha256((folder / "requests.jsonl").read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two runs in one process, one after the other, write equal logs."""
    assert digest(tmp_path / "a", 3) == digest(tmp_path / "b", 3)


def test_another_seed_gives_another_history(tmp_path: Path) -> None:
    """The seed decides."""
    assert digest(tmp_path / "a", 3) != digest(tmp_path / "b", 4)


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_hashing_does_not_matter(tmp_path: Path, hash_seed: str) -> None:
    """Another interpreter with another PYTHONHASHSEED writes the same bytes."""
    program = (
        f"import sys; from pathlib import Path; from {Path(__file__).stem} import digest; print(digest(Path(sys.argv[1]), 3))"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{root}:{Path(__file__).parent}"}
    command = [sys.executable, "-c", program, str(tmp_path / "there")]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert other.stdout.strip() == digest(tmp_path / "here", 3)
