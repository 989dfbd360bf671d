"""Every fault with parameters that make sense on the standard stack, and a simulated stack to try them on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

from faults.build_pin import BuildPin
from faults.build_rollout import BuildRollout
from faults.configure import Configure
from faults.failover_region import FailoverRegion
from faults.failover_zone import FailoverZone
from faults.freeze import Freeze
from faults.imds_answer import ImdsAnswer
from faults.key_accept import KeyAccept
from faults.key_invalidate import KeyInvalidate
from faults.key_push import KeyPush
from faults.key_rollover import KeyRollover
from faults.key_switch import KeySwitch
from faults.link_blackhole import LinkBlackhole
from faults.link_refuse import LinkRefuse
from faults.link_reset import LinkReset
from faults.link_slow import LinkSlow
from faults.link_stall import LinkStall
from faults.node_disconnect import NodeDisconnect
from faults.node_kill import NodeKill
from faults.node_old_image import NodeOldImage
from faults.node_pause import NodePause
from faults.node_restart import NodeRestart
from faults.node_stop import NodeStop
from faults.node_wipe import NodeWipe
from faults.region_kill import RegionKill
from faults.replication_pause import ReplicationPause
from faults.zone_kill import ZoneKill
from harness.fault import Fault
from harness.ledger import Ledger
from harness.lifecycle import LifeCycle
from harness.stack import build_stack
from harness.worlds.simulation import SimulationWorld

T = TypeVar("T")
EPOCH_S = 1_721_088_000.0

# Each bites by itself on a fresh stack; key-accept, key-push and replication-pause need a situation and have their own tests.
CASES: tuple[tuple[type[Fault], Mapping[str, Any]], ...] = (
    (LinkRefuse, {"link": "melbourne->sydney"}),
    (LinkRefuse, {"link": "client->sydney.host"}),
    (LinkReset, {"link": "melbourne->sydney"}),
    (LinkReset, {"link": "client->sydney.vault", "direction": "downstream"}),
    (LinkReset, {"link": "client->melbourne.token", "direction": "upstream"}),
    (LinkStall, {"link": "melbourne.token->sydney.store"}),
    (LinkStall, {"link": "client->sydney.vault", "direction": "downstream"}),
    (LinkStall, {"link": "*->melbourne.store", "direction": "upstream"}),
    (LinkSlow, {"link": "client->sydney.host", "latency": "300ms"}),
    (LinkSlow, {"link": "sydney.token->sydney.store", "latency": "40ms", "jitter": "10ms", "direction": "both"}),
    (NodeKill, {"node": "sydney.token"}),
    (NodeKill, {"node": "sydney.deployer"}),
    (NodePause, {"node": "melbourne.store"}),
    (ZoneKill, {"region": "sydney", "zone": "z2"}),
    (RegionKill, {"region": "melbourne"}),
    (RegionKill, {"region": "sydney"}),
    (KeyRollover, {"region": "sydney"}),
    (KeyRollover, {"region": "melbourne", "overlap": "8h"}),
    (KeySwitch, {"region": "sydney"}),
    (KeySwitch, {"region": "melbourne", "overlap": "30m"}),
    (KeyInvalidate, {"region": "sydney"}),
    (KeyInvalidate, {"region": "sydney", "key_id": "manual"}),
    (BuildPin, {"region": "melbourne", "build": "0.9"}),
    (BuildRollout, {"build": "2.0"}),
    (BuildRollout, {"build": "2.0", "regions": ["melbourne"]}),
    (Configure, {"regions": ["sydney"], "set": {"force_managed_key": True}}),
    (Freeze, {}),
    (FailoverZone, {"region": "sydney", "zone": "z1", "to": "z3"}),
    (FailoverRegion, {"region": "sydney", "to": "melbourne"}),
    (ImdsAnswer, {"region": "sydney", "status": 429, "retry_after": "3s"}),
    (ImdsAnswer, {"region": "melbourne", "status": 500, "machine": "scaleout-south_7"}),
    (ImdsAnswer, {"region": "sydney", "status": 410, "times": 2}),
)
SITUATIONAL: tuple[tuple[type[Fault], Mapping[str, Any]], ...] = (
    (KeyAccept, {"region": "sydney", "key_id": "manual"}),
    (KeyPush, {"region": "sydney"}),
    (ReplicationPause, {"regions": ["melbourne"]}),
)
# What needs containers; tests/compose tries them there.
IN_CONTAINERS: tuple[tuple[type[Fault], Mapping[str, Any]], ...] = (
    (LinkBlackhole, {"link": "melbourne->sydney"}),
    (LinkBlackhole, {"link": "client->sydney.vault", "direction": "upstream"}),
    (LinkBlackhole, {"link": "sydney.token->sydney.store", "direction": "downstream"}),
    (NodeStop, {"node": "sydney.vault"}),
    (NodeRestart, {"node": "melbourne.token"}),
    (NodeWipe, {"node": "sydney.host"}),
    (NodeOldImage, {"node": "melbourne.token", "build": "0.9"}),
    (NodeOldImage, {"node": "melbourne.management", "build": "1.0"}),
    (NodeDisconnect, {"node": "sydney.store"}),
)
IDS = [f"{kind.kind} {dict(params)}" for kind, params in CASES]


class Trial:
    """One simulated stack with a ledger and a life cycle over it; `told` lists what the life cycle noticed."""

    def __init__(self, world: SimulationWorld, ledger: Ledger) -> None:
        ledger.add_stack("s", folder=Path("/nowhere"), world="", run_owned=True)
        self.world, self.ledger = world, ledger
        self.told: list[str] = []
        self.life = LifeCycle(world, ledger, "s", lambda what, step, detail: self.told.append(what))


def on_stack(story: Callable[[Trial], Coroutine[Any, Any, T]], **settings: Any) -> T:
    """Runs `story` on a fresh simulated stack that has just come up."""
    world = SimulationWorld(build_stack(seed=1, settings={"config_delay_s": 1.0, **settings}), epoch_s=EPOCH_S)
    with Ledger(":memory:") as ledger:

        async def whole() -> T:
            await world.start()
            return await story(Trial(world, ledger))

        return world.run(whole())
