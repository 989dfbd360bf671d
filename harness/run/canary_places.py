"""Where the canaries of a run in a live world stand: one region of the load, on machines that its cohorts use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from brownout.harness.base.keyed_random import keyed_random
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.canary.canaries import AwsWays, CanaryMachines
from brownout.harness.load.models.registry import client_model
from brownout.harness.world import Endpoints
from brownout.identity.aws.arns import role
from brownout.identity.aws.records.seed import APP_ROLE, CALLER
from brownout.identity.azure.hosts.endpoint import IMDS
from brownout.identity.core.topology import REGIONS


def azure_machines(plan: LoadPlan, regions: Iterable[str], endpoints: Endpoints) -> CanaryMachines | None:
    """The first region's whose load has both an established machine and new ones that ask IMDS for tokens; None without one."""
    for region in regions:
        found = _machines(plan, region, {"token"}, endpoints)
        if found.warm and found.scale_set:
            return found
    return None


def aws_ways(plan: LoadPlan, regions: Iterable[str], endpoints: Endpoints) -> AwsWays | None:
    """The first region's in which the load has clients of AWS, of those with machines if any; None for a load without.

    The clients go by AWS's names where the stack has an edge for them, else by the URLs of a token node and the vault.
    """
    key = plan.account.sign_in.access_keys.get(CALLER)
    models = {cohort.model for cohort in plan.cohorts if client_model(cohort.model).vendor == "aws"}
    stood = [region for region in regions if any(c.region == region and c.model in models for c in plan.cohorts)]
    if key is None or not stood:
        return None
    found = {region: _machines(plan, region, models, endpoints) for region in stood}
    chosen = next((region for region in stood if found[region].warm), stood[0])
    name = REGIONS[chosen].aws_name
    return AwsWays(
        machines=found[chosen],
        environment={"AWS_REGION": name, "AWS_DEFAULT_REGION": name, **_way(endpoints, chosen)},
        role_arn=role(plan.account.aws_account_id, "/", APP_ROLE),
        key=key,
    )


def _way(endpoints: Endpoints, region: str) -> Mapping[str, str]:
    if endpoints.edge is not None:
        return {"HTTPS_PROXY": endpoints.edge.proxies[region], "AWS_CA_BUNDLE": str(endpoints.edge.ca_bundle)}
    return {
        "AWS_ENDPOINT_URL_STS": endpoints.clients[f"{region}.token.z1"],
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoints.clients[f"{region}.vault"],
    }


def _machines(plan: LoadPlan, region: str, models: Collection[str], endpoints: Endpoints) -> CanaryMachines:
    """An established machine and a scale set of those models' cohorts, each "" where there is none.

    Canaries ask a machine's metadata service: cohorts that get tokens by another endpoint have no say.
    """
    cohorts = [
        cohort
        for cohort in plan.cohorts
        if cohort.region == region and cohort.model in models and cohort.endpoint in (None, IMDS)
    ]
    warm = [name for cohort in cohorts if not cohort.fresh for name in cohort.machines]
    sets = [name for cohort in cohorts if cohort.fresh for name in cohort.machines]
    return CanaryMachines(
        host_url=endpoints.clients[f"{region}.host"],
        warm=warm[int(keyed_random(plan.seed, "canary") * len(warm))] if warm else "",
        scale_set=sets[0] if sets else "",
    )
