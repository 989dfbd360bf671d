"""Every fault with parameters that make sense on the standard stack, and a simulated stack to try them on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from brownout.faults.access_key_revoke import AccessKeyRevoke
from brownout.faults.admit import Admit
from brownout.faults.build_pin import BuildPin
from brownout.faults.build_rollout import BuildRollout
from brownout.faults.capacity import Capacity
from brownout.faults.clock_skew import ClockSkew
from brownout.faults.cold_start import ColdStart
from brownout.faults.configure import Configure
from brownout.faults.failover_region import FailoverRegion
from brownout.faults.failover_zone import FailoverZone
from brownout.faults.freeze import Freeze
from brownout.faults.host_cache_stale import HostCacheStale
from brownout.faults.iam_describe_lag import IamDescribeLag
from brownout.faults.iam_errors import IamErrors
from brownout.faults.iam_latency import IamLatency
from brownout.faults.iam_replication_pause import IamReplicationPause
from brownout.faults.iam_replication_slow import IamReplicationSlow
from brownout.faults.identity_attach import IdentityAttach
from brownout.faults.identity_detach import IdentityDetach
from brownout.faults.imds_answer import ImdsAnswer
from brownout.faults.key_accept import KeyAccept
from brownout.faults.key_invalidate import KeyInvalidate
from brownout.faults.key_push import KeyPush
from brownout.faults.key_rollover import KeyRollover
from brownout.faults.key_set_stale import KeySetStale
from brownout.faults.key_switch import KeySwitch
from brownout.faults.link_blackhole import LinkBlackhole
from brownout.faults.link_refuse import LinkRefuse
from brownout.faults.link_reset import LinkReset
from brownout.faults.link_slow import LinkSlow
from brownout.faults.link_stall import LinkStall
from brownout.faults.metadata_answer import MetadataAnswer
from brownout.faults.name_empty import NameEmpty
from brownout.faults.name_lost import NameLost
from brownout.faults.name_nxdomain import NameNxdomain
from brownout.faults.name_reset import NameReset
from brownout.faults.name_slow import NameSlow
from brownout.faults.name_wrong import NameWrong
from brownout.faults.node_disconnect import NodeDisconnect
from brownout.faults.node_kill import NodeKill
from brownout.faults.node_old_image import NodeOldImage
from brownout.faults.node_pause import NodePause
from brownout.faults.node_restart import NodeRestart
from brownout.faults.node_stop import NodeStop
from brownout.faults.node_wipe import NodeWipe
from brownout.faults.region_kill import RegionKill
from brownout.faults.renewal_check import RenewalCheck
from brownout.faults.replication_pause import ReplicationPause
from brownout.faults.signing_key_roll import SigningKeyRoll
from brownout.faults.signing_key_withdraw import SigningKeyWithdraw
from brownout.faults.store_read_only import StoreReadOnly
from brownout.faults.surge import Surge
from brownout.faults.token_revoke import TokenRevoke
from brownout.faults.zone_kill import ZoneKill
from brownout.harness.fault import Fault
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import DEFAULT_REGIONS, Vendor

T = TypeVar("T")
EPOCH_S = 1_721_088_000.0

# Each bites by itself on a fresh stack; those of SITUATIONAL need a situation and have their own tests.
VENDORS: tuple[Vendor, ...] = ("aws", "azure")  # of the stacks on which faults are tried
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
    (ClockSkew, {"node": "melbourne.token.z2", "by": "20m"}),
    (ClockSkew, {"node": "sydney", "by": "90s", "direction": "behind"}),
    (ClockSkew, {"node": "sydney.directory", "by": "2d"}),
    (RegionKill, {"region": "melbourne"}),
    (RegionKill, {"region": "sydney"}),
    (KeyRollover, {"region": "sydney"}),
    (KeyRollover, {"region": "melbourne", "overlap": "8h"}),
    (KeySwitch, {"region": "sydney"}),
    (KeySwitch, {"region": "melbourne", "overlap": "30m"}),
    (KeyInvalidate, {"region": "sydney"}),
    (KeyInvalidate, {"region": "sydney", "key_id": "manual"}),
    (SigningKeyRoll, {}),
    (KeyInvalidate, {"region": "melbourne", "key_id": "manual", "after": "1h"}),
    (SigningKeyWithdraw, {}),
    (BuildPin, {"region": "melbourne", "build": "0.9"}),
    (BuildRollout, {"build": "2.0"}),
    (BuildRollout, {"build": "2.0", "regions": ["melbourne"]}),
    (Configure, {"regions": ["sydney"], "set": {"force_managed_key": True}}),
    (Freeze, {}),
    (FailoverZone, {"region": "sydney", "zone": "z1", "to": "z3"}),
    (FailoverRegion, {"region": "sydney", "to": "melbourne"}),
    (IdentityAttach, {"region": "sydney", "machines": ["web", "scaleout"]}),
    (IdentityAttach, {"region": "melbourne", "machines": ["web-south-2"], "identity": "batch-id"}),
    (IdentityAttach, {"region": "sydney", "machines": ["batch"], "identity": "system"}),
    (IdentityDetach, {"region": "sydney", "machines": ["batch"], "identity": "reports-id"}),
    (ImdsAnswer, {"region": "sydney", "status": 429, "retry_after": "3s"}),
    (ImdsAnswer, {"region": "melbourne", "status": 500, "machine": "scaleout-south_7"}),
    (ImdsAnswer, {"region": "sydney", "status": 410, "times": 2}),
    (ImdsAnswer, {"region": "sydney", "status": 500, "endpoint": "app-service", "flaw": "empty"}),
    (ImdsAnswer, {"region": "sydney", "endpoint": "cloud-shell", "flaw": "cut-off"}),
    (ImdsAnswer, {"region": "sydney", "flaw": "dropped"}),
    (ImdsAnswer, {"region": "sydney", "flaw": "short-life", "machine": "web-2"}),
    (Capacity, {"node": "sydney.token", "at_once": 2, "queue": 10}),
    (Capacity, {"node": "melbourne", "work": "20ms"}),
    (Capacity, {"node": "sydney.host", "at_once": 8, "shed": "2s", "give_up": "5s"}),
    (Admit, {"node": "sydney.token.z1", "closed": "5m", "share": 0.1, "ramp": "1h"}),
    (Admit, {"node": "melbourne.management", "ramp": "30s"}),
    (ColdStart, {"node": "sydney"}),
    (StoreReadOnly, {"region": "sydney"}),
    (Surge, {"region": "melbourne", "per_s": 2}),
    (TokenRevoke, {"region": "melbourne"}),
    (TokenRevoke, {"region": "sydney", "identity": "web-1-system"}),
    (IamErrors, {}),
    (IamErrors, {"share": 0.2, "code": "Throttling"}),
    (IamLatency, {"delay": "400ms"}),
    (IamLatency, {"delay": "30s"}),
    (NameLost, {"name": "autologon.microsoftazuread-sso.com"}),
    (NameLost, {"name": "sts.amazonaws.com", "regions": ["sydney"]}),
    (NameNxdomain, {"name": "sts.amazonaws.com"}),
    (NameNxdomain, {"name": "iam.amazonaws.com", "regions": ["melbourne"]}),
    (NameEmpty, {"name": "sts.ap-southeast-2.amazonaws.com"}),
    (NameWrong, {"name": "sts.ap-southeast-2.amazonaws.com", "to": "melbourne"}),
    (NameSlow, {"name": "secretsmanager.ap-southeast-4.amazonaws.com", "delay": "3s"}),
    (NameReset, {"name": "signin.aws.amazon.com", "regions": ["sydney"]}),
    (MetadataAnswer, {"region": "sydney", "status": 403, "request": "token"}),
    (MetadataAnswer, {"region": "melbourne", "status": 500, "machine": "scaleout-south_7", "retry_after": "3s"}),
    (MetadataAnswer, {"region": "sydney", "status": 200, "request": "credentials", "text": "{", "times": 2}),
)
SITUATIONAL: tuple[tuple[type[Fault], Mapping[str, Any]], ...] = (
    (KeyAccept, {"region": "sydney", "key_id": "manual"}),
    (KeyPush, {"region": "sydney"}),
    (KeySetStale, {"region": "melbourne"}),
    (HostCacheStale, {"region": "sydney"}),
    (HostCacheStale, {"region": "melbourne", "machines": ["web-south-2", "scaleout-south"]}),
    (RenewalCheck, {"region": "sydney"}),
    (ReplicationPause, {"regions": ["melbourne"]}),
    (AccessKeyRevoke, {"user": "caller"}),
    (IamDescribeLag, {"lag": "1m"}),
    (IamReplicationPause, {"regions": ["melbourne"]}),
    (IamReplicationPause, {"nodes": ["sydney.token.z2", "sydney.vault"]}),
    (IamReplicationSlow, {"regions": ["melbourne"], "delay": "5m"}),
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
        self.life = LifeCycle(world, ledger, "s", lambda notice: self.told.append(notice.what))


def on_stack(
    story: Callable[[Trial], Coroutine[Any, Any, T]],
    *,
    regions: tuple[str, ...] = DEFAULT_REGIONS,
    vendors: tuple[Vendor, ...] = VENDORS,
    world_kind: type[SimulationWorld] = SimulationWorld,
    **settings: Any,
) -> T:
    """Runs `story` on a fresh simulated stack that has just come up. It has an edge, for faults of names.

    IAM publishes less often than by default, because most stories wait for minutes.
    """
    usual = {"config_delay_s": 1.0, "iam_publish_interval_s": 60.0}
    spec = replace(build_stack(seed=1, settings={**usual, **settings}, regions=regions, vendors=vendors), edge=True)
    world = world_kind(spec, epoch_s=EPOCH_S)
    with Ledger(":memory:") as ledger:

        async def whole() -> T:
            await world.start()
            return await story(Trial(world, ledger))

        try:
            return world.run(whole())
        finally:
            world.kernel.close()
