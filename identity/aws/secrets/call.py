"""One call of an operation of Secrets Manager, as the operations see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.context import EMPTY, RequestFacts, tag_keys
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.regional.annex import RequestKeys
from brownout.identity.aws.secrets.annex import VaultAnnex
from brownout.identity.aws.secrets.stored import StoredSecret

SecretsResult = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SecretsCall:
    """A call that was understood and authenticated."""

    annex: VaultAnnex
    caller: Caller
    facts: RequestFacts
    action: str
    params: Params

    @property
    def now_s(self) -> float:
        return self.facts.now_s

    def new_id(self) -> str:
        return self.annex.node.ports.new_id()

    def authorize(self, resource: str, keys: RequestKeys = EMPTY, *, policy: str = "") -> None:
        """Raises AwsError AccessDenied unless the caller may do this call's action to `resource`, which has that policy."""
        document = parse_document(policy, "resource") if policy else None
        self.annex.authorize(self.caller, self.action, resource, self.facts, keys, resource_policy=document)

    def secret(self, *, also_deleted: bool = False, keys: RequestKeys = EMPTY) -> StoredSecret:
        """The secret that the parameter SecretId means, once the caller is known to be allowed; raises AwsError.

        Whether there is such a secret stays hidden from callers who may not act on it. With `also_deleted` one whose deletion
        was asked for is found too.
        """
        secret_id = str(self.params["SecretId"])
        found = self.annex.find(secret_id)
        if found is None:
            self.authorize(secret_id if secret_id.startswith("arn:") else self.annex.arn_of(secret_id), keys)
            raise not_found()
        self.authorize(found.arn, {**conditions(found), **keys}, policy=found.policy)
        if found.is_deleted and not also_deleted:
            raise invalid_request("You can't perform this operation on the secret because it was marked for deletion.")
        return found

    def doing(self, action: str, params: Params) -> SecretsCall:
        """The same caller's call of another operation."""
        return replace(self, action=action, params=params)


RunSecrets = Callable[[SecretsCall], SecretsResult | Awaitable[SecretsResult]]


def conditions(secret: StoredSecret) -> RequestKeys:
    """The condition keys that a secret brings along."""
    tags = {**tag_keys("aws:ResourceTag", secret.tags), **tag_keys("secretsmanager:ResourceTag", secret.tags)}
    return {"secretsmanager:SecretId": secret.arn, **tags}


def not_found(what: str = "") -> AwsError:
    """`what` completes the sentence for a version; without it the secret itself is not there."""
    text = f"Secrets Manager can't find the specified secret{f' value for {what}' if what else ''}."
    return AwsError.of("ResourceNotFoundException", text)


def invalid_request(message: str) -> AwsError:
    return AwsError.of("InvalidRequestException", message)


def invalid_parameter(message: str) -> AwsError:
    return AwsError.of("InvalidParameterException", message)


def already_exists(message: str) -> AwsError:
    return AwsError.of("ResourceExistsException", message)
