"""The environment in which unmodified SDKs take a process for a client of a stack, from its stack file.

With a machine a process is a client on that machine. Without one it is a client anywhere: for AWS that of the account's
first administrator. A client gets URLs, or with `proxy` a proxy for the vendors' own names, so that it chooses its endpoint
itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from brownout.harness.base import hints
from brownout.harness.base.hints import did_you_mean
from brownout.harness.client_env import machine_endpoints
from brownout.harness.client_env.stack_file import InsideEntry, MachineEntry, RegionEntry, StackFile
from brownout.harness.errors import UsageError
from brownout.identity.aws.hosts.containers import authorization_token, ecs_path
from brownout.identity.azure.hosts.endpoint import IMDS

# What may be set from another time: a process's SDK would take it for meant.
AWS_NAMES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CA_BUNDLE",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "AWS_ENDPOINT_URL_CLOUDFORMATION",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)

AZURE_NAMES = ("AZURE_AUTHORITY_HOST", *machine_endpoints.NAMES, "AZURE_CLIENT_SECRET")
# What HTTP clients of all languages read to learn whom to trust, the first of them with `requests`, the second with OpenSSL.
TRUST_NAMES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
# What would lead a client elsewhere than into its stack. A proxy is nothing that could be reached from a machine.
ELSEWHERE = frozenset(
    {
        *AWS_NAMES,
        *AZURE_NAMES,
        *TRUST_NAMES,
        *(name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (proxy, proxy.lower())),
        *("BROWNOUT_CONTROL_TOKEN", "BROWNOUT_TOXIPROXY_URL", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"),
    }
)
NOT_BY_PROXY = "localhost,127.0.0.1,169.254.169.254"


def exports(
    stack: StackFile,
    machine: str,
    *,
    region: str = "",
    proxy: bool = False,
    container: bool = False,
    endpoint: str = IMDS,
) -> dict[str, str]:
    """Environment variables of a client on `machine` (of one on no machine when empty).

    `region` is the one that a client is configured for: the machine's own, or the home region, when empty. With `proxy` it
    uses the vendors' names, with `container` it has AWS's credentials of a container on the machine. `endpoint` is
    that of Azure's token endpoints of the machine which it uses.

    Raises UsageError for a machine or region that the stack does not have, for what needs AWS's half, and for a stack
    without a proxy.
    """
    found = {
        "BROWNOUT_STACK": stack.stack,
        "BROWNOUT_CONTROL_TOKEN": stack.control_token,
        "BROWNOUT_TOXIPROXY_URL": stack.toxiproxy_url,
    }
    if stack.faults is not None:
        found |= {"BROWNOUT_FAULTS_URL": stack.faults.url, "BROWNOUT_FAULTS_TOKEN": stack.faults.token}
    if "azure" in stack.vendors:
        found |= {"AZURE_TENANT_ID": stack.tenant_id, "AZURE_SUBSCRIPTION_ID": stack.subscription_id}
    if stack.inside is not None:
        found["BROWNOUT_COMPOSE_VARIABLES"] = stack.inside.compose_variables
        found["BROWNOUT_DASHBOARD_URL"] = stack.inside.dashboard_url
    stands = find_machine(stack, machine).region if machine else region or stack.home_region
    base = "" if not machine else f"{stack.regions[stands].host_url}/{machine}"
    chosen = _region(stack, region or stands)
    if proxy:
        found |= _ways(stack, _region(stack, stands))
    if "azure" in stack.vendors:
        found |= _azure(stack, chosen, proxy=proxy)
        if machine:
            entry, there = find_machine(stack, machine), _region(stack, stands)
            found |= machine_endpoints.variables(stack, there, entry, machine, base, endpoint)
    elif endpoint != IMDS:
        raise UsageError(f"--endpoint is for clients of Azure, and stack {stack.stack} has no Azure half")
    if stack.aws is None:
        _refuse_container(stack, container=container)
        return found
    found |= {"AWS_REGION": chosen.aws_name, "AWS_DEFAULT_REGION": chosen.aws_name}  # the CLI and boto3 read only the second
    found |= {"AWS_CA_BUNDLE": stack.aws.ca_bundle} if proxy else _urls(chosen)
    if not machine:
        return found | {
            "AWS_ACCESS_KEY_ID": stack.aws.access_key_id,
            "AWS_SECRET_ACCESS_KEY": stack.aws.secret_access_key,
        }
    return found | (_container(stack, base, machine) if container else {"AWS_EC2_METADATA_SERVICE_ENDPOINT": base})


def application_variables(stack: StackFile) -> dict[str, str]:
    """What makes a client one of the stack's application: what EnvironmentCredential reads beside the tenant.

    Raises UsageError for a stack without Azure's half.
    """
    if stack.application is None:
        hint = "bring one up with `brownout up`, which brings both halves unless --vendor names one"
        raise UsageError(f"--application is for clients of Azure, and stack {stack.stack} has no Azure half", hint=hint)
    return {"AZURE_CLIENT_ID": stack.application.client_id, "AZURE_CLIENT_SECRET": stack.application.client_secret}


def unset(found: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that `exports` may have set another time, and that would win over what it sets now."""
    names = (*(AWS_NAMES if "AWS_REGION" in found else ()), *(AZURE_NAMES if "AZURE_TENANT_ID" in found else ()))
    return tuple(name for name in names if name not in found)


