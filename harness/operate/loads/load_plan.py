"""The plan of a load by hand: an experiment's cohorts on the stack's machines, or the typical clients of each client model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from brownout.harness.base.hints import did_you_mean
from brownout.harness.errors import UsageError
from brownout.harness.experiment.load_plan import load_plan, machine_homes
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.watch import model_watch, watch_of
from brownout.harness.load.arrivals import Cohort, LoadPlan
from brownout.harness.load.models.model import Account, On, SignIn
from brownout.harness.load.models.registry import client_model, client_models
from brownout.harness.load.watched_objectives import Watch
from brownout.identity.aws.records.seed import account_of
from brownout.identity.core.topology import StackSpec

DEFAULT_PER_S = 50.0
BLOCK_REAL_S = 10.0
NO_END_REAL_S = 10 * 365 * 86400.0


@dataclass(frozen=True, slots=True)
class ManualLoad:
    """The cohorts of a load by hand, at rates per emulated second. `notes` say what was changed to fit the stack."""

    cohorts: tuple[Cohort, ...]
    watch: Watch
    deadline_ms: int = 2000
    notes: tuple[str, ...] = ()


def typical_load(spec: StackSpec) -> ManualLoad:
    """The typical clients of every client model in every region, as far as the stack has machines for them."""
    cohorts = tuple(cohort for region in spec.regions for cohort in _region_cohorts(spec, region))
    return ManualLoad(cohorts, model_watch(cohorts))


def _region_cohorts(spec: StackSpec, region: str) -> Iterator[Cohort]:
    ours = [machine for machine in spec.machines if machine.region == region and len(machine.identities) == 1]
    machines: Mapping[On, tuple[str, ...]] = {
        "machine": tuple(machine.name for machine in ours if not machine.scale_set),
        "scale set": tuple(machine.name for machine in ours if machine.scale_set),
        "nothing": (),
    }
    for on, names in machines.items():
        if not names and on != "nothing":
            continue
        for model in client_models():
            for typical in model.typical:
                if typical.on == on and model.vendor in spec.vendors:
                    yield Cohort(
                        name=f"{region}-{typical.cohort}",
                        model=model.name,
                        region=region,
                        rate_per_s=typical.share,
                        machines=names,
                        fresh=on == "scale set",
                        mix=typical.mix,
                        front_ends=typical.front_ends,
                    )


def experiment_load(experiment: Experiment, spec: StackSpec) -> ManualLoad:
    """The experiment's cohorts. A cohort whose machines the stack lacks uses others of its region, or is left out.

    Raises UsageError when no cohort fits.
    """
    fitted, notes = [], []
    for cohort in experiment.load.cohorts:
        found = _fitted(experiment, cohort, spec)
        if found is None:
            others = cohort.model_copy(update={"machines": ()})
            found = _fitted(experiment, others, spec)
            used = "is left out" if found is None else f"uses {', '.join(found.machines)}"
            notes.append(f"cohort {cohort.name}: this stack lacks its machines ({', '.join(cohort.machines)}), so it {used}")
        if found is not None:
            fitted.append(found)
    if not fitted:
        raise UsageError(f"no cohort of {experiment.name} fits this stack", hint="leave the experiment out")
    watch = watch_of(experiment, timed=False)
    return ManualLoad(tuple(fitted), watch, round(experiment.load.deadline_s * 1000), tuple(notes))


def _fitted(experiment: Experiment, cohort: Cohort, spec: StackSpec) -> Cohort | None:
    """The cohort with the stack's machines; None when it names machines that the stack lacks."""
    alone = experiment.load.model_copy(update={"cohorts": (cohort,)})
    try:
        return load_plan(experiment.model_copy(update={"load": alone}), spec).cohorts[0]
    except UsageError:
        return None


def at_rates(
    cohorts: Sequence[Cohort], *, clock_rate: float, total_per_s: float | None, scale: float | None, given: Mapping[str, float]
) -> tuple[Cohort, ...]:
    """The cohorts at the rates asked for, which are per real second; raises UsageError.

    `total_per_s` is the rate of all cohorts together; `scale` multiplies their own rates. `given` sets the rate of single
    cohorts; 0 leaves a cohort out.
    """
    if not cohorts:
        raise UsageError("no cohort of clients fits this stack", hint="bring one up with machines")
    names = [cohort.name for cohort in cohorts]
    for name, per_s in given.items():
        if name not in names:
            hint = did_you_mean(name, names) or f"cohorts: {', '.join(names)}"
            raise UsageError(f"there is no cohort {name!r}", hint=hint)
        if per_s < 0:
            raise UsageError(f"cohort {name}: a rate is not below 0", hint="0 leaves the cohort out")
    said = sum(cohort.rate_per_s for cohort in cohorts)
    factor = scale if scale is not None else (total_per_s or DEFAULT_PER_S) / clock_rate / said
    rates = {cohort.name: cohort.rate_per_s * factor for cohort in cohorts}
    rates |= {name: per_s / clock_rate for name, per_s in given.items()}
    kept = tuple(cohort.model_copy(update={"rate_per_s": rates[cohort.name]}) for cohort in cohorts if rates[cohort.name] > 0)
    if not kept:
        raise UsageError("no cohort is left", hint="give at least one a rate above 0")
    return kept


def needs_sign_in(cohorts: Iterable[Cohort]) -> bool:
    """Whether the clients of some cohort sign in."""
    return any(client_model(cohort.model).needs_sign_in for cohort in cohorts)


def manual_plan(
    load: ManualLoad,
    spec: StackSpec,
    *,
    urls: Mapping[str, str],
    clock: Mapping[str, float],
    now_s: float,
    sign_in: SignIn,
    seed: int,
) -> LoadPlan:
    """The plan from `now_s` (emulated) on, for ten years. `urls` has the base URL of each link by its name."""
    rate = clock["rate"]
    return LoadPlan(
        seed=seed,
        start_s=now_s,
        end_s=now_s + NO_END_REAL_S * rate,
        cohorts=load.cohorts,
        deadline_ms=load.deadline_ms,
        account=Account(spec.tenant_id, spec.subscription_id, sign_in, account_of(spec)),
        urls=urls,
        clock=clock,
        block_s=BLOCK_REAL_S * rate,
        watch=load.watch,
        machine_homes=machine_homes(spec),
    )
