"""Each fault is not seen to bite where its carriers accept the hold and do nothing, and is where they do as told.

A fault that needs a situation gets it in both worlds: what is done before it is applied, and after. Faults that only
containers can carry out have no twin in the simulation; that they bite is tried on containers (tests/harness/worlds/compose).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from brownout.faults.identity_attach import IdentityAttach
from brownout.faults.identity_detach import IdentityDetach
from brownout.faults.key_switch import KeySwitch
from brownout.faults.link_refuse import LinkRefuse
from brownout.faults.signing_key_roll import SigningKeyRoll
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.injection.outcomes import Applied
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.core.messages import Request
from controls.control import Control, Outcome
from support.deaf_world import HEARD, DeafWorld
from support.fault_cases import CASES, IN_CONTAINERS, SITUATIONAL, Trial, on_stack

ROUND_S = 130.0  # two rounds of publishing, and more
Act = Callable[[Trial], Awaitable[None]]


async def nothing(trial: Trial) -> None:
    """No situation is needed."""


async def a_round(trial: Trial) -> None:
    await trial.world.sleep_until(trial.world.now() + ROUND_S)


async def switched(trial: Trial) -> None:
    """The old key of Sydney's store is refused."""
    await KeySwitch(region="sydney").apply(trial.world, f"{HEARD}switch")


async def switched_unnoticed(trial: Trial) -> None:
    """The same, while the directory reaches no reader in Melbourne."""
    cut = LinkRefuse(link="sydney.directory->melbourne")
    await cut.apply(trial.world, f"{HEARD}cut")
    await switched(trial)
    await cut.revert(trial.world, f"{HEARD}cut")


async def taken_off(trial: Trial) -> None:
    """A cached token of an identity that its machine has no more."""
    spec = trial.world.spec
    batch = next(machine for machine in spec.machines if machine.name == "batch")
    group = batch.resource_id.partition("/providers/")[0]
    named = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reports-id"
    query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net", "msi_res_id": named}
    request = Request("GET", "/batch/metadata/identity/oauth2/token", query, {"metadata": "true"})
    assert (await trial.world.client("sydney.host", request, timeout_s=5.0)).ok
    taken = IdentityDetach(region="sydney", machines=("batch",), identity="reports-id")
    await taken.apply(trial.world, f"{HEARD}detach")


async def attached(trial: Trial) -> None:
    """Machines get an identity more."""
    await IdentityAttach(region="sydney", machines=("web", "scaleout")).apply(trial.world, f"{HEARD}attach")


async def rolled(trial: Trial) -> None:
    """A new key signs tokens."""
    await SigningKeyRoll().apply(trial.world, f"{HEARD}roll")
    await a_round(trial)


async def an_identity_more(trial: Trial) -> None:
    """Something new to replicate."""
    body = {"name": "new", "kind": "user", "object_id": "new", "resource_id": "/new", "home_region": "sydney"}
    await trial.world.control("sydney.directory", Request("PUT", "/principals/new", body=body))
    await a_round(trial)


async def a_user_more(trial: Trial) -> None:
    """Something new in AWS's account."""
    await trial.world.control("sydney.directory", Request("POST", "/admin/aws/crowd", body={"users": 1, "roles": 0}))
    await trial.world.sleep_until(trial.world.now() + 70)


@dataclass(frozen=True, slots=True)
class Situation:
    before: Act = nothing
    after: Act = nothing
    settings: Mapping[str, Any] = field(default_factory=dict)


PLAIN = Situation()
SITUATIONS: Mapping[str, Situation] = {
    "access-key-revoke": Situation(after=a_round),
    "host-cache-stale": Situation(after=attached),
    "iam-describe-lag": Situation(after=a_user_more),
    "iam-replication-pause": Situation(after=a_user_more),
    "iam-replication-slow": Situation(after=a_user_more),
    "key-accept": Situation(before=switched),
    "key-push": Situation(before=switched_unnoticed, settings={"builds": {"sydney": "2.0", "melbourne": "2.0"}}),
    "key-set-stale": Situation(after=rolled),
    "renewal-check": Situation(before=taken_off),
    "replication-pause": Situation(after=an_identity_more),
}


def shipped() -> set[str]:
    return {kind for kind, found in plugins.faults().items() if found.__module__.startswith("brownout.faults.")}


def controls() -> Iterator[Control]:
    """One control for each kind, with the first of its cases."""
    firsts: dict[str, Fault] = {}
    for kind, params in (*CASES, *SITUATIONAL, *IN_CONTAINERS):
        if kind.kind not in firsts:
            firsts[kind.kind] = kind.model_validate(dict(params))
    elsewhere = {kind.kind for kind, _ in IN_CONTAINERS}
    for name, fault in firsts.items():
        run = partial(_try, fault, SITUATIONS.get(name, PLAIN), has_twin=name not in elsewhere)
        yield Control("fault", name, "carriers that accept its hold and do nothing", run)


def _try(fault: Fault, situation: Situation, *, has_twin: bool) -> Outcome:
    deaf = _injected(fault, situation, DeafWorld)
    green = _injected(fault, situation, SimulationWorld).state == "bitten" if has_twin else None
    return Outcome(deaf.state == "applied", green, deaf.evidence)


def _injected(fault: Fault, situation: Situation, world_kind: type[SimulationWorld]) -> Applied:
    """How the fault came out in its situation, by the life cycle that every run has."""

    async def story(trial: Trial) -> Applied:
        await situation.before(trial)
        record = await trial.life.intend("step", fault)
        applied = await trial.life.apply(record, fault)
        await situation.after(trial)
        return await trial.life.await_bite(record, fault, applied, patience_s=1)

    return on_stack(story, world_kind=world_kind, **situation.settings)
