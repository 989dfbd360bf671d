"""Key sets of OpenID Connect providers as one token node has them: fetched when a token first needs them, then cached.

Nothing leaves the stack, so what a provider would answer to a fetch is known beforehand. The stack's own issuers, Entra and the
account itself (GetWebIdentityToken), publish their one key set through the node's replica. Of any other provider the harness
gives it (`PUT /admin/aws/identity-providers`), and one of whom it gave nothing cannot be reached. A key set is fetched again
when it is an hour old or lacks a token's key; while the provider is unreachable (switch `idp-unreachable`) the node goes on
with what it has cached.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Self

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.sts.web_tokens import WebToken, check_signature, invalid_identity_token
from brownout.identity.core.holds import Switch, Value, nothing_to_undo
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.ports import BadToken
from brownout.identity.core.records import Json, Jwk

KEYS_FRESH_S = 3600.0
UNREACHABLE = "idp-unreachable"
RECORD = "provider:"


@dataclass(frozen=True, slots=True)
class ProviderPage:
    """What a provider publishes: its keys by `kid`, and the subjects whose claims it has revoked."""

    keys: Mapping[str, Jwk]
    revoked: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"keys": list(self.keys.values()), "revoked": list(self.revoked)}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        keys = {str(jwk["kid"]): dict(jwk) for jwk in raw["keys"]}
        return cls(keys, tuple(str(subject) for subject in raw.get("revoked") or ()))


@dataclass(frozen=True, slots=True)
class _Fetched:
    page: ProviderPage
    at_s: float


class ProviderKeys:
    """What one token node knows of identity providers, by the provider's URL without its scheme."""

    def __init__(self, node: TokenNode, own_providers: Container[str]) -> None:
        self._node = node
        self._own = own_providers
        self._published: dict[str, ProviderPage] = {}
        self._cached: dict[str, _Fetched] = {}
        self.switches: Mapping[str, Switch] = {UNREACHABLE: Switch(self._cut_off, nothing_to_undo)}

    def take_up(self, provider: str, record: Json) -> None:
        self._published[provider] = ProviderPage.from_json(record)

    async def publish(self, raw: Json) -> None:
        """Sets what `raw["provider"]` publishes from now on; raises KeyError, TypeError or ValueError for what is no page."""
        provider, page = str(raw["provider"]).removeprefix("https://"), ProviderPage.from_json(raw)
        await self._node.ports.persist(f"aws:{RECORD}{provider}", page.to_json())
        self._published[provider] = page

    def state(self) -> Json:
        if not self._cached:  # nearly always, and nodes are looked at again and again
            return {}
        return {provider: {"fetched_s": known.at_s, "keys": list(known.page.keys)} for provider, known in self._cached.items()}

    def check(self, token: WebToken, provider: str) -> None:
        """Raises AwsError unless that provider signed the token and stands by it.

        IDPCommunicationError: its keys are neither cached nor to be had. InvalidIdentityToken: it did not sign the token.
        IDPRejectedClaim: it has revoked the subject's claims.
        """
        page = self._page(provider, str(token.header.get("kid")))
        if provider in self._own:
            try:
                self._node.ports.signer.verify(token.text, page.keys)
            except BadToken as bad:
                raise invalid_identity_token(f"Provided Token's signature is invalid: {bad}") from None
        else:
            check_signature(token, page.keys)
        if token.claims.get("sub") in page.revoked:
            raise AwsError.of("IDPRejectedClaim", "The identity provider has revoked the claim")

    def _page(self, provider: str, key_id: str) -> ProviderPage:
        now_s, cached = self._node.ports.now(), self._cached.get(provider)
        if cached is not None and now_s - cached.at_s < KEYS_FRESH_S and key_id in cached.page.keys:
            return cached.page
        page = None if self._is_cut_off(provider) else self._fetch(provider)
        if page is not None:
            self._cached[provider] = _Fetched(page, now_s)
            return page
        if cached is None:
            raise AwsError.of(
                "IDPCommunicationError", f"Couldn't retrieve verification key from your identity provider {provider}"
            )
        return cached.page

    def _fetch(self, provider: str) -> ProviderPage | None:
        if provider in self._own:
            return ProviderPage(self._node.replica.snapshot.key_set)
        return self._published.get(provider)

    def _is_cut_off(self, provider: str) -> bool:
        return any(provider in (value.get("providers") or (provider,)) for value in self._node.holds.held(UNREACHABLE))

    async def _cut_off(self, fault_id: str, value: Value) -> Value:
        """Fetching looks at the holds; here only what cannot be meant is refused."""
        providers = value.get("providers") or []
        if not isinstance(providers, list | tuple):
            raise ValueError(f"providers is a list of URLs without scheme, not {providers!r}")
        return {"providers": [str(provider) for provider in providers]}
