"""What IMDS says of the machine itself: instance data, the tenant, the versions.

Of the network it says what can be told of a machine that has none: an address and a name of its own, made from its id.
Wire facts: docs/reference/azure-wire.md#imds-instance-data.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from brownout.identity.azure.hosts.endpoint import Query
from brownout.identity.azure.hosts.request import HEADERS, INSTANCE_VERSIONS, refusal
from brownout.identity.core.messages import Response
from brownout.identity.core.records import Machine

VERSION_ERROR = "Bad request. api-version was {} in the request. For more information refer to aka.ms/azureimds"
SCALE_SETS = "virtualmachinescalesets"
IMAGE: Mapping[str, str] = {  # what every machine runs
    "offer": "0001-com-ubuntu-server-jammy",
    "osType": "Linux",
    "publisher": "canonical",
    "sku": "22_04-lts-gen2",
    "version": "22.04.202407010",
    "vmSize": "Standard_D2s_v5",
}


@dataclass(frozen=True)
class InstanceData:
    """A machine as its instance data shows it."""

    machine: Machine
    location: str
    subscription_id: str
    tenant_id: str

    @cached_property
    def compute(self) -> Mapping[str, Any]:
        """The `compute` part: names, places and the image."""
        machine, resource_id, scale_set = self.machine, self.machine.resource_id, ""
        *_, kind, name = resource_id.split("/")
        if kind.lower() == SCALE_SETS:
            scale_set = name
            resource_id = f"{resource_id}/virtualMachines/{machine.name.rpartition('_')[2]}"
        tags = {str(key): str(value) for key, value in (machine.details.get("tags") or {}).items()}
        return {
            "azEnvironment": "AzurePublicCloud",
            "customData": "",
            "location": self.location,
            "name": machine.name,
            **IMAGE,
            "osProfile": {"adminUsername": "azureuser", "computerName": machine.name, "disablePasswordAuthentication": "true"},
            "placementGroupId": "",
            "platformFaultDomain": "0",
            "platformUpdateDomain": "0",
            "provider": "Microsoft.Compute",
            "resourceGroupName": machine.scope,
            "resourceId": resource_id,
            "subscriptionId": self.subscription_id,
            "tags": ";".join(f"{key}:{value}" for key, value in tags.items()),
            "tagsList": [{"name": key, "value": value} for key, value in tags.items()],
            "userData": "",
            "vmId": str(uuid.UUID(bytes=_marker(resource_id), version=4)),
            "vmScaleSetName": scale_set,
            "zone": machine.zone.removeprefix("z"),
        }

    @cached_property
    def network(self) -> Mapping[str, Any]:
        """The `network` part: one interface."""
        marker = _marker(str(self.compute["resourceId"]))
        private = {"privateIpAddress": f"10.{marker[0]}.{marker[1]}.{marker[2]}", "publicIpAddress": ""}
        ipv4 = {"ipAddress": [private], "subnet": [{"address": f"10.{marker[0]}.0.0", "prefix": "16"}]}
        mac = "000D3A" + marker[3:6].hex().upper()
        return {"interface": [{"ipv4": ipv4, "ipv6": {"ipAddress": []}, "macAddress": mac}]}


def _marker(resource_id: str) -> bytes:
    """Bytes that are a machine's own, always the same."""
    return hashlib.sha256(resource_id.lower().encode()).digest()[:16]


def page(path: str, query: Query, seen: InstanceData) -> Response:
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
        return Response(200, {"tenantId": seen.tenant_id}, HEADERS)
    return _instance(path, {"compute": seen.compute, "network": seen.network}, as_text=query.get("format") == "text")


def _instance(path: str, data: Mapping[str, Any], *, as_text: bool) -> Response:
    """A part of the instance data: one with names as JSON, a list as JSON too, a single value as text."""
    found: Any = data
    for word in path.split("/")[1:]:
        found = _below(found, word)
        if found is None:
            return refusal(404, "not_found", f"/metadata/{path}")
    if isinstance(found, Mapping):
        return Response(200, found, HEADERS)
    if isinstance(found, list):
        lines = ((b"content-type", b"application/json; charset=utf-8"), _SERVER_LINE)
        return Response.raw(200, lines, json.dumps(found).encode())
    if not as_text:
        return refusal(400, "bad_request", "Requests for a single value need format=text")
    lines = ((b"content-type", b"text/plain; charset=utf-8"), _SERVER_LINE)
    return Response.raw(200, lines, str(found).encode())


def _below(data: Any, word: str) -> Any:
    """What is called `word` in a part of the data; lists count from 0; None for nothing."""
    if isinstance(data, Mapping):
        return data.get(word)
    if isinstance(data, list) and word.isascii() and word.isdigit() and int(word) < len(data):
        return data[int(word)]
    return None


_SERVER_LINE = (b"server", HEADERS["server"].encode())
