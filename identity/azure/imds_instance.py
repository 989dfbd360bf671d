"""What IMDS says of the machine itself: instance data, the tenant, the versions.

Wire facts: docs/reference/azure-wire.md#imds-instance-data.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping

from brownout.identity.azure.imds_request import HEADERS, INSTANCE_VERSIONS, Query, refusal
from brownout.identity.core.messages import Response
from brownout.identity.core.records import Machine

VERSION_ERROR = "Bad request. api-version was {} in the request. For more information refer to aka.ms/azureimds"
SCALE_SETS = "virtualmachinescalesets"


def compute_of(machine: Machine, *, location: str, subscription_id: str) -> dict[str, str]:
    """The `compute` part of a machine's instance data."""
    resource_id, scale_set = machine.resource_id, ""
    *_, kind, name = resource_id.split("/")
    if kind.lower() == SCALE_SETS:
        scale_set = name
        resource_id = f"{resource_id}/virtualMachines/{machine.name.rpartition('_')[2]}"
    marker = hashlib.sha256(resource_id.lower().encode()).digest()[:16]
    return {
        "azEnvironment": "AzurePublicCloud",
        "location": location,
        "name": machine.name,
        "resourceGroupName": machine.scope,
        "resourceId": resource_id,
        "subscriptionId": subscription_id,
        "vmId": str(uuid.UUID(bytes=marker, version=4)),
        "vmScaleSetName": scale_set,
        "zone": machine.zone.removeprefix("z"),
    }


def page(path: str, query: Query, compute: Mapping[str, str], tenant_id: str) -> Response:
    """The page `metadata/PATH`. Paths that only newer SDKs try are 404, so that these fall back."""
    if path == "versions":
        return Response(200, {"apiVersions": list(INSTANCE_VERSIONS)}, HEADERS)
    if path != "identity/info" and path.split("/")[0] != "instance":
        return refusal(404, "not_found", f"/metadata/{path}")
    version = query.get("api-version")
    if version not in INSTANCE_VERSIONS:
        problem = VERSION_ERROR.format("invalid" if version else "not specified")
        return Response(400, {"error": problem, "newest-versions": list(INSTANCE_VERSIONS[:-4:-1])}, HEADERS)
    if path == "identity/info":
        return Response(200, {"tenantId": tenant_id}, HEADERS)
    return _instance(path, compute, as_text=query.get("format") == "text")


def _instance(path: str, compute: Mapping[str, str], *, as_text: bool) -> Response:
    if path == "instance":
        return Response(200, {"compute": dict(compute)}, HEADERS)
    if path == "instance/compute":
        return Response(200, compute, HEADERS)
    leaf = compute.get(path.removeprefix("instance/compute/"))
    if leaf is None:
        return refusal(404, "not_found", f"/metadata/{path}")
    if not as_text:
        return refusal(400, "bad_request", "Requests for a single value need format=text")
    lines = ((b"content-type", b"text/plain; charset=utf-8"), (b"server", HEADERS["server"].encode()))
    return Response.raw(200, lines, leaf.encode())
