"""What AWS's services refuse a request with: a code, an HTTP status and a message.

One exception carries all of them; the protocol renders it in the shape of the service that was asked. Codes are the ones
that stand on the wire, which for a modelled error is not always the name of its shape: `NoSuchEntity`, whose exception is
called NoSuchEntityException in SDKs. The status of each is in `STATUS`, so an error is made from code and message.
Wire facts: docs/reference/aws-wire.md#error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

# By code. The groups: every service, STS, IAM, both.
STATUS: Mapping[str, int] = {
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "InvalidAction": 400,
    "InvalidClientTokenId": 403,
    "InvalidParameterValue": 400,
    "InvalidQueryParameter": 400,
    "MalformedInput": 400,
    "MalformedQueryString": 404,
    "MethodNotAllowed": 405,
    "MissingAction": 400,
    "MissingAuthenticationToken": 403,
    "OptInRequired": 403,
    "RequestEntityTooLarge": 413,
    "RequestExpired": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 400,
    "ValidationError": 400,
    #
    "ExpiredTokenException": 400,
    "ExpiredTradeInTokenException": 400,
    "IDPCommunicationError": 400,
    "IDPRejectedClaim": 403,
    "InsufficientSessionLifetime": 400,
    "InvalidAuthorizationMessageException": 400,
    "InvalidContextAssertion": 400,
    "InvalidIdentityToken": 400,
    "InvalidSubjectCredentials": 400,
    "JWTPayloadSizeExceededException": 400,
    "OutboundWebIdentityFederationDisabledException": 403,
    "PackedPolicyTooLarge": 400,
    "RegionDisabledException": 403,
    "SessionDurationEscalationException": 403,
    #
    "AccountNotManagementOrDelegatedAdministratorException": 400,
    "CallerIsNotManagementAccountException": 400,
    "ConcurrentModification": 409,
    "DeleteConflict": 409,
    "DuplicateCertificate": 409,
    "DuplicateSSHPublicKey": 400,
    "EntityAlreadyExists": 409,
    "EntityTemporarilyUnmodifiable": 409,
    "FeatureDisabled": 404,
    "FeatureEnabled": 409,
    "InvalidAuthenticationCode": 403,
    "InvalidCertificate": 400,
    "InvalidInput": 400,
    "InvalidPublicKey": 400,
    "InvalidUserType": 400,
    "KeyPairMismatch": 400,
    "LimitExceeded": 409,
    "MalformedCertificate": 400,
    "NameConflict": 409,
    "NoSuchEntity": 404,
    "NotSupportedService": 404,
    "OpenIdIdpCommunicationError": 400,
    "OrganizationNotFoundException": 400,
    "OrganizationNotInAllFeaturesModeException": 400,
    "PasswordPolicyViolation": 400,
    "PolicyEvaluation": 500,
    "PolicyNotAttachable": 400,
    "ReportExpired": 410,
    "ReportGenerationLimitExceeded": 409,
    "ReportInProgress": 404,
    "ReportNotPresent": 410,
    "RoleModified": 409,
    "RoleTemplateDisabled": 400,
    "ServiceAccessNotEnabledException": 400,
    "ServiceFailure": 500,
    "UnmodifiableEntity": 400,
    "UnrecognizedPublicKeyEncoding": 400,
    #
    "MalformedPolicyDocument": 400,
}
UNLISTED = 400  # of a code that STATUS does not list, as those of JSON services


class AwsError(Exception):
    """A refusal as the caller reads it: `code` and `message` as on the wire, `status` of the HTTP answer."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(code, status, message)
        self.code = code
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return f"{self.code} ({self.status}): {self.message}"

    @classmethod
    def of(cls, code: str, message: str) -> Self:
        """The error of a code of the catalogue; a code that it does not list has status 400."""
        return cls(code, STATUS.get(code, UNLISTED), message)

    @property
    def sender(self) -> bool:
        """True when the caller is at fault, False when the service is: the `Type` of the error."""
        return self.status < 500

    def to_json(self) -> dict[str, Any]:
        """The error as nodes tell it to each other."""
        return {"code": self.code, "status": self.status, "message": self.message}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """The error that another node told; raises KeyError, TypeError or ValueError for what is none."""
        return cls(str(raw["code"]), int(raw["status"]), str(raw["message"]))


