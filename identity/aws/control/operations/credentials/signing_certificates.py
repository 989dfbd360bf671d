"""Signing certificates of users. Wire facts: docs/reference/aws-wire.md#ssh-keys-and-certificates."""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import owned_by, without
from brownout.identity.aws.control.operations.callers import meant_user
from brownout.identity.aws.control.operations.credentials.certificates import certificate_of
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError, limit_exceeded, no_such_entity
from brownout.identity.aws.records.credentials import SigningCertificate

MOST_CERTIFICATES = 2
_ID_LENGTH = 32


@operation("UploadSigningCertificate")
def upload_signing_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    user, body = meant_user(tx, params, caller), params["CertificateBody"]
    parsed, owned = certificate_of(body), owned_by(tx, user.name)
    if len(owned.signing_certificates) >= MOST_CERTIFICATES:
        raise limit_exceeded(f"Cannot exceed quota for CertificatesPerUser: {MOST_CERTIFICATES}")
    known = [tx.table(SigningCertificate)[each] for each in owned.signing_certificates]
    if any(certificate_of(each.body) == parsed for each in known):
        raise AwsError.of("DuplicateCertificate", "The certificate is already associated with the user.")
    made = SigningCertificate(_new_id(tx), user.name, body, tx.now_s)
    tx.put(made, replace(owned, signing_certificates=(*owned.signing_certificates, made.certificate_id)))
    return {"Certificate": _shape(made)}


def _new_id(tx: Transaction) -> str:
    """Ids of these have no prefix: 32 letters and digits."""
    return (tx.new_id(ids.CERTIFICATE)[4:] + tx.new_id(ids.CERTIFICATE)[4:])[:_ID_LENGTH]


def _shape(certificate: SigningCertificate) -> OperationResult:
    return {
        "UserName": certificate.user_name,
        "CertificateId": certificate.certificate_id,
        "CertificateBody": certificate.body,
        "Status": certificate.status,
        "UploadDate": certificate.uploaded_s,
    }


@operation("ListSigningCertificates")
def list_signing_certificates(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    found = page(params, sorted(owned_by(tx, meant_user(tx, params, caller).name).signing_certificates))
    known = tx.table(SigningCertificate)
    return found.result("Certificates", [_shape(known[each]) for each in found.keys])


@operation("UpdateSigningCertificate")
def update_signing_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    tx.put(replace(_known_certificate(tx, params, caller), status=params["Status"]))


@operation("DeleteSigningCertificate")
def delete_signing_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    certificate = _known_certificate(tx, params, caller)
    owned = owned_by(tx, certificate.user_name)
    tx.put(replace(owned, signing_certificates=without(owned.signing_certificates, certificate.certificate_id)))
    tx.delete(certificate)


def _known_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> SigningCertificate:
    """The user's certificate of that id; raises NoSuchEntity."""
    user, found = meant_user(tx, params, caller), tx.get(SigningCertificate, params["CertificateId"])
    if found is None or found.user_name != user.name:
        raise no_such_entity(f"The Certificate with id {params['CertificateId']} cannot be found.")
    return found
