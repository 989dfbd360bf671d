"""Server certificates of the account. A private key comes in and never goes out.

Wire facts: docs/reference/aws-wire.md#ssh-keys-and-certificates.
"""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.aws import arns, ids
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.control.credentials import forget_secret
from brownout.identity.aws.control.operations.credentials.certificates import certificate_of, check_chain, check_key_pair
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.tags import tag_list, tags_of
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import entity_already_exists, limit_exceeded, no_such_entity
from brownout.identity.aws.records.credentials import Secret, ServerCertificate

MOST_CERTIFICATES = 20


@operation("UploadServerCertificate")
def upload_server_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    name, path, chain = params["ServerCertificateName"], params.get("Path", "/"), params.get("CertificateChain", "")
    parsed = certificate_of(params["CertificateBody"])
    check_key_pair(parsed, params["PrivateKey"])
    if chain:
        check_chain(chain)
    _require_new(tx, name)
    if len(tx.table(ServerCertificate)) >= MOST_CERTIFICATES:
        raise limit_exceeded(f"Cannot exceed quota for ServerCertificatesPerAccount: {MOST_CERTIFICATES}")
    made = ServerCertificate(
        name,
        tx.new_id(ids.CERTIFICATE),
        arns.server_certificate(tx.account_id, path, name),
        params["CertificateBody"],
        tx.now_s,
        parsed.not_valid_after_utc.timestamp(),
        chain,
        path,
        tags_of(params),
    )
    tx.put(made, Secret(made.certificate_id, params["PrivateKey"]))
    tags = {"Tags": tag_list(made.tags)} if made.tags else {}
    return {"ServerCertificateMetadata": _metadata(made), **tags}


def _require_new(tx: Transaction, name: str) -> None:
    """Raises EntityAlreadyExists for a name that is taken."""
    if tx.get(ServerCertificate, name.lower()) is not None:
        raise entity_already_exists(f"The Server Certificate with name {name} already exists.")


def _metadata(certificate: ServerCertificate) -> OperationResult:
    return {
        "Path": certificate.path,
        "ServerCertificateName": certificate.name,
        "ServerCertificateId": certificate.certificate_id,
        "Arn": certificate.arn,
        "UploadDate": certificate.uploaded_s,
        "Expiration": certificate.expires_s,
    }


def known_certificate(tx: Transaction, name: str) -> ServerCertificate:
    """The certificate of that name; raises NoSuchEntity."""
    found = tx.get(ServerCertificate, name.lower())
    if found is None:
        raise no_such_entity(f"The Server Certificate with name {name} cannot be found.")
    return found


@operation("GetServerCertificate")
def get_server_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    found = known_certificate(tx, params["ServerCertificateName"])
    chain = {"CertificateChain": found.chain} if found.chain else {}
    tags = {"Tags": tag_list(found.tags)} if found.tags else {}
    shape = {"ServerCertificateMetadata": _metadata(found), "CertificateBody": found.body}
    return {"ServerCertificate": {**shape, **chain, **tags}}


@operation("ListServerCertificates")
def list_server_certificates(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    known, prefix = tx.table(ServerCertificate), params.get("PathPrefix", "/")
    found = page(params, [key for key in known.sorted_keys if known[key].path.startswith(prefix)])
    return found.result("ServerCertificateMetadataList", [_metadata(known[key]) for key in found.keys])


@operation("UpdateServerCertificate")
def update_server_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    known = known_certificate(tx, params["ServerCertificateName"])
    name, path = params.get("NewServerCertificateName", known.name), params.get("NewPath", known.path)
    if name.lower() != known.table_key:
        _require_new(tx, name)
    tx.delete(known)
    tx.put(replace(known, name=name, path=path, arn=arns.server_certificate(tx.account_id, path, name)))


@operation("DeleteServerCertificate")
def delete_server_certificate(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    known = known_certificate(tx, params["ServerCertificateName"])
    tx.delete(known)
    forget_secret(tx, known.certificate_id)
