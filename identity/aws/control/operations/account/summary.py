"""GetAccountSummary: how much of everything the account has, and how much it may have.

Wire facts: docs/reference/aws-wire.md#the-account.
"""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import owned_by
from brownout.identity.aws.control.operations.credentials.access_keys import MOST_ACCESS_KEYS
from brownout.identity.aws.control.operations.credentials.server_certificates import MOST_CERTIFICATES
from brownout.identity.aws.control.operations.credentials.signing_certificates import (
    MOST_CERTIFICATES as MOST_SIGNING_CERTIFICATES,
)
from brownout.identity.aws.control.operations.policies.attachments import MOST_ATTACHED
from brownout.identity.aws.control.operations.policies.managed import MOST_POLICIES
from brownout.identity.aws.control.operations.roles.roles import MOST_ROLES
from brownout.identity.aws.control.operations.users.groups import MOST_GROUPS, MOST_GROUPS_OF_USER
from brownout.identity.aws.control.operations.users.users import MOST_USERS
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import MfaDevice, ServerCertificate
from brownout.identity.aws.records.policies import ManagedPolicy
from brownout.identity.aws.records.principals import Group, InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider, SamlProvider
from brownout.identity.aws.records.settings import AccountSettings


@operation("GetAccountSummary")
def get_account_summary(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    return {"SummaryMap": {**_counts(tx), **_quotas()}}


def _counts(tx: Transaction) -> dict[str, int]:
    devices, policies = tx.table(MfaDevice), tx.table(ManagedPolicy)
    return {
        "Users": len(tx.table(User)),
        "Groups": len(tx.table(Group)),
        "Roles": len(tx.table(Role)),
        "InstanceProfiles": len(tx.table(InstanceProfile)),
        "Policies": len(policies),
        "PolicyVersionsInUse": sum(len(policy.versions) for policy in policies.values()),
        "Providers": len(tx.table(OidcProvider)) + len(tx.table(SamlProvider)),
        "ServerCertificates": len(tx.table(ServerCertificate)),
        "MFADevices": len(devices),
        "MFADevicesInUse": sum(bool(device.user_name) for device in devices.values()),
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 0,
        "AccountAccessKeysPresent": int(bool(owned_by(tx, "").access_keys)),
        "AccountSigningCertificatesPresent": 0,
        "GlobalEndpointTokenVersion": (tx.get(AccountSettings, "") or AccountSettings()).global_token_version,
    }


def _quotas() -> dict[str, int]:
    return {
        "UsersQuota": MOST_USERS,
        "GroupsQuota": MOST_GROUPS,
        "GroupsPerUserQuota": MOST_GROUPS_OF_USER,
        "RolesQuota": MOST_ROLES,
        "InstanceProfilesQuota": 1000,
        "PoliciesQuota": MOST_POLICIES,
        "PolicySizeQuota": 6144,
        "PolicyVersionsInUseQuota": 10_000,
        "VersionsPerPolicyQuota": 5,
        "ServerCertificatesQuota": MOST_CERTIFICATES,
        "AccessKeysPerUserQuota": MOST_ACCESS_KEYS,
        "SigningCertificatesPerUserQuota": MOST_SIGNING_CERTIFICATES,
        "AssumeRolePolicySizeQuota": 2048,
        "UserPolicySizeQuota": 2048,
        "GroupPolicySizeQuota": 5120,
        "RolePolicySizeQuota": 10_240,
        "AttachedPoliciesPerUserQuota": MOST_ATTACHED,
        "AttachedPoliciesPerGroupQuota": MOST_ATTACHED,
        "AttachedPoliciesPerRoleQuota": MOST_ATTACHED,
    }
