"""User names and passwords for single services that do not take access keys.

Wire facts: docs/reference/aws-wire.md#service-specific-credentials.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import forget_secret, owned_by, without
from brownout.identity.aws.control.operations.callers import meant_user
from brownout.identity.aws.control.operations.entities import known_user
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError, limit_exceeded, no_such_entity
from brownout.identity.aws.records.credentials import Secret, ServiceCredential
from brownout.identity.aws.records.principals import User

MOST_CREDENTIALS = 2  # of a user for one service
SERVICES = ("codecommit.amazonaws.com", "cassandra.amazonaws.com")


@operation("CreateServiceSpecificCredential")
def create_service_specific_credential(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """The password is told here and at a reset, and never again."""
    user, service = known_user(tx, params["UserName"]), params["ServiceName"]
    if service not in SERVICES:
        raise AwsError.of("NotSupportedService", f"No such service {service} is supported for Service Specific Credentials")
    owned = owned_by(tx, user.name)
    if len(_credentials(tx, user, service)) >= MOST_CREDENTIALS:
        raise limit_exceeded(f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {MOST_CREDENTIALS}")
    number = len(_credentials(tx, user, service))
    service_user_name = f"{user.name}-at-{tx.account_id}" if not number else f"{user.name}+{number}-at-{tx.account_id}"
    made = ServiceCredential(tx.new_id(ids.SERVICE_CREDENTIAL), user.name, service, service_user_name, tx.now_s)
    secret = Secret(made.credential_id, f"{tx.secret()}=")
    tx.put(made, secret, replace(owned, service_credentials=(*owned.service_credentials, made.credential_id)))
    return {"ServiceSpecificCredential": {**_shape(made), "ServicePassword": secret.value}}


def _credentials(tx: Transaction, user: User, service: str = "") -> list[ServiceCredential]:
    """The user's credentials, or those for one service, in the order of their ids."""
    found = [tx.table(ServiceCredential)[each] for each in sorted(owned_by(tx, user.name).service_credentials)]
    return [each for each in found if service in ("", each.service_name)]


def _shape(credential: ServiceCredential) -> OperationResult:
    return {
        "CreateDate": credential.created_s,
        "ServiceName": credential.service_name,
        "ServiceUserName": credential.service_user_name,
        "ServiceSpecificCredentialId": credential.credential_id,
        "UserName": credential.user_name,
        "Status": credential.status,
    }


@operation("ListServiceSpecificCredentials")
def list_service_specific_credentials(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """Those of one user; of all users with `AllUsers`."""
    service = params.get("ServiceName", "")
    if params.get("AllUsers"):
        known = tx.table(ServiceCredential)
        keys = [key for key in known.sorted_keys if service in ("", known[key].service_name)]
    else:
        keys = [each.credential_id for each in _credentials(tx, meant_user(tx, params, caller), service)]
    found = page(params, keys)
    listed = [_shape(tx.table(ServiceCredential)[key]) for key in found.keys]
    return found.result("ServiceSpecificCredentials", listed)


@operation("ResetServiceSpecificCredential")
def reset_service_specific_credential(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    known = _known_credential(tx, params, caller)
    secret = Secret(known.credential_id, f"{tx.secret()}=")
    tx.put(secret)
    return {"ServiceSpecificCredential": {**_shape(known), "ServicePassword": secret.value}}


@operation("UpdateServiceSpecificCredential")
def update_service_specific_credential(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    tx.put(replace(_known_credential(tx, params, caller), status=params["Status"]))


@operation("DeleteServiceSpecificCredential")
def delete_service_specific_credential(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    known = _known_credential(tx, params, caller)
    owned = owned_by(tx, known.user_name)
    tx.put(replace(owned, service_credentials=without(owned.service_credentials, known.credential_id)))
    tx.delete(known)
    forget_secret(tx, known.credential_id)


def _known_credential(tx: Transaction, params: OperationParams, caller: Caller) -> ServiceCredential:
    """The user's credential of that id; raises NoSuchEntity."""
    credential_id = params["ServiceSpecificCredentialId"]
    user, found = meant_user(tx, params, caller), tx.get(ServiceCredential, credential_id)
    if found is None or found.user_name != user.name:
        raise no_such_entity(f"No such credential {credential_id} exists")
    return found
