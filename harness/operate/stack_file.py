"""The stack file: everything that a client in any language needs to use a stack that is up. Schema brownout/stack/v1.

It holds the control token, so it is readable by its owner only. `docs/stack-file.md` describes it for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from brownout.harness.base.files import OWNER_ONLY, read_regular, replace_whole
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.models import FrozenModel
from brownout.harness.errors import UsageError
from brownout.harness.world import Endpoints, Inside
from brownout.identity.core.topology import REGIONS, NodeName, StackSpec

SCHEMA: Literal["brownout/stack/v1"] = "brownout/stack/v1"
BYTES_MAX = 50_000_000


class IdentityEntry(FrozenModel):
    """An identity of a machine. `kind` is `system` or `user`."""

    name: str
    kind: str
    client_id: str
    object_id: str
    resource_id: str


class MachineEntry(FrozenModel):
    """A machine: `imds_url` is the value for AZURE_POD_IDENTITY_AUTHORITY_HOST. Of a scale set any `NAME_<digits>` exists."""

    region: str
    zone: str
    resource_id: str
    imds_url: str
    scale_set: bool
    identities: tuple[IdentityEntry, ...]


class RegionEntry(FrozenModel):
    """A region by its three names, with the URLs of what clients use in it."""

    azure_name: str
    aws_name: str
    pair: str
    host_url: str
    management_url: str
    vault_url: str
    entra_urls: tuple[str, ...]


class InsideEntry(FrozenModel):
    """For the user's own containers: the network to join, and the base URLs of the nodes inside of it.

    `docker compose --env-file COMPOSE_VARIABLES` can add services to the stack, such as a load, whose page is then at
    `dashboard_url`.
    """

    network: str
    urls: Mapping[str, str]
    compose_variables: str
    dashboard_url: str


class StackFile(FrozenModel):
    """`stack.json`. `control` maps node names to their control planes, which take `control_token` as bearer token.

    `inside` is None unless the stack runs in containers.
    """

    schema_: Literal["brownout/stack/v1"] = Field(SCHEMA, alias="schema")
    stack: str
    world: str
    clock: Mapping[str, float]
    tenant_id: str
    subscription_id: str
    regions: Mapping[str, RegionEntry]
    machines: Mapping[str, MachineEntry]
    toxiproxy_url: str
    control: Mapping[str, str]
    control_token: str
    user_token: str
    inside: InsideEntry | None = None


def make_stack_file(
    stack_id: str,
    spec: StackSpec,
    *,
    world: str,
    endpoints: Endpoints,
    user_token: str,
    clock: Mapping[str, float],
) -> StackFile:
    """The content of the stack file of a stack that is up."""
    return StackFile(
        schema=SCHEMA,
        stack=stack_id,
        world=world,
        clock=clock,
        tenant_id=spec.tenant_id,
        subscription_id=spec.subscription_id,
        regions={name: _region(name, endpoints.clients) for name in spec.regions},
        machines=_machines(spec, endpoints.clients),
        toxiproxy_url=endpoints.toxiproxy,
        control={node: url + spec.control_path for node, url in endpoints.control.items()},
        control_token=spec.control_token,
        user_token=user_token,
        inside=None if endpoints.inside is None else _inside(endpoints.inside),
    )


def _inside(inside: Inside) -> InsideEntry:
    return InsideEntry(
        network=inside.network,
        urls=inside.urls,
        compose_variables=str(inside.compose_variables),
        dashboard_url=inside.dashboard_url,
    )


def _region(name: str, urls: Mapping[str, str]) -> RegionEntry:
    region = REGIONS[name]
    entra = tuple(url for node, url in urls.items() if NodeName.parse(node).role == "token" and node.startswith(f"{name}."))
    return RegionEntry(
        azure_name=region.azure_name,
        aws_name=region.aws_name,
        pair=region.pair,
        host_url=urls[f"{name}.host"],
        management_url=urls[f"{name}.management"],
        vault_url=urls[f"{name}.vault"],
        entra_urls=entra,
    )


def _machines(spec: StackSpec, urls: Mapping[str, str]) -> dict[str, MachineEntry]:
    found = {}
    for machine in spec.machines:
        identities = tuple(
            IdentityEntry(
                name=known.name,
                kind=known.kind,
                client_id=known.client_id,
                object_id=known.object_id,
                resource_id=known.resource_id,
            )
            for known in map(spec.identity, machine.identities)
        )
        found[machine.name] = MachineEntry(
            region=machine.region,
            zone=machine.zone,
            resource_id=machine.resource_id,
            imds_url=f"{urls[f'{machine.region}.host']}/{machine.name}",
            scale_set=machine.scale_set,
            identities=identities,
        )
    return found


def write_stack_file(path: Path, content: StackFile) -> None:
    """Replaces the file, mode 0600; raises UsageError."""
    try:
        # durable: it is the only place that names the secrets with which clients reach the stack
        replace_whole(path, content.model_dump_json(by_alias=True, indent=2) + "\n", durable=True, mode=OWNER_ONLY)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", hint="name another --stack-file") from error


def read_stack_file(path: Path) -> StackFile:
    """The stack file; raises UsageError when it is missing or not one."""
    try:
        return StackFile.model_validate_json(read_regular(path, bytes_max=BYTES_MAX))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="`brownout up` writes it") from error
    except ValidationError as error:
        raise UsageError(f"{path} is not a stack file of schema {SCHEMA}", hint="`brownout up` writes one") from error


def exports(stack: StackFile, machine: str) -> dict[str, str]:
    """Environment variables with which SDKs take a process for one on `machine` (for one on no machine when empty).

    Raises UsageError for a machine that the stack does not have.
    """
    found = {
        "BROWNOUT_STACK": stack.stack,
        "BROWNOUT_CONTROL_TOKEN": stack.control_token,
        "BROWNOUT_TOXIPROXY_URL": stack.toxiproxy_url,
        "AZURE_TENANT_ID": stack.tenant_id,
        "AZURE_SUBSCRIPTION_ID": stack.subscription_id,
    }
    if stack.inside is not None:
        found["BROWNOUT_COMPOSE_VARIABLES"] = stack.inside.compose_variables
        found["BROWNOUT_DASHBOARD_URL"] = stack.inside.dashboard_url
    if not machine:
        return found
    known = _find_machine(stack, machine)
    base = stack.regions[known.region].host_url
    return found | {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{base}/{machine}"}


def inside_variables(stack: StackFile, machine: str) -> dict[str, str]:
    """The environment with which SDKs take a container on the stack's network for a process on `machine`.

    Raises UsageError when the stack has no such network or machine.
    """
    known = _find_machine(stack, machine)
    return {
        "AZURE_TENANT_ID": stack.tenant_id,
        "AZURE_SUBSCRIPTION_ID": stack.subscription_id,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{inside_of(stack).urls[f'{known.region}.host']}/{machine}",
    }


def inside_of(stack: StackFile) -> InsideEntry:
    """The entry for the user's own containers; raises UsageError when the stack does not run in containers."""
    if stack.inside is None:
        hint = "bring one up with `brownout up --world compose`"
        raise UsageError(f"stack {stack.stack} runs in the world {stack.world}, which containers cannot join", hint=hint)
    return stack.inside


def _find_machine(stack: StackFile, name: str) -> MachineEntry:
    if name in stack.machines and not stack.machines[name].scale_set:
        return stack.machines[name]
    base, _, number = name.rpartition("_")
    if base in stack.machines and stack.machines[base].scale_set and number.isdigit():
        return stack.machines[base]
    if name in stack.machines:
        raise UsageError(f"{name} is a scale set", hint=f"name one of its machines, such as {name}_1")
    hint = did_you_mean(name, stack.machines) or f"machines: {', '.join(stack.machines)}"
    raise UsageError(f"the stack has no machine {name!r}", hint=hint)
