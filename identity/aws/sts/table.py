"""Which function serves which operation of STS."""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.aws.sts.call import RunSts
from brownout.identity.aws.sts.operations.assume_role import assume_role
from brownout.identity.aws.sts.operations.assume_root import assume_root
from brownout.identity.aws.sts.operations.delegated_access import get_delegated_access_token
from brownout.identity.aws.sts.operations.identity import (
    decode_authorization_message,
    get_access_key_info,
    get_caller_identity,
)
from brownout.identity.aws.sts.operations.saml_login import assume_role_with_saml
from brownout.identity.aws.sts.operations.scoped_credentials import get_scoped_credentials
from brownout.identity.aws.sts.operations.user_sessions import get_federation_token, get_session_token
from brownout.identity.aws.sts.operations.web_identity import assume_role_with_web_identity
from brownout.identity.aws.sts.operations.web_identity_token import get_web_identity_token

OPERATIONS: Mapping[str, RunSts] = {
    "AssumeRole": assume_role,
    "AssumeRoleWithSAML": assume_role_with_saml,
    "AssumeRoleWithWebIdentity": assume_role_with_web_identity,
    "AssumeRoot": assume_root,
    "DecodeAuthorizationMessage": decode_authorization_message,
    "GetAccessKeyInfo": get_access_key_info,
    "GetCallerIdentity": get_caller_identity,
    "GetDelegatedAccessToken": get_delegated_access_token,
    "GetFederationToken": get_federation_token,
    "GetScopedCredentials": get_scoped_credentials,
    "GetSessionToken": get_session_token,
    "GetWebIdentityToken": get_web_identity_token,
}
