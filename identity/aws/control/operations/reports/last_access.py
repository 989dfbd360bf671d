"""When entities were last used for which service, and which of their policies allow that service.

A job only remembers what it is about. What it finds is read when it is asked for: of users the last use of their access keys,
of roles their own. Wire facts: docs/reference/aws-wire.md#last-accesses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.operations.entities import PolicyHolder, entity_id
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.applied import (
    AppliedPolicy,
    applied_policies,
    holder_of_arn,
    kind_of,
)
from brownout.identity.aws.control.operations.policies.granted import SERVICE_NAMES, granted_services
from brownout.identity.aws.control.operations.policies.known import known_policy
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import no_such_entity
from brownout.identity.aws.records.credentials import UserCredentials
from brownout.identity.aws.records.principals import Group, LastUsed, Role, User
from brownout.identity.aws.records.reports import AccessJob


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """One entity's last use of one service; `used` is None for an entity that never used it."""

    entity: User | Role
    used: LastUsed | None


@operation("GenerateServiceLastAccessedDetails")
def generate_service_last_accessed_details(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    arn = params["Arn"]
    _require_entity(tx, arn)
    job = AccessJob(tx.new_uuid(), arn, params.get("Granularity", "SERVICE_LEVEL"), tx.now_s)
    tx.put(job)
    return {"JobId": job.job_id}


def _require_entity(tx: Transaction, arn: str) -> None:
    """Raises InvalidInput or NoSuchEntity for what is no user, group, role or policy."""
    if ":policy/" in arn:
        known_policy(tx, arn)
    else:
        holder_of_arn(tx, arn)


@operation("GetServiceLastAccessedDetails")
def get_service_last_accessed_details(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    job = _job(tx, params["JobId"])
    services = _services(tx, job.arn)
    entities = list(_entities(tx, job.arn))
    found = page(params, sorted(services))
    shown = [_service_shape(namespace, _accesses(tx, entities, namespace)) for namespace in found.keys]
    return {**found.result("ServicesLastAccessed", shown), **_job_shape(job), "JobType": job.granularity}


@operation("GetServiceLastAccessedDetailsWithEntities")
def get_service_last_accessed_details_with_entities(
    tx: Transaction, params: OperationParams, caller: Caller
) -> OperationResult:
    job = _job(tx, params["JobId"])
    accesses = {each.entity.arn: each for each in _accesses(tx, list(_entities(tx, job.arn)), params["ServiceNamespace"])}
    found = page(params, sorted(accesses))
    return {**found.result("EntityDetailsList", [_entity_shape(accesses[arn]) for arn in found.keys]), **_job_shape(job)}


def _job(tx: Transaction, job_id: str) -> AccessJob:
    found = tx.get(AccessJob, job_id)
    if found is None:
        raise no_such_entity(f"The job with id {job_id} cannot be found.")
    return found


def _job_shape(job: AccessJob) -> OperationResult:
    return {"JobStatus": "COMPLETED", "JobCreationDate": job.created_s, "JobCompletionDate": job.created_s}


def _services(tx: Transaction, arn: str) -> frozenset[str]:
    """The services that the entity's policies, or the policy itself, allow."""
    if ":policy/" in arn:
        return granted_services(known_policy(tx, arn).document)
    holder = holder_of_arn(tx, arn)
    return frozenset(name for policy in applied_policies(tx, holder) for name in granted_services(policy.document))


def _entities(tx: Transaction, arn: str) -> Iterator[User | Role]:
    """Whose use counts: the user or role, a group's members, or all who have the policy attached."""
    if ":policy/" not in arn:
        holder = holder_of_arn(tx, arn)
        if not isinstance(holder, Group):
            yield holder
            return
        yield from (user for user in tx.table(User).values() if holder.name in user.groups)
        return
    groups = {group.name for group in tx.table(Group).values() if arn in group.attached}
    yield from (user for user in tx.table(User).values() if arn in user.attached or groups & set(user.groups))
    yield from (role for role in tx.table(Role).values() if arn in role.attached)


def _accesses(tx: Transaction, entities: list[User | Role], namespace: str) -> list[ServiceAccess]:
    return [ServiceAccess(entity, _last_use(tx, entity, namespace)) for entity in entities]


def _last_use(tx: Transaction, entity: User | Role, namespace: str) -> LastUsed | None:
    subjects: tuple[str, ...] = (f"role/{entity.name}",)
    if isinstance(entity, User):
        owned = tx.get(UserCredentials, entity.table_key)
        subjects = owned.access_keys if owned else ()
    uses = [used for subject in subjects if (used := tx.get(LastUsed, subject)) is not None and used.service == namespace]
    return max(uses, key=lambda used: used.at_s, default=None)


def _service_shape(namespace: str, accesses: list[ServiceAccess]) -> OperationResult:
    used = [(each.used, each.entity) for each in accesses if each.used is not None]
    shape: OperationResult = {
        "ServiceName": SERVICE_NAMES.get(namespace, namespace),
        "ServiceNamespace": namespace,
        "TotalAuthenticatedEntities": len(used),
    }
    if not used:
        return shape
    last, entity = max(used, key=lambda pair: pair[0].at_s)
    return {
        **shape,
        "LastAuthenticated": last.at_s,
        "LastAuthenticatedEntity": entity.arn,
        "LastAuthenticatedRegion": last.region,
    }


def _entity_shape(access: ServiceAccess) -> OperationResult:
    entity = access.entity
    info = {
        "Arn": entity.arn,
        "Name": entity.name,
        "Type": kind_of(entity).upper(),
        "Id": entity_id(entity),
        "Path": entity.path,
    }
    return {"EntityInfo": info, **({} if access.used is None else {"LastAuthenticated": access.used.at_s})}


@operation("ListPoliciesGrantingServiceAccess")
def list_policies_granting_service_access(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    holder = holder_of_arn(tx, params["Arn"])
    found = page(params, sorted(set(params["ServiceNamespaces"])))
    shown = [{"ServiceNamespace": name, "Policies": list(_granting(tx, holder, name))} for name in found.keys]
    return found.result("PoliciesGrantingServiceAccess", shown)


def _granting(tx: Transaction, holder: PolicyHolder, namespace: str) -> Iterator[OperationResult]:
    for policy in applied_policies(tx, holder):
        if namespace in granted_services(policy.document):
            yield _granting_shape(policy)


def _granting_shape(policy: AppliedPolicy) -> OperationResult:
    """A managed policy is told by its ARN, an inline one by its holder."""
    if policy.arn:
        return {"PolicyName": policy.name, "PolicyType": "MANAGED", "PolicyArn": policy.arn}
    holder = {"EntityType": policy.holder_kind.upper(), "EntityName": policy.holder_name}
    return {"PolicyName": policy.name, "PolicyType": "INLINE", **holder}
