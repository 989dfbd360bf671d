"""Values that the members of AWS's calls may well have, and bodies that Azure's and the stack's own pages know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from brownout.identity.aws.protocol.shapes import Shape

DOCUMENT = {
    "Version": "2012-10-17",
    "Id": "x",
    "Statement": [
        {
            "Sid": "A",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root", "Service": ["ec2.amazonaws.com"]},
            "Action": ["sts:AssumeRole", "s3:Get*"],
            "Resource": "*",
            "Condition": {"StringLike": {"aws:username": ["a*", "${aws:username}"]}, "Bool": {"aws:SecureTransport": "true"}},
        },
        {
            "Effect": "Deny",
            "NotAction": "iam:*",
            "NotResource": ["arn:aws:s3:::b/*"],
            "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        },
    ],
}
TEMPLATE = {
    "Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": DOCUMENT, "RoleName": "r"}}}
}
ARM_BODY: Mapping[str, Any] = {
    "location": "australiaeast",
    "tags": {"a": "b"},
    "sku": {"name": "Standard_B1s", "capacity": 2},
    "properties": {
        "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "principalId": "11111111-1111-1111-1111-111111111111",
        "principalType": "ServicePrincipal",
        "condition": "",
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": "repo:a/b:ref:refs/heads/main",
        "audiences": ["api://AzureADTokenExchange"],
        "roleName": "Mine",
        "type": "CustomRole",
        "permissions": [
            {"actions": ["*/read"], "notActions": [], "dataActions": ["Microsoft.KeyVault/*"], "notDataActions": []}
        ],
        "assignableScopes": ["/subscriptions/s"],
        "upgradePolicy": {"mode": "Manual"},
        "virtualMachineProfile": {"osProfile": {"computerNamePrefix": "a"}},
        "hardwareProfile": {"vmSize": "Standard_B1s"},
        "instanceIds": ["0", "*"],
    },
    "instanceIds": ["0", "*"],
}
SECRET = {
    "value": "v",
    "contentType": "t",
    "attributes": {"enabled": True, "nbf": 1, "exp": 2_000_000_000},
    "tags": {"a": "b"},
}
RECORD: Mapping[str, Any] = {
    "build": "1.0",
    "force_managed_key": True,
    "version": 5,
    "lines": [{"id": "a", "version": 1}],
    "identities": [],
    "object_id": "a",
    "key": "k",
    "identity": {"object_id": "a", "client_id": "b", "name": "c", "resource_id": "/x"},
    "deleted": False,
    "key_id": "k",
    "change": {"kind": "x", "key": "k"},
}
SWITCH: Mapping[str, Any] = {
    "ahead_s": 5,
    "regions": ["melbourne"],
    "status": 503,
    "share": 0.5,
    "at_once": 1,
    "queue": 1,
    "key_id": "k",
    "machine": "web",
    "seconds": 1,
    "identity": "app-id",
    "lag_s": 5,
    "interval_s": 5,
    "names": ["sts"],
    "kind": "nxdomain",
    "user": "admin",
    "operations": ["GetUser"],
}


def fields_of(shape: Shape, prefix: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Fields of the query protocol for each member that the shape has, three levels down at most."""
    if shape.is_scalar:
        yield prefix, _scalar(shape, prefix)
    elif depth < 3 and shape.type == "structure":
        for member in shape.members:
            yield from fields_of(member.shape, f"{prefix}.{member.wire}" if prefix else member.wire, depth + 1)
    elif depth < 3 and shape.type == "list" and shape.element is not None:
        yield from fields_of(shape.element, f"{prefix}.member.1", depth + 1)
    elif depth < 3 and shape.type == "map" and shape.element is not None:
        yield f"{prefix}.entry.1.key", "k"
        yield from fields_of(shape.element, f"{prefix}.entry.1.value", depth + 1)


def json_of(shape: Shape, depth: int = 0) -> Any:
    if shape.is_scalar:
        return {"integer": 7, "long": 7, "boolean": True}.get(shape.type, "sample")
    if depth > 3:
        return None
    if shape.type == "structure":
        return {member.name: json_of(member.shape, depth + 1) for member in shape.members}
    if shape.type == "list" and shape.element is not None:
        return [json_of(shape.element, depth + 1)]
    return {"k": "v"}


def _scalar(shape: Shape, name: str) -> str:
    """A value that the field may well have."""
    last = name.rpartition(".")[2]
    if "Document" in last or (last.startswith("Policy") and "Arn" not in last and "Name" not in last):
        return json.dumps(DOCUMENT)
    if last == "TemplateBody":
        return json.dumps(TEMPLATE)
    if last.endswith(("Arn", "ARN")):
        return "arn:aws:iam::aws:policy/ReadOnlyAccess" if "Policy" in last else "arn:aws:iam::123456789012:role/app"
    known = {"UserName": "someone", "RoleName": "app", "AccountId": "123456789012", "DurationSeconds": "900", "MaxItems": "10"}
    kinds = {
        "integer": "7",
        "long": "7",
        "boolean": "true",
        "timestamp": "2025-01-01T00:00:00Z",
        "blob": "AAAA",
        "double": "0.5",
    }
    return known.get(last) or kinds.get(shape.type, "sample")
