"""From a signed request to its caller, with what one region knows and nothing else.

The order of the checks is that of the real service, so that a request with several faults gets the error that it would
get there: form of the signature, date, scope, key, signature, session. Wire facts: docs/reference/aws-wire.md#signature-errors.
"""

from __future__ import annotations

from collections.abc import Collection

from brownout.identity.aws.auth.account import AccountView
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.core.messages import Request


def authenticate(
    request: Request,
    service: str,
    regions: Collection[str],
    account: AccountView,
    now_s: float,
    client_now_s: float | None = None,
) -> Caller:
    """Who signed `request` to `service` ("sts") for a scope in one of `regions` (AWS names, such as "us-east-1").

    `now_s` decides about the end of a session. The signature's date must be within 15 minutes (5 for services but STS and
    IAM) of `now_s`, or of `client_now_s` where real clients have a clock of their own. Raises AwsError:
    MissingAuthenticationToken, IncompleteSignature, SignatureDoesNotMatch, InvalidClientTokenId, ExpiredToken.
    """
    raise NotImplementedError
