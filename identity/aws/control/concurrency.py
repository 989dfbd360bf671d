"""Changes of one thing at the same time, which IAM refuses to some operations as ConcurrentModification.

Two calls are at the same time when the second comes before the change of the first is durable. The second would be made on
top of the first, so nothing is lost either way; operations whose model has the error are refused as they are by IAM, and
clients have to repeat them themselves (docs/reference/aws-wire.md#concurrent-modification).
"""

from __future__ import annotations

from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.credentials import MfaDevice, ServerCertificate, SigningCertificate
from brownout.identity.aws.records.delegation import DelegationRequest
from brownout.identity.aws.records.policies import ManagedPolicy
from brownout.identity.aws.records.principals import InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider, SamlProvider
from brownout.identity.aws.records.tables import RecordKind, Tables

ENTITIES: tuple[RecordKind, ...] = (
    User,
    Role,
    InstanceProfile,
    ManagedPolicy,
    OidcProvider,
    SamlProvider,
    MfaDevice,
    ServerCertificate,
    SigningCertificate,
    DelegationRequest,
)
TAGGED = (
    "InstanceProfile",
    "MFADevice",
    "OpenIDConnectProvider",
    "Policy",
    "Role",
    "SAMLProvider",
    "ServerCertificate",
    "User",
)
REFUSED = frozenset(
    {
        *(f"{verb}{kind}" for verb in ("Tag", "Untag") for kind in TAGGED),
        *(f"{verb}{kind}" for verb in ("Create", "Delete") for kind in ("AccountAlias", "Role", "User", "VirtualMFADevice")),
        *(f"{verb}{kind}" for verb in ("Create", "Delete") for kind in ("OpenIDConnectProvider", "SAMLProvider")),
        *(f"{verb}DelegationRequest" for verb in ("Accept", "Associate", "Create", "Reject", "Update")),
        "AddClientIDToOpenIDConnectProvider",
        "CreateInstanceProfile",
        "CreatePolicy",
        "DeactivateMFADevice",
        "DeleteSigningCertificate",
        "EnableMFADevice",
        "RemoveClientIDFromOpenIDConnectProvider",
        "ResyncMFADevice",
        "SendDelegationToken",
        "UpdateOpenIDConnectProvider",
        "UpdateOpenIDConnectProviderThumbprint",
        "UpdateSAMLProvider",
        "UpdateUser",
        "UploadServerCertificate",
        "UploadSigningCertificate",
    }
)


def check_concurrent(action: str, tx: Transaction, durable: Tables) -> None:
    """Raises ConcurrentModification where the operation changes what another change is under way for."""
    if action in REFUSED and tx.base is not durable and _is_under_way(tx, durable):
        text = (
            "The request was rejected because multiple requests to change this object were submitted simultaneously."
            " Wait a few minutes and submit your request again."
        )
        raise AwsError.of("ConcurrentModification", text)


def _is_under_way(tx: Transaction, durable: Tables) -> bool:
    """True when the transaction changes an entity that is not durable as the transaction found it."""
    return any(
        tx.base.table(kind).get(key) is not durable.table(kind).get(key)
        for kind in ENTITIES
        for key in tx.changes.get(kind, ())
    )
