"""The stack file: everything that a client in any language needs to use a stack that is up. Schema brownout/stack/v1.

It holds the control token, so it is readable by its owner only. `docs/stack-file.md` describes it for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from brownout.harness.base.files import OWNER_ONLY, read_regular, replace_whole
from brownout.harness.base.models import FrozenModel
from brownout.harness.errors import UsageError
from brownout.harness.world import EdgeDoors, Endpoints, Inside
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.hosts.containers import authorization_token, ecs_path
from brownout.identity.aws.records.seed import account_of, role_of
from brownout.identity.core.topology import REGIONS, MachineSpec, StackSpec

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
    """A machine: `imds_url` is the value for AZURE_POD_IDENTITY_AUTHORITY_HOST. Of a scale set any `NAME_<digits>` exists.

    The rest is AWS's, empty in a stack without that half: `aws_metadata_url` is the value for
    AWS_EC2_METADATA_SERVICE_ENDPOINT, `aws_role` the machine's role. A machine of a scale set has container credentials of its
    own, so that the set has none.
    """

    region: str
    zone: str
    resource_id: str
    imds_url: str
    scale_set: bool
    identities: tuple[IdentityEntry, ...]
    aws_metadata_url: str = ""
    aws_role: str = ""
    aws_container_credentials_url: str = ""
    aws_container_authorization_token: str = ""


class RegionEntry(FrozenModel):
    """A region by its three names, with the URLs of what clients use in it.

    Those of AWS's services are empty in a stack without that half. `sts_urls` has one URL for each token node; `sts_url` is
    balanced over them where the stack has an edge, else the first of them. `proxy_url` is for clients that stand in the region.
    """

    azure_name: str
    aws_name: str
    pair: str
    host_url: str
    management_url: str
    vault_url: str
    entra_urls: tuple[str, ...]
    sts_url: str = ""
    sts_urls: tuple[str, ...] = ()
    iam_url: str = ""
    signin_url: str = ""
    secretsmanager_url: str = ""
    proxy_url: str = ""


class InsideEntry(FrozenModel):
    """For the user's own containers: the network to join, and the base URLs of the nodes inside of it.

    `docker compose --env-file COMPOSE_VARIABLES` can add services to the stack, such as a load, whose page is then at
    `dashboard_url`.
    """

    network: str
    urls: Mapping[str, str]
    compose_variables: str
    dashboard_url: str


class AwsEntry(FrozenModel):
    """AWS's half: the account with the access key of its first administrator, and what clients of the proxy trust."""

    account_id: str
    access_key_id: str
    secret_access_key: str
    ca_bundle: str


class StackFile(FrozenModel):
    """`stack.json`. `control` maps node names to their control planes, which take `control_token` as bearer token.

    `aws` is None without AWS's half, `inside` unless the stack runs in containers.
    """

    schema_: Literal["brownout/stack/v1"] = Field(SCHEMA, alias="schema")
    stack: str
    world: str
    vendors: tuple[str, ...] = ("azure",)
    home_region: str = "sydney"
    clock: Mapping[str, float]
    tenant_id: str
    subscription_id: str
    aws: AwsEntry | None = None
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
    access_key: Credentials | None = None,
) -> StackFile:
    """The content of the stack file of a stack that is up; with AWS's half `access_key` is its first administrator's."""
    return StackFile(
        schema=SCHEMA,
        stack=stack_id,
        world=world,
        vendors=spec.vendors,
        home_region=spec.home_region,
        clock=clock,
        tenant_id=spec.tenant_id,
        subscription_id=spec.subscription_id,
        aws=None if access_key is None else _aws(spec, access_key, endpoints.edge),
        regions={name: _region(spec, name, endpoints) for name in spec.regions},
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


def _aws(spec: StackSpec, access_key: Credentials, edge: EdgeDoors | None) -> AwsEntry:
    return AwsEntry(
        account_id=account_of(spec),
        access_key_id=access_key.access_key_id,
        secret_access_key=access_key.secret_access_key,
        ca_bundle="" if edge is None else str(edge.ca_bundle),
    )


def _region(spec: StackSpec, name: str, endpoints: Endpoints) -> RegionEntry:
    region, urls = REGIONS[name], endpoints.clients
    tokens = tuple(urls[node] for node in spec.token_nodes(name))
    entry = RegionEntry(
        azure_name=region.azure_name,
        aws_name=region.aws_name,
        pair=region.pair,
        host_url=urls[f"{name}.host"],
        management_url=urls[f"{name}.management"],
        vault_url=urls[f"{name}.vault"],
        entra_urls=tokens,
    )
    if "aws" not in spec.vendors:
        return entry
    balanced = tokens[0] if endpoints.edge is None else endpoints.edge.sts[name]
    return entry.model_copy(
        update={
            "sts_url": balanced,
            "sts_urls": tokens,
            "iam_url": urls[f"{name}.management"],
            "signin_url": balanced,
            "secretsmanager_url": urls[f"{name}.vault"],
            "proxy_url": "" if endpoints.edge is None else endpoints.edge.proxies[name],
        }
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
        entry = MachineEntry(
            region=machine.region,
            zone=machine.zone,
            resource_id=machine.resource_id,
            imds_url=f"{urls[f'{machine.region}.host']}/{machine.name}",
            scale_set=machine.scale_set,
            identities=identities,
        )
        found[machine.name] = _with_aws(entry, spec, machine) if "aws" in spec.vendors else entry
    return found


def _with_aws(entry: MachineEntry, spec: StackSpec, machine: MachineSpec) -> MachineEntry:
    own: dict[str, str] = {"aws_metadata_url": entry.imds_url, "aws_role": role_of(machine.name)}
    if not machine.scale_set:
        host = entry.imds_url.removesuffix(f"/{machine.name}")
        own["aws_container_credentials_url"] = host + ecs_path(spec.control_token, machine.name)
        own["aws_container_authorization_token"] = authorization_token(spec.control_token, machine.name)
    return entry.model_copy(update=own)


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