def missing_authentication_token() -> AwsError:
    """A call that must be signed is not."""
    return AwsError.of("MissingAuthenticationToken", "Request is missing Authentication Token")


def incomplete_signature(message: str) -> AwsError:
    """The signature has not the form of one; `message` says what is wrong with it."""
    return AwsError.of("IncompleteSignature", message)


def invalid_client_token_id() -> AwsError:
    """The access key id is unknown or inactive, or the session token does not belong to it."""
    return AwsError.of("InvalidClientTokenId", "The security token included in the request is invalid.")


SIGNATURE_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key"
    " and signing method. Consult the service documentation for details."
)


def signature_does_not_match(message: str = SIGNATURE_MISMATCH) -> AwsError:
    """The signature is wrong, or its scope or date is; `message` then says which."""
    return AwsError.of("SignatureDoesNotMatch", message)


def expired_token() -> AwsError:
    """The session of the credentials has ended."""
    return AwsError.of("ExpiredToken", "The security token included in the request is expired")


def access_denied(message: str) -> AwsError:
    return AwsError.of("AccessDenied", message)


def not_authorized(caller_arn: str, action: str, resource: str = "", reason: str = "") -> AwsError:
    """The policies do not allow `action` ("sts:AssumeRole"); `reason` completes the sentence, "" for none."""
    target = f" on resource: {resource}" if resource else ""
    because = f" because {reason}" if reason else ""
    return access_denied(f"User: {caller_arn} is not authorized to perform: {action}{target}{because}")


def region_disabled(account_id: str) -> AwsError:
    """STS is not activated in this region for the account."""
    text = (
        f"STS is not activated in this region for account:{account_id}."
        " Your account administrator can activate STS in this region using the IAM Console."
    )
    return AwsError.of("RegionDisabledException", text)


def validation_error(message: str) -> AwsError:
    return AwsError.of("ValidationError", message)


def request_entity_too_large(message: str = "The request entity exceeds the size that is allowed.") -> AwsError:
    return AwsError.of("RequestEntityTooLarge", message)


def throttling() -> AwsError:
    return AwsError.of("Throttling", "Rate exceeded")


def service_unavailable() -> AwsError:
    return AwsError.of("ServiceUnavailable", "The request has failed due to a temporary failure of the server.")


def internal_failure() -> AwsError:
    text = "The request processing has failed because of an unknown error, exception or failure."
    return AwsError.of("InternalFailure", text)


def fault_of(code: str) -> AwsError:
    """The error of that code as a service in trouble gives it, with the words that the code has."""
    known = {error.code: error for error in (throttling(), service_unavailable(), internal_failure())}
    return known.get(code) or AwsError.of(code, internal_failure().message)


def invalid_action(operation: str, version: str) -> AwsError:
    """The service has no such operation in that version of its API."""
    return AwsError.of("InvalidAction", f"Could not find operation {operation} for version {version}")


def no_such_entity(message: str) -> AwsError:
    return AwsError.of("NoSuchEntity", message)


def entity_already_exists(message: str) -> AwsError:
    return AwsError.of("EntityAlreadyExists", message)


def delete_conflict(message: str) -> AwsError:
    return AwsError.of("DeleteConflict", message)


def limit_exceeded(message: str) -> AwsError:
    return AwsError.of("LimitExceeded", message)


def invalid_input(message: str) -> AwsError:
    return AwsError.of("InvalidInput", message)


def malformed_policy_document(message: str) -> AwsError:
    return AwsError.of("MalformedPolicyDocument", message)


def unmodifiable_entity(message: str) -> AwsError:
    return AwsError.of("UnmodifiableEntity", message)
