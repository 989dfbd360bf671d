"""The stack file: everything that a client in any language needs to use a stack that is up. Schema brownout/stack/v1.

It holds the control token, so it is readable by its owner only. `docs/stack-file.md` describes it for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from brownout.harness.base.files import OWNER_ONLY, read_regular, replace_whole
from brownout.harness.base.models import FrozenModel
from brownout.harness.errors import UsageError
from brownout.harness.world import EdgeDoors, Endpoints, Inside, endpoint_names
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.hosts.containers import authorization_token, ecs_path
from brownout.identity.aws.records.seed import account_of, role_of
from brownout.identity.azure.entra.applications import seeded_application, seeded_secret
from brownout.identity.azure.hosts.endpoint import APP_SERVICE, SERVICE_FABRIC
from brownout.identity.azure.hosts.probes import endpoint_path
from brownout.identity.azure.machine_secrets import endpoint_secret
from brownout.identity.azure.names import storage_account, vault_name
from brownout.identity.core.topology import (
    ARM_DOOR,
    ENTRA_DOOR,
    MACHINES_DOOR,
    REGIONS,
    VAULT_DOOR,
    MachineSpec,
    StackSpec,
)

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

    Azure's other endpoints that want a secret follow; empty without Azure's half, and for a scale set, whose machines have
    their own. `service_fabric_url` is empty without doors too. The rest is AWS's, empty in a stack without that half:
    `aws_metadata_url` is the value for AWS_EC2_METADATA_SERVICE_ENDPOINT, `aws_role` the machine's role. A machine of a scale
    set has container credentials of its own, so that the set has none.
    """

    region: str
    zone: str
    resource_id: str
    imds_url: str
    scale_set: bool
    identities: tuple[IdentityEntry, ...]
    app_service_url: str = ""
    app_service_secret: str = ""
    service_fabric_url: str = ""
    service_fabric_secret: str = ""
    aws_metadata_url: str = ""
    aws_role: str = ""
    aws_container_credentials_url: str = ""
    aws_container_authorization_token: str = ""


class RegionEntry(FrozenModel):
    """A region by its three names, with the URLs of what clients use in it.

    Those of AWS's services are empty in a stack without that half. `sts_urls` has one URL for each token node; `sts_url` is
    balanced over them where the stack has an edge, else the first of them. `proxy_url` is for clients that stand in the region.
    The `tls_*` URLs are Azure's, with the certificate of `tls`; empty without that half and where the edge has no doors.
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
    tls_management_url: str = ""
    tls_entra_url: str = ""
    tls_vault_url: str = ""
    tls_blob_url: str = ""
    tls_host_url: str = ""
    vault_name: str = ""
    storage_account: str = ""


class TlsEntry(FrozenModel):
    """What clients trust of a stack with doors (see brownout.harness.world.EdgeDoors), and the names that they can use."""

    ca_bundle: str
    trust_bundle: str
    thumbprint: str
    names: tuple[str, ...] = ()


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


class ApplicationEntry(FrozenModel):
    """The application that a stack with Azure's half comes up with, and its secret, which is made for the run."""

    name: str
    client_id: str
    object_id: str
    client_secret: str


class FaultsEntry(FrozenModel):
    """The API that puts faults on the stack and undoes them: its base URL, and the bearer token of every request."""

    url: str
    token: str


