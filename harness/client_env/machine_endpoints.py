"""The token endpoints of Azure's machines for unmodified SDKs: the variables that lead a process there, and files it needs.

Which variables an SDK finds decides which kind of host it takes itself to be on. Two kinds need a file on the machine: the key
that the Arc agent's challenge names, at the one place where clients look for it, and the token of a pod's service account. Both
are taken from the machine's host, and go when the stack goes down.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from brownout.harness.base import hints
from brownout.harness.base.files import OWNER_ONLY, replace_whole
from brownout.harness.base.statedir import existing_stack_dir, note_outside
from brownout.harness.client_env.stack_file import MachineEntry, RegionEntry, StackFile
from brownout.harness.errors import UsageError, WorldError
from brownout.identity.azure.hosts.endpoint import (
    APP_SERVICE,
    APP_SERVICE_2017,
    ARC,
    CLOUD_SHELL,
    IMDS,
    SERVICE_FABRIC,
    VM_EXTENSION,
    WORKLOAD_IDENTITY,
)
from brownout.identity.azure.hosts.probes import endpoint_path
from brownout.identity.azure.machine_secrets import ARC_TOKENS, SERVICE_ACCOUNT_FILE, endpoint_secret

ENDPOINTS = (
    *(IMDS, APP_SERVICE, APP_SERVICE_2017, VM_EXTENSION, SERVICE_FABRIC, ARC, CLOUD_SHELL),
    WORKLOAD_IDENTITY,
)
NAMES = (  # what may be set from another time, and would make an SDK take another kind of host for meant
    *("AZURE_POD_IDENTITY_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT"),
    *("IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID"),
)
TIMEOUT_S = 10.0


def variables(
    stack: StackFile, region: RegionEntry, entry: MachineEntry, machine: str, base: str, endpoint: str
) -> dict[str, str]:
    """The variables of a process on `machine`, which is at `base`, for one kind of endpoint; raises UsageError.

    `entry` is the machine's, or that of its scale set, and `region` where it is.
    """
    if endpoint == IMDS:
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": base}
    if endpoint == WORKLOAD_IDENTITY:
        return _workload(stack, region, entry, machine)
    kind = APP_SERVICE if endpoint == APP_SERVICE_2017 else endpoint
    url, secret = f"{base}/{endpoint_path(kind)}", endpoint_secret(stack.control_token, kind, machine)
    if endpoint == APP_SERVICE:
        return {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": secret}
    if endpoint == APP_SERVICE_2017:
        return {"MSI_ENDPOINT": url, "MSI_SECRET": secret}
    if endpoint == SERVICE_FABRIC:
        if stack.tls is None or not region.tls_host_url:
            raise UsageError(
                f"stack {stack.stack} has no doors with TLS, which clients of Service Fabric want", hint=hints.NEW_STACK
            )
        url = f"{region.tls_host_url}/{machine}/{endpoint_path(kind)}"
        found = {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": secret}
        return found | {"IDENTITY_SERVER_THUMBPRINT": stack.tls.thumbprint}
    if endpoint == ARC:
        return {"IDENTITY_ENDPOINT": url, "IMDS_ENDPOINT": f"{base}/arc"}
    return {"MSI_ENDPOINT": url}


def _workload(stack: StackFile, region: RegionEntry, entry: MachineEntry, machine: str) -> dict[str, str]:
    identity = next((known for known in entry.identities if known.kind == "user"), None)
    if identity is None:
        hint = "name a machine that has one, such as batch"
        raise UsageError(f"{machine} has no user-assigned identity, which alone can have federated credentials", hint=hint)
    if not region.tls_entra_url:
        raise UsageError(f"stack {stack.stack} has no Entra with TLS, which this exchange needs", hint=hints.NEW_STACK)
    return {"AZURE_CLIENT_ID": identity.client_id, "AZURE_FEDERATED_TOKEN_FILE": str(_token_file(stack, machine))}


def write_files(stack: StackFile, entry: MachineEntry, machine: str, endpoint: str) -> None:
    """Writes the files that clients of that kind read on `machine`; raises UsageError and WorldError."""
    if endpoint not in (ARC, WORKLOAD_IDENTITY):
        return
    files = _files_of(stack, entry, machine)
    if endpoint == WORKLOAD_IDENTITY:
        token = files.get(SERVICE_ACCOUNT_FILE)
        if token is None:
            raise WorldError(f"no token node of {entry.region} signs a token for {machine}", hint="`brownout status` says why")
        _write(_token_file(stack, machine), token)
        return
    folder = _folder_of(stack)
    for path, content in files.items():
        if path.startswith(ARC_TOKENS):
            note_outside(folder, Path(path))
            _write(Path(path), content)


def _files_of(stack: StackFile, entry: MachineEntry, machine: str) -> Mapping[str, str]:
    """The machine's files, as its host shows them."""
    import httpx  # few clients ask for files, and every command that reaches a stack imports this module

    url = f"{stack.control[f'{entry.region}.host']}/admin/azure/files"
    headers = {"authorization": f"Bearer {stack.control_token}"}
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT_S, headers=headers) as client:
            answer = client.get(url, params={"machine": machine})
            answer.raise_for_status()
            files: Mapping[str, str] = answer.json()["files"]
    except (httpx.HTTPError, KeyError, ValueError) as failed:
        raise WorldError(f"the host of {machine} does not show its files: {failed}", hint="`brownout status`") from failed
    return files


def _folder_of(stack: StackFile) -> Path:
    folder = existing_stack_dir(stack.stack)
    if folder is None:
        hint = "use the state folder (BROWNOUT_HOME) of the `brownout up` that made it"
        raise UsageError(f"stack {stack.stack} is none of this state folder's, so its files would stay for ever", hint=hint)
    return folder


def _token_file(stack: StackFile, machine: str) -> Path:
    return _folder_of(stack) / "machines" / machine / Path(SERVICE_ACCOUNT_FILE).name


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(path, content, durable=False, mode=OWNER_ONLY)
    except OSError as failed:
        hint = "only root can be a client of Arc's agent" if str(path).startswith(ARC_TOKENS) else ""
        raise UsageError(f"{path} cannot be written: {failed.strerror}", hint=hint) from failed
