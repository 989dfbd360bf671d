"""From an experiment file to what a run does: the derived experiment, its moments in time, its load plan, its caches.

Everything here is a pure function of the experiment, the posture and the seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.keyed_random import keyed_random
from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.watch import watch_of
from brownout.harness.load.arrivals import Cohort, LoadPlan, operations_of
from brownout.harness.load.models.model import Account
from brownout.harness.load.models.registry import client_model
from brownout.identity.aws.records.seed import account_of
from brownout.identity.azure.hosts.endpoint import (
    APP_SERVICE,
    APP_SERVICE_2017,
    OWN_BY_DEFAULT,
    VM_EXTENSION,
    WITH_CACHES,
    WITH_SECRETS,
    WORKLOAD_IDENTITY,
)
from brownout.identity.azure.records import federated_credentials
from brownout.identity.azure.service_accounts import subject_of
from brownout.identity.core.settings import BUILDS, FIRST_BUILD, Settings
from brownout.identity.core.topology import MachineSpec, StackSpec


def load_plan(experiment: Experiment, spec: StackSpec) -> LoadPlan:
    """The arrivals from the start of the baseline to the end; raises UsageError for a machine that the stack lacks.

    It is not signed in: the token of management callers can be issued only by a stack that is up (`LoadPlan.signed_in`).
    """
    for cohort in experiment.load.cohorts:
        _check_machines(cohort, spec)
    midnight_s = experiment.timeline.epoch_s()
    return LoadPlan(
        seed=spec.seed,
        start_s=midnight_s + experiment.timeline.baseline,
        end_s=midnight_s + experiment.timeline.end,
        cohorts=tuple(_with_machines(cohort, spec) for cohort in experiment.load.cohorts),
        deadline_ms=round(experiment.load.deadline_s * 1000),
        account=Account(spec.tenant_id, spec.subscription_id, aws_account_id=account_of(spec)),
        watch=watch_of(experiment),
        machine_homes=machine_homes(spec),
    )


def machine_homes(spec: StackSpec) -> dict[str, str]:
    """The home region of the identity that a machine gets a token for, where it is not the machine's own region.

    That is its own identity, else its only one; "" for a machine of several or none, which has to name one.
    """
    found, identities = dict[str, str](), spec.by_name()
    for machine in spec.machines:
        known = [identities[name] for name in machine.identities]
        meant = [identity for identity in known if identity.is_system] or known
        home = meant[0].home_region if len(meant) == 1 else ""
        if home != machine.region:
            found |= dict.fromkeys((machine.name, *machine.names()), home)
    return found


def _base_names(spec: StackSpec) -> dict[str, tuple[str, ...]]:
    """Machine names by the name under which the file counts them (`web` for `web-1` to `web-60`), and by themselves."""
    found: dict[str, tuple[str, ...]] = {}
    for machine in spec.machines:
        base, _, number = machine.name.rpartition("-")
        if base and number.isdigit():
            found[base] = (*found.get(base, ()), machine.name)
        found[machine.name] = (machine.name,)
    return found


def _check_machines(cohort: Cohort, spec: StackSpec) -> None:
    names = _base_names(spec)
    if cohort.region not in spec.regions:
        hint = did_you_mean(cohort.region, spec.regions) or f"regions: {', '.join(spec.regions)}"
        raise UsageError(f"cohort {cohort.name}: no region {cohort.region!r}", hint=hint)
    if _uses_machines(cohort) and not (cohort.machines or _fitting(cohort, spec)):
        kind = "scale sets" if cohort.fresh else "machines"
        raise UsageError(f"cohort {cohort.name}: {cohort.region} has no {kind} for it", hint=f"machines: {', '.join(names)}")
    needs = _EndpointNeeds.of(cohort, spec)
    for machine in cohort.machines:
        if machine not in names:
            hint = did_you_mean(machine, names) or f"machines: {', '.join(names)}"
            raise UsageError(f"cohort {cohort.name}: no machine {machine!r}", hint=hint)
        found = next(item for item in spec.machines if item.name == names[machine][0])
        if cohort.fresh and not found.scale_set:
            raise UsageError(f"cohort {cohort.name}: fresh machines come from a scale set, {machine!r} is none")
        if not cohort.fresh and not found.names():
            hint = "say `fresh: true`, or how many `instances` it has"
            raise UsageError(f"cohort {cohort.name}: {machine!r} is a scale set", hint=hint)
        if found.region != cohort.region:
            where = f"{machine!r} is in {found.region} and the cohort calls {cohort.region}"
            raise UsageError(f"cohort {cohort.name}: {where}", hint="a machine asks its own region's host only")
        problem, hint = needs.lacking(found)
        if problem:
            raise UsageError(f"cohort {cohort.name}: {found.name!r} {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class _EndpointNeeds:
    """What a machine has to have for the kind of endpoint by which a cohort's clients get tokens."""

    kind: str
    names_identity: bool
    own: frozenset[str]  # names of system-assigned identities
    spec: StackSpec

    @classmethod
    def of(cls, cohort: Cohort, spec: StackSpec) -> _EndpointNeeds:
        kind = client_model(cohort.model).endpoint_of(cohort.endpoint)
        own = frozenset(known.name for known in spec.identities if known.is_system) if kind in OWN_BY_DEFAULT else frozenset()
        return cls(kind, bool(cohort.identity), own, spec)

    def lacking(self, machine: MachineSpec) -> tuple[str, str]:
        """What the machine lacks, and what to do; "" for nothing."""
        if self.kind == WORKLOAD_IDENTITY and not _runs_pods(machine, self.spec):
            return "runs no pods", "give the machine `pods: true` and a user-assigned identity"
        if self.kind == VM_EXTENSION:
            build = Settings.of(self.spec.settings).builds.get(machine.region, FIRST_BUILD)
            if not BUILDS[build].has_vm_extension:
                return f"begins with build {build}, whose machines have no VM extension", "set `builds` to an earlier one"
        if self.kind in OWN_BY_DEFAULT and not self.names_identity and not self.own.intersection(machine.identities):
            problem = f"has no identity of its own, which is what {self.kind} means where none is named"
            return problem, "name one with `identity`, or leave the machine's `identities` away"
        if self.kind in WITH_SECRETS and not machine.identities:
            problem = f"has no identity that {self.kind} could give a token for"
            return problem, "leave its `identities` away: it has its own then"
        return "", ""