def _refuse_container(stack: StackFile, *, container: bool) -> None:
    if container:
        hint = "bring one up with `brownout up`, which brings both halves unless --vendor names one"
        raise UsageError(f"--container is for clients of AWS, and stack {stack.stack} has no AWS half", hint=hint)


def _azure(stack: StackFile, chosen: RegionEntry, *, proxy: bool) -> dict[str, str]:
    """Of Azure's half: Entra by URL unless by name, and whom to trust."""
    found = {} if proxy or not chosen.tls_entra_url else {"AZURE_AUTHORITY_HOST": chosen.tls_entra_url}
    if stack.tls is not None:
        # through the proxy there is the stack alone, so a client that goes round it must trust no other server
        bundle = stack.tls.ca_bundle if proxy else stack.tls.trust_bundle
        found |= dict.fromkeys(TRUST_NAMES, bundle)
    return found


def _region(stack: StackFile, name: str) -> RegionEntry:
    """A region by its own name or by AWS's; raises UsageError."""
    by_name = {**stack.regions, **{entry.aws_name: entry for entry in stack.regions.values()}}
    if name not in by_name:
        hint = did_you_mean(name, by_name) or f"regions: {', '.join(stack.regions)}"
        raise UsageError(f"the stack has no region {name!r}", hint=hint)
    return by_name[name]


def _urls(region: RegionEntry) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_STS": region.sts_url,
        "AWS_ENDPOINT_URL_IAM": region.iam_url,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": region.secretsmanager_url,
        "AWS_ENDPOINT_URL_CLOUDFORMATION": region.iam_url,
    }


def _ways(stack: StackFile, stands: RegionEntry) -> dict[str, str]:
    """The proxy for clients where this one stands: on its machine, else in the region chosen. Raises UsageError."""
    if not stands.proxy_url:
        raise UsageError(f"stack {stack.stack} has no proxy", hint=hints.NEW_STACK)
    return {"HTTPS_PROXY": stands.proxy_url, "NO_PROXY": NOT_BY_PROXY}


def _container(stack: StackFile, base: str, machine: str) -> dict[str, str]:
    """Of any machine, also of one of a scale set, which has no entry of its own."""
    host = base.removesuffix(f"/{machine}")
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": host + ecs_path(stack.control_token, machine),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": authorization_token(stack.control_token, machine),
    }


def inside_variables(stack: StackFile, machine: str) -> dict[str, str]:
    """The environment with which SDKs take a container on the stack's network for a process on `machine`.

    Raises UsageError when the stack has no such network or machine.
    """
    known = find_machine(stack, machine)
    urls = inside_of(stack).urls
    base = f"{urls[f'{known.region}.host']}/{machine}"
    found = {"BROWNOUT_STACK": stack.stack}
    if "azure" in stack.vendors:
        found |= {"AZURE_TENANT_ID": stack.tenant_id, "AZURE_SUBSCRIPTION_ID": stack.subscription_id}
        found["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = base
    if "aws" in stack.vendors:
        found |= {
            "AWS_REGION": stack.regions[known.region].aws_name,
            "AWS_DEFAULT_REGION": stack.regions[known.region].aws_name,
            "AWS_ENDPOINT_URL_STS": urls[f"{known.region}.token.z1"],
            "AWS_ENDPOINT_URL_IAM": urls[f"{known.region}.management"],
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": urls[f"{known.region}.vault"],
            "AWS_ENDPOINT_URL_CLOUDFORMATION": urls[f"{known.region}.management"],
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": base,
        }
    return found


def inside_of(stack: StackFile) -> InsideEntry:
    """The entry for the user's own containers; raises UsageError when the stack does not run in containers."""
    if stack.inside is None:
        hint = "bring one up with `brownout up --world compose`"
        raise UsageError(f"stack {stack.stack} runs in the world {stack.world}, which containers cannot join", hint=hint)
    return stack.inside


def find_machine(stack: StackFile, name: str) -> MachineEntry:
    """The machine's entry, or that of its scale set; raises UsageError."""
    if name in stack.machines and not stack.machines[name].scale_set:
        return stack.machines[name]
    base, _, number = name.rpartition("_")
    if base in stack.machines and stack.machines[base].scale_set and number.isdigit():
        return stack.machines[base]
    if name in stack.machines:
        raise UsageError(f"{name} is a scale set", hint=f"name one of its machines, such as {name}_1")
    hint = did_you_mean(name, stack.machines) or f"machines: {', '.join(stack.machines)}"
    raise UsageError(f"the stack has no machine {name!r}", hint=hint)
