"""Signers that were verified before, so that what their requests have in common is not found out again for each of them.

Requests of one access key have the same `Authorization` header for a day, all but the signature. What follows from it and from
the account is remembered: key, scope, names of the signed headers, the user. Those of one second mostly have the same signed
headers too, so that what is signed of them differs in the hash of the payload alone: how far both hashes of a signature come
before that is remembered as well. *That a request was good is not remembered*: its date, headers, payload and signature are
looked at every time. What is remembered belongs to one version of the account and is dropped with it, so a key that is revoked,
or a user that is deleted, is unknown here with the account that says so.

Only what is good is decided here. A request that does not fit goes the whole way (`authenticate`), which refuses it in the
service's words. Wire facts: docs/reference/aws-wire.md#signature-version-4.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from operator import itemgetter
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
from brownout.identity.aws.auth.sigv4 import keyed_hashes, signed_form, text_before_hash
from brownout.identity.core.messages import Request

SIGNERS_MAX, MOMENTS_MAX = 4096, 1024
VALUES_MAX = 512  # bytes of the signed headers' values, together, of a moment that is remembered
LONGEST_HEADER = 512  # bytes of an `Authorization` header without its signature
_AMZ, _TOKEN, _BEFORE = b"\nx-amz-", b"x-amz-security-token", BEFORE_SIGNATURE.encode()


class KnownSigner(NamedTuple):
    """What all requests with one header have in common, by one account. `first_s` is when the scope's day begins."""

    caller: Caller
    service: str
    first_s: float
    scope: str
    keyed: tuple[Any, Any]
    values: Callable[[Headers], tuple[bytes, ...]]  # of the signed headers, host and date at least; raises KeyError
    form: bytes  # the canonical request up to the payload's hash, with places for method and values
    amz_headers: int  # how many of the signed headers are of AWS's own: no other may be in the request


class SignedMoment(NamedTuple):
    """What the requests of a signer with the same signed headers have in common. `date_s` is the signature's.

    `canonical` is the hash of the canonical request as far as the payload's, `inner` that of the signed text as far as the
    canonical request's, under the key.
    """

    date_s: float
    caller: Caller
    canonical: Any
    inner: Any


class KnownSigners:
    """The signers of one account that were verified, by their header. At most SIGNERS_MAX, and MOMENTS_MAX moments of them."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownSigner] = {}
        self._moments: dict[tuple[bytes, str, bytes, tuple[bytes, ...]], SignedMoment] = {}

    def __len__(self) -> int:
        return len(self._known)

    def note(self, headers: Headers, claim: Claim, scope: CredentialScope, key_of_region: bytes, caller: Caller) -> None:
        """Remembers who signed a request with a long-term key, once all of its signature was found good."""
        written = headers.get(b"authorization", b"")[:-SIGNATURE_LENGTH]
        if claim.presigned or caller.session is not None or len(written) > LONGEST_HEADER or not written.endswith(_BEFORE):
            return
        if len(self._known) >= SIGNERS_MAX:
            self._known.clear()
            self._moments.clear()
        names = claim.signed_headers.names
        self._known[written] = KnownSigner(
            caller,
            scope.service,
            float(day_of(claim.date_s) * DAY_S),
            scope.text,
            keyed_hashes(key_of_region, scope.service),
            itemgetter(*names),
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
        written, signature = authorization[:-SIGNATURE_LENGTH], authorization[-SIGNATURE_LENGTH:]
        signer = self._known.get(written)
        if signer is None or request.target != "/" or _TOKEN in headers:
            return None
        caller, of_service, _, _, keyed, values, _, amz_headers = signer  # by name it takes longer
        if of_service != service or caller.signed_region not in regions or _amz_headers(headers) != amz_headers:
            return None
        try:
            of_moment = (written, request.method, headers[b"x-amz-date"], values(headers))
        except KeyError:
            return None
        moment = known = self._moments.get(of_moment)
        if moment is None:
            moment = _moment(signer, *of_moment[1:])
        if moment is None:
            return None
        date_s, caller, canonical, inner = moment
        if abs(date_s - clocks_s[0]) > skew_s and all(abs(date_s - clock_s) > skew_s for clock_s in clocks_s):
            return None
        canonical, inner, outer = canonical.copy(), inner.copy(), keyed[1].copy()
        canonical.update(sha256(request.payload).hexdigest().encode())
        inner.update(canonical.hexdigest().encode())
        outer.update(inner.digest())
        if not hmac.compare_digest(outer.hexdigest().encode(), signature):
            return None
        if known is None and sum(map(len, of_moment[3])) <= VALUES_MAX:
            if len(self._moments) >= MOMENTS_MAX:
                self._moments.clear()
            self._moments[of_moment] = moment
        return caller


def _moment(signer: KnownSigner, method: str, date: bytes, values: Sequence[bytes]) -> SignedMoment | None:
    """What a request's signature has in common with others; None for a date that is not of the scope's day."""
    dated = signature_date(date)
    if dated is None or not 0 <= dated[1] - signer.first_s < DAY_S:
        return None
    text, date_s = dated
    canonical = sha256(signer.form % (method.encode(), *[b" ".join(value.split()) for value in values]))
    inner = signer.keyed[0].copy()
    inner.update(text_before_hash(text, signer.scope).encode())
    return SignedMoment(date_s, signer.caller.signed_at(date_s), canonical, inner)


def _amz_headers(names: Collection[bytes]) -> int:
    """How many of these (different) names are of AWS's own headers."""
    return (b"\n" + b"\n".join(names)).count(_AMZ)
