"""API versions by resource type. A version that a type does not have is refused, as ARM refuses it.

Source: docs/reference/azure-wire.md#arm-api-versions.
"""

from __future__ import annotations

from collections.abc import Mapping

IDENTITIES = (
    *("2015-08-31-preview", "2018-11-30", "2021-09-30-preview", "2022-01-31-preview"),
    *("2023-01-31", "2023-07-31-preview", "2024-11-30", "2025-01-31-preview", "2025-05-31-preview"),
)
FEDERATED = (
    *("2022-01-31-preview", "2023-01-31", "2023-07-31-preview", "2024-11-30"),
    *("2025-01-31-preview", "2025-05-31-preview"),
)
COMPUTE = (
    *("2017-12-01", "2018-04-01", "2018-06-01", "2018-10-01", "2019-03-01", "2019-07-01", "2019-12-01"),
    *("2020-06-01", "2020-12-01", "2021-03-01", "2021-04-01", "2021-07-01", "2021-11-01"),
    *("2022-03-01", "2022-08-01", "2022-11-01", "2023-03-01", "2023-07-01", "2023-09-01"),
    *("2024-03-01", "2024-07-01", "2024-11-01", "2025-04-01", "2025-11-01", "2026-03-01", "2026-04-01"),
)
RESOURCES = (
    *("2015-11-01", "2016-02-01", "2016-09-01", "2017-05-10", "2018-05-01", "2019-05-01", "2019-05-10", "2019-07-01"),
    *("2019-08-01", "2019-10-01", "2020-06-01", "2020-08-01", "2020-10-01", "2021-01-01", "2021-04-01"),
    *("2022-09-01", "2023-07-01", "2024-03-01", "2024-07-01", "2024-11-01", "2025-03-01", "2025-04-01"),
)
SUBSCRIPTIONS = (
    *("2014-04-01", "2015-11-01", "2016-06-01", "2018-06-01", "2019-06-01", "2019-11-01", "2020-01-01", "2021-01-01"),
    *("2022-09-01", "2022-12-01"),
)
ROLES = (
    *("2015-07-01", "2018-01-01-preview", "2018-07-01", "2020-04-01-preview", "2020-10-01-preview", "2022-04-01"),
    "2022-05-01-preview",
)
ENDPOINTS = ("2015-01-01", "2018-05-01", "2019-05-01", "2020-06-01", "2022-09-01", "2023-11-01")
WITH_ISOLATION = "2023-07-31-preview"  # the first that shows and takes `isolationScope`
WITH_DICTIONARY = "2018-06-01"  # of compute, the first whose identities are a dictionary and not an array

IDENTITY_NAMESPACE, COMPUTE_NAMESPACE = "Microsoft.ManagedIdentity", "Microsoft.Compute"
AUTHORIZATION_NAMESPACE, RESOURCES_NAMESPACE = "Microsoft.Authorization", "Microsoft.Resources"
USER_ASSIGNED = f"{IDENTITY_NAMESPACE}/userAssignedIdentities"
FEDERATED_CREDENTIALS = f"{USER_ASSIGNED}/federatedIdentityCredentials"
SYSTEM_ASSIGNED = f"{IDENTITY_NAMESPACE}/identities"
MACHINES, SCALE_SETS = f"{COMPUTE_NAMESPACE}/virtualMachines", f"{COMPUTE_NAMESPACE}/virtualMachineScaleSets"
INSTANCES = f"{SCALE_SETS}/virtualMachines"
COMPUTE_OPERATIONS = f"{COMPUTE_NAMESPACE}/locations/operations"
ROLE_DEFINITIONS = f"{AUTHORIZATION_NAMESPACE}/roleDefinitions"
ROLE_ASSIGNMENTS = f"{AUTHORIZATION_NAMESPACE}/roleAssignments"
PERMISSIONS = f"{AUTHORIZATION_NAMESPACE}/permissions"
GROUPS = f"{RESOURCES_NAMESPACE}/subscriptions/resourceGroups"

VERSIONS: Mapping[str, tuple[str, ...]] = {
    USER_ASSIGNED: IDENTITIES,
    FEDERATED_CREDENTIALS: FEDERATED,
    SYSTEM_ASSIGNED: IDENTITIES,
    f"{IDENTITY_NAMESPACE}/operations": IDENTITIES,
    MACHINES: COMPUTE,
    SCALE_SETS: COMPUTE,
    INSTANCES: COMPUTE,
    COMPUTE_OPERATIONS: COMPUTE,
    ROLE_DEFINITIONS: ROLES,
    ROLE_ASSIGNMENTS: ROLES,
    PERMISSIONS: ROLES,
    GROUPS: RESOURCES,
    f"{RESOURCES_NAMESPACE}/subscriptions/resources": RESOURCES,
    f"{RESOURCES_NAMESPACE}/subscriptions/operationresults": RESOURCES,
    f"{RESOURCES_NAMESPACE}/subscriptions/providers": RESOURCES,
    f"{RESOURCES_NAMESPACE}/subscriptions": SUBSCRIPTIONS + RESOURCES,
    f"{RESOURCES_NAMESPACE}/subscriptions/locations": SUBSCRIPTIONS + RESOURCES,
    f"{RESOURCES_NAMESPACE}/tenants": SUBSCRIPTIONS + RESOURCES,
    f"{RESOURCES_NAMESPACE}/endpoints": ENDPOINTS,
}
