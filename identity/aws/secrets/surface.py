"""Secrets Manager on the vault: signed JSON requests, judged with the region's account alone.

Order of refusals as in the real service: an unknown operation, an unknown caller, parameters that break a constraint, what
the caller may not do. Wire facts: docs/reference/aws-wire.md#json-requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from inspect import iscoroutinefunction

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.answers import render
from brownout.identity.aws.protocol.calls import AskedOperation, find_operation
from brownout.identity.aws.regional.annex import VENDOR
from brownout.identity.aws.regional.query import refusal
from brownout.identity.aws.regional.surface import AwsSurface
from brownout.identity.aws.secrets import policies, reading, writing
from brownout.identity.aws.secrets.annex import VaultAnnex
from brownout.identity.aws.secrets.call import RunSecrets, SecretsCall, SecretsResult
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.surface import Served

SERVICE = "secretsmanager"
OPERATIONS: Mapping[str, RunSecrets] = {
    "BatchGetSecretValue": reading.batch_get_secret_value,
    "CreateSecret": writing.create_secret,
    "DeleteResourcePolicy": policies.delete_resource_policy,
    "DeleteSecret": writing.delete_secret,
    "DescribeSecret": reading.describe_secret,
    "GetRandomPassword": reading.get_random_password,
    "GetResourcePolicy": policies.get_resource_policy,
    "GetSecretValue": reading.get_secret_value,
    "ListResourcePolicies": policies.list_resource_policies,
    "ListSecretVersionIds": reading.list_secret_version_ids,
    "ListSecrets": reading.list_secrets,
    "PutResourcePolicy": policies.put_resource_policy,
    "PutSecretValue": writing.put_secret_value,
    "RestoreSecret": writing.restore_secret,
    "TagResource": writing.tag_resource,
    "UntagResource": writing.untag_resource,
    "UpdateSecret": writing.update_secret,
    "UpdateSecretVersionStage": writing.update_secret_version_stage,
    "ValidateResourcePolicy": policies.validate_resource_policy,
}

AT_ONCE = frozenset(name for name, run in OPERATIONS.items() if not iscoroutinefunction(run))


class SecretsManager(AwsSurface):
    """The surface of Secrets Manager."""

    def __init__(self, node: Vault) -> None:
        annex = node.annexes[VENDOR]
        assert isinstance(annex, VaultAnnex), "a vault has the account and its secrets"
        super().__init__(annex, SERVICE, OPERATIONS)
        self._annex = annex

    def takes(self, request: Request) -> bool:
        return "x-amz-target" in request.headers or request.media_type.startswith("application/x-amz-json")

    def at_once(self, request: Request) -> Served | None:
        """The answer of an operation that waits for nothing, as that of reading a secret: `serve` without a coroutine."""
        annex = self._annex
        if annex.node.capacity.on:
            return None
        try:
            asked = find_operation(self.service, request)
        except AwsError:
            return None
        if asked.operation.name not in AT_ONCE:
            return None
        request_id = annex.node.ports.new_id()
        try:
            result = self._run(request, asked)
            assert not isinstance(result, Awaitable), asked.operation.name
            response = render(asked.operation, result, request_id)
        except AwsError as refused:
            response = refusal(annex, self.service, refused, request_id)
        return Served(response, annex.hop())

    async def answer(self, request: Request, asked: AskedOperation, request_id: str) -> tuple[Response, str]:
        result = self._run(request, asked)
        if isinstance(result, Awaitable):
            result = await result
        return render(asked.operation, result, request_id), ""

    def _run(self, request: Request, asked: AskedOperation) -> SecretsResult | Awaitable[SecretsResult]:
        """What the operation makes of the request; raises AwsError."""
        caller = self._annex.authenticate(request, SERVICE, (self._annex.aws_region,))
        call = SecretsCall(self._annex, caller, self._annex.facts(request), asked.operation.action, asked.call().params)
        return OPERATIONS[asked.operation.name](call)
