"""Signers that were verified before, so that what their requests have in common is not found out again for each of them.

Requests of one access key have the same `Authorization` header for a day, all but the signature. What follows from it and from
the account is remembered: key, scope, names of the signed headers, the user. *Of a request nothing is remembered*: its date,
headers, payload and signature are looked at every time. What is remembered belongs to one version of the account and is dropped
with it, so a key that is revoked, or a user that is deleted, is unknown here with the account that says so.

Only what is good is decided here. A request that does not fit goes the whole way (`authenticate`), which refuses it in the
service's words. Wire facts: docs/reference/aws-wire.md#signature-version-4.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from brownout.identity.aws.auth.authorization import (
    BEFORE_SIGNATURE,
    SIGNATURE_LENGTH,
    Claim,
    CredentialScope,
    Headers,
    signature_date,
)
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.auth.region_keys import DAY_S, day_of
from brownout.identity.aws.auth.sigv4 import keyed_hashes, signature_of, signed_form
from brownout.identity.core.messages import Request

SIGNERS_MAX = 4096
KNOWN_VALUE_MAX = 128  # bytes of a header's value that is remembered without its blanks
LONGEST_HEADER = 512  # bytes of an `Authorization` header without its signature
_AMZ, _TOKEN, _BEFORE = b"\nx-amz-", b"x-amz-security-token", BEFORE_SIGNATURE.encode()


class KnownSigner(NamedTuple):
    """What all requests with one header have in common, by one account. `first_s` is when the scope's day begins."""

    caller: Caller
    service: str
    first_s: float
    scope: str
    keyed: tuple[Any, Any]
    names: tuple[bytes, ...]
    form: bytes  # the canonical request, with places for method, values and the payload's hash
    amz_headers: int  # how many of the signed headers are of AWS's own: no other may be in the request


class KnownSigners:
    """The signers of one account that were verified, by their header. At most SIGNERS_MAX."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownSigner] = {}

    def __len__(self) -> int:
        return len(self._known)

    def note(self, headers: Headers, claim: Claim, scope: CredentialScope, key_of_region: bytes, caller: Caller) -> None:
        """Remembers who signed a request with a long-term key, once all of its signature was found good."""
        written = headers.get(b"authorization", b"")[:-SIGNATURE_LENGTH]
        if claim.presigned or caller.session is not None or len(written) > LONGEST_HEADER or not written.endswith(_BEFORE):
            return
        if len(self._known) >= SIGNERS_MAX:
            self._known.clear()
        names = claim.signed_headers.names
        self._known[written] = KnownSigner(
            caller,
            scope.service,
            float(day_of(claim.date_s) * DAY_S),
            scope.text,
            keyed_hashes(key_of_region, scope.service),
            names,
            signed_form(claim.signed_headers),
            _amz_headers(frozenset(names)),
        )

    def find(
        self,
        request: Request,
        headers: Headers,
        service: str,
        regions: Collection[str],
        clocks_s: tuple[float, ...],
        skew_s: float,
    ) -> Caller | None:
        """Who signed the request, where a known signer did, within `skew_s` of a clock; None for all that is not so."""
        authorization = headers.get(b"authorization", b"")
        signer = self._known.get(authorization[:-SIGNATURE_LENGTH])
        if signer is None or request.target != "/" or _TOKEN in headers:
            return None
        if signer.service != service or signer.caller.signed_region not in regions:
            return None
        dated = signature_date(headers)
        if dated is None or not 0 <= dated[1] - signer.first_s < DAY_S:
            return None
        date, date_s = dated
        if min([abs(date_s - clock_s) for clock_s in clocks_s]) > skew_s or _amz_headers(headers) != signer.amz_headers:
            return None
        try:
            values = [_trimmed(headers[name]) for name in signer.names]
        except KeyError:
            return None
        canonical = signer.form % (request.method.encode(), *values, sha256(request.payload).hexdigest().encode())
        expected = signature_of(canonical, date, signer.scope, signer.keyed)
        if not hmac.compare_digest(expected.encode(), authorization[-SIGNATURE_LENGTH:]):
            return None
        return signer.caller.signed_at(date_s)


def _amz_headers(names: Collection[bytes]) -> int:
    """How many of these (different) names are of AWS's own headers."""
    return (b"\n" + b"\n".join(names)).count(_AMZ)


def _trimmed(value: bytes) -> bytes:
    return _known_value(value) if len(value) <= KNOWN_VALUE_MAX else b" ".join(value.split())


@lru_cache(maxsize=1024)  # clients repeat host and media type, and the date for a second
def _known_value(value: bytes) -> bytes:
    return b" ".join(value.split())
