"""Tags of everything in IAM that can have some: three operations for each kind, which differ in how the tagged thing is found.

Wire facts: docs/reference/aws-wire.md#tags-in-iam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import known_role, known_user
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.known import known_policy, own_policy
from brownout.identity.aws.control.operations.providers.oidc import known_oidc_provider
from brownout.identity.aws.control.operations.providers.saml import known_saml_provider
from brownout.identity.aws.control.operations.roles.instance_profiles import known_profile
from brownout.identity.aws.control.operations.tags import tag_list, with_tags, without_tags
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import no_such_entity
from brownout.identity.aws.records.credentials import MfaDevice, ServerCertificate
from brownout.identity.aws.records.policies import ManagedPolicy
from brownout.identity.aws.records.principals import InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider, SamlProvider

TaggedRecord = User | Role | ManagedPolicy | InstanceProfile | OidcProvider | SamlProvider | MfaDevice | ServerCertificate
FindTagged = Callable[[Transaction, str], TaggedRecord]


@dataclass(frozen=True, slots=True)
class Taggable:
    """One kind of thing with tags: the parameter that names it, how it is found, and how it is found to be changed."""

    parameter: str
    find: FindTagged
    find_own: FindTagged


def _known_mfa_device(tx: Transaction, serial_number: str) -> MfaDevice:
    found = tx.get(MfaDevice, serial_number)
    if found is None:
        raise no_such_entity(f"VirtualMFADevice with serial number {serial_number} doesn't exist.")
    return found


def _known_server_certificate(tx: Transaction, name: str) -> ServerCertificate:
    found = tx.get(ServerCertificate, name.lower())
    if found is None:
        raise no_such_entity(f"The Server Certificate with name {name} cannot be found.")
    return found


TAGGABLE: Mapping[str, Taggable] = {
    "InstanceProfile": Taggable("InstanceProfileName", known_profile, known_profile),
    "MFADevice": Taggable("SerialNumber", _known_mfa_device, _known_mfa_device),
    "OpenIDConnectProvider": Taggable("OpenIDConnectProviderArn", known_oidc_provider, known_oidc_provider),
    "Policy": Taggable("PolicyArn", known_policy, own_policy),
    "Role": Taggable("RoleName", known_role, known_role),
    "SAMLProvider": Taggable("SAMLProviderArn", known_saml_provider, known_saml_provider),
    "ServerCertificate": Taggable("ServerCertificateName", _known_server_certificate, _known_server_certificate),
    "User": Taggable("UserName", known_user, known_user),
}


def _enter(kind: str, taggable: Taggable) -> None:
    """Enters the three operations of one kind."""

    @operation(f"Tag{kind}")
    def tag(tx: Transaction, params: OperationParams, caller: Caller) -> None:
        found = taggable.find_own(tx, params[taggable.parameter])
        tx.put(replace(found, tags=with_tags(found.tags, params["Tags"])))

    @operation(f"Untag{kind}")
    def untag(tx: Transaction, params: OperationParams, caller: Caller) -> None:
        found = taggable.find_own(tx, params[taggable.parameter])
        tx.put(replace(found, tags=without_tags(found.tags, params["TagKeys"])))

    @operation(f"List{kind}Tags")
    def list_tags(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
        tags = taggable.find(tx, params[taggable.parameter]).tags
        found = page(params, sorted(tags))
        return found.result("Tags", tag_list({key: tags[key] for key in found.keys}))


for _kind, _taggable in TAGGABLE.items():
    _enter(_kind, _taggable)