def _runs_pods(machine: MachineSpec, spec: StackSpec) -> bool:
    """Whether one of its identities trusts the service account of the machine's pods."""
    of_pods = subject_of(machine.name.lower())
    trusted = (each for name in machine.identities for each in federated_credentials(spec.details.get(name, {})))
    return any(credential.subject == of_pods for credential in trusted)


def _with_machines(cohort: Cohort, spec: StackSpec) -> Cohort:
    names = _base_names(spec)
    named = {"identity": _identity(cohort, spec)}
    if _uses_machines(cohort) and not cohort.machines:
        return cohort.model_copy(update={"machines": _fitting(cohort, spec), **named})
    meant = [one for name in cohort.machines for one in names[name]]
    if not cohort.fresh:
        sets = {machine.name: machine.names() for machine in spec.machines}
        meant = [instance for name in meant for instance in sets[name]]
    return cohort.model_copy(update={"machines": tuple(meant), **named})


def _identity(cohort: Cohort, spec: StackSpec) -> str:
    """The resource id of the identity that the cohort names, "" where it names none; raises UsageError."""
    known = {identity.name: identity.resource_id for identity in spec.identities if not identity.is_system}
    if cohort.identity and cohort.identity not in known:
        hint = did_you_mean(cohort.identity, known) or f"user-assigned identities: {', '.join(known)}"
        raise UsageError(f"cohort {cohort.name}: no identity {cohort.identity!r}", hint=hint)
    return known.get(cohort.identity, "")


def _uses_machines(cohort: Cohort) -> bool:
    return client_model(cohort.model).needs_machine(operations_of(cohort))


def _fitting(cohort: Cohort, spec: StackSpec) -> tuple[str, ...]:
    """The machines of a cohort that names none: all machines of its region that get a token without naming an identity."""
    needs = _EndpointNeeds.of(cohort, spec)
    homely = (item for item in spec.machines if item.region == cohort.region and item.scale_set == cohort.fresh)
    return tuple(item.name for item in homely if len(item.identities) == 1 and not needs.lacking(item)[0])


def primed_tokens(plan: LoadPlan, spec: StackSpec) -> dict[str, list[dict[str, Any]]]:
    """By region, the tokens that established machines hold when the run starts, each with its age in emulated seconds.

    Ages are spread evenly over the part of a token's life before its refresh point. That is the steady state of machines that
    have been requesting tokens for days (claim C4, docs/reference/sources.md).
    """
    settings = Settings.of(spec.settings)
    found: dict[str, list[dict[str, Any]]] = {}
    seen: set[tuple[str, str, str, str]] = set()
    for cohort in plan.cohorts:
        model = client_model(cohort.model)
        if cohort.fresh or not model.caches_at_host:
            continue
        endpoint = model.endpoint_of(cohort.endpoint)
        cache = APP_SERVICE if endpoint == APP_SERVICE_2017 else endpoint
        service = cache if cache in WITH_CACHES else ""
        named = cohort.identity if service else ""
        for machine in cohort.machines:
            if (machine, cohort.resource, service, named) not in seen:
                seen.add((machine, cohort.resource, service, named))
                drawn = keyed_random(spec.seed, "age", machine, cohort.resource, *filter(None, [service]))
                tokens = found.setdefault(cohort.region, [])
                of_service = {name: value for name, value in (("service", service), ("identity", named)) if value}
                age_s = round(drawn * _oldest_s(settings, service), 3)
                token = {"machine": machine, "resource": cohort.resource, "age_s": age_s}
                tokens.append(token | of_service)
    return found


def _oldest_s(settings: Settings, service: str) -> float:
    """How old a token is at most before the cache of that service asks for another."""
    oldest_s = settings.host_refresh_fraction * settings.token_lifetime_s
    oldest_s = min(oldest_s, settings.token_lifetime_s - settings.expiry_margin_s)
    return min(oldest_s, settings.app_service_cache_s) if service == APP_SERVICE else oldest_s
