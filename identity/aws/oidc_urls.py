"""URLs of OpenID Connect providers: what IAM accepts, stores and names a provider by, and the account's own issuer.

The scheme is not stored, and the rest stands in the provider's ARN as it is, so two spellings of one URL are two providers.
Wire facts: docs/reference/aws-wire.md#openid-connect-providers.
"""

from __future__ import annotations

import hashlib
import re

_SCHEME = "https://"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_PATH = re.compile(r"[!-~]*\Z")


class BadProviderUrl(Exception):
    """No provider can have this URL."""


def provider_name(url: str) -> str:
    """The URL without its scheme, as it stands in the provider's ARN; raises BadProviderUrl.

    A URL begins with https:// and has neither port, user, query nor fragment.
    """
    if not url.startswith(_SCHEME):
        raise BadProviderUrl(url)
    name = url[len(_SCHEME) :]
    host, _, path = name.partition("/")
    if not _HOST.match(host) or not _PATH.match(path) or "?" in name or "#" in name:
        raise BadProviderUrl(url)
    return name


def outbound_issuer(account_id: str) -> str:
    """The issuer of the tokens that the account issues to others: one URL for as long as the account exists."""
    digits = hashlib.sha256(f"issuer {account_id}".encode()).hexdigest()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32])
    return f"https://{'-'.join(parts)}.tokens.sts.global.api.aws"
