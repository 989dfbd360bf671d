"""Service accounts of pods: who signs their tokens, whom those are about, and the words with which they are exchanged.

Wire facts: docs/reference/azure-wire.md#workload-identity.
"""

from __future__ import annotations

import hashlib

from brownout.identity.core.records import Machine
from brownout.identity.core.topology import REGIONS, StackSpec

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"
NAMESPACE = "default"


def cluster_issuer(stack: StackSpec, region: str) -> str:
    """The issuer of service account tokens of the region's cluster."""
    made = hashlib.sha256(f"{stack.tenant_id} {region} cluster".encode()).hexdigest()
    cluster = "-".join((made[:8], made[8:12], f"4{made[13:16]}", f"a{made[17:20]}", made[20:32]))
    return f"https://{REGIONS[region].azure_name}.oic.prod-aks.azure.com/{stack.tenant_id}/{cluster}/"


def service_account(machine: Machine) -> str:
    """The service account of the pods on a machine: called as the machine, those of a scale set's machines as the scale set."""
    of_resource = machine.resource_id.rpartition("/")[2]
    is_instance = machine.name.lower() != of_resource.lower()
    return (of_resource if is_instance else machine.address or machine.name).lower()


def subject_of(account: str) -> str:
    """What a token of that service account says that it is about."""
    return f"system:serviceaccount:{NAMESPACE}:{account}"