class StackFile(FrozenModel):
    """`stack.json`. `control` maps node names to their control planes, which take `control_token` as bearer token.

    `aws` is None without AWS's half, `application` without Azure's, `tls` where the edge has no doors, `inside` unless the
    stack runs in containers. `faults` is None where the stack belongs to a process, such as a run or a test.
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
    application: ApplicationEntry | None = None
    tls: TlsEntry | None = None
    regions: Mapping[str, RegionEntry]
    machines: Mapping[str, MachineEntry]
    toxiproxy_url: str
    control: Mapping[str, str]
    control_token: str
    user_token: str
    inside: InsideEntry | None = None
    faults: FaultsEntry | None = None


def make_stack_file(
    stack_id: str,
    spec: StackSpec,
    *,
    world: str,
    endpoints: Endpoints,
    user_token: str,
    clock: Mapping[str, float],
    access_key: Credentials | None = None,
    faults: FaultsEntry | None = None,
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
        application=_application(spec) if "azure" in spec.vendors else None,
        tls=None if endpoints.edge is None else _tls(endpoints.edge, spec),
        regions={name: _region(spec, name, endpoints) for name in spec.regions},
        machines=_machines(spec, endpoints.clients, {} if endpoints.edge is None else endpoints.edge.urls[MACHINES_DOOR]),
        toxiproxy_url=endpoints.toxiproxy,
        control={node: url + spec.control_path for node, url in endpoints.control.items()},
        control_token=spec.control_token,
        user_token=user_token,
        inside=None if endpoints.inside is None else _inside(endpoints.inside),
        faults=faults,
    )


def _inside(inside: Inside) -> InsideEntry:
    return InsideEntry(
        network=inside.network,
        urls=inside.urls,
        compose_variables=str(inside.compose_variables),
        dashboard_url=inside.dashboard_url,
    )


def _application(spec: StackSpec) -> ApplicationEntry:
    known = seeded_application(spec).identity
    return ApplicationEntry(
        name=known.name, client_id=known.client_id, object_id=known.object_id, client_secret=seeded_secret(spec)
    )


def _tls(edge: EdgeDoors, spec: StackSpec) -> TlsEntry:
    files = {"ca_bundle": str(edge.ca_bundle), "trust_bundle": str(edge.trust_bundle)}
    return TlsEntry(**files, thumbprint=edge.thumbprint, names=endpoint_names(spec))


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
    own: dict[str, Any] = {} if endpoints.edge is None else {"proxy_url": endpoints.edge.proxies[name]}
    if "aws" in spec.vendors:
        own |= _aws_urls(name, tokens, endpoints)
    if "azure" in spec.vendors:
        own |= _azure_urls(name, endpoints.edge)
    return entry.model_copy(update=own)


def _aws_urls(region: str, tokens: tuple[str, ...], endpoints: Endpoints) -> dict[str, Any]:
    balanced = tokens[0] if endpoints.edge is None else endpoints.edge.sts[region]
    return {
        "sts_url": balanced,
        "sts_urls": tokens,
        "iam_url": endpoints.clients[f"{region}.management"],
        "signin_url": balanced,
        "secretsmanager_url": endpoints.clients[f"{region}.vault"],
    }


def _azure_urls(region: str, edge: EdgeDoors | None) -> dict[str, Any]:
    own = {"vault_name": vault_name(region), "storage_account": storage_account(region)}
    if edge is None:
        return own
    return own | {
        "tls_management_url": edge.urls[ARM_DOOR][region],
        "tls_entra_url": edge.urls[ENTRA_DOOR][region],
        "tls_vault_url": edge.urls[VAULT_DOOR][region],
        # the account is in the path, as Azure's storage clients write the URL of one that has no name of its own
        "tls_blob_url": f"{edge.urls[VAULT_DOOR][region]}/{storage_account(region)}",
        "tls_host_url": edge.urls[MACHINES_DOOR][region],
    }


def _machines(spec: StackSpec, urls: Mapping[str, str], tls_hosts: Mapping[str, str]) -> dict[str, MachineEntry]:
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
        if "azure" in spec.vendors and not machine.scale_set:
            entry = _with_azure(entry, spec, machine.name, tls_hosts.get(machine.region, ""))
        found[machine.name] = _with_aws(entry, spec, machine) if "aws" in spec.vendors else entry
    return found


def _with_azure(entry: MachineEntry, spec: StackSpec, machine: str, tls_host: str) -> MachineEntry:
    fabric = f"{tls_host}/{machine}/{endpoint_path(SERVICE_FABRIC)}" if tls_host else ""
    own = {
        "app_service_url": f"{entry.imds_url}/{endpoint_path(APP_SERVICE)}",
        "app_service_secret": endpoint_secret(spec.control_token, APP_SERVICE, machine),
        "service_fabric_url": fabric,
        "service_fabric_secret": endpoint_secret(spec.control_token, SERVICE_FABRIC, machine),
    }
    return entry.model_copy(update=own)


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
