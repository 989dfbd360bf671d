"""Every kind of record that the directory keeps of an account."""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.aws.records import credentials, delegation, policies, principals, providers, published, reports, settings
from brownout.identity.aws.records.tables import RecordKind

KINDS: tuple[RecordKind, ...] = (
    principals.User,
    principals.Group,
    principals.Role,
    principals.InstanceProfile,
    principals.LastUsed,
    policies.ManagedPolicy,
    policies.PolicyUse,
    providers.OidcProvider,
    providers.SamlProvider,
    credentials.AccessKey,
    credentials.Revocation,
    credentials.LoginProfile,
    credentials.MfaDevice,
    credentials.SshPublicKey,
    credentials.SigningCertificate,
    credentials.ServerCertificate,
    credentials.ServiceCredential,
    credentials.UserCredentials,
    credentials.Secret,
    published.RegionalLogin,
    published.LearnedKey,
    settings.AccountSettings,
    settings.Lineage,
    settings.SealingKey,
    reports.CredentialReport,
    reports.AccessJob,
    delegation.DelegationRequest,
)
BY_NAME: Mapping[str, RecordKind] = {kind.KIND: kind for kind in KINDS}
