"""JSON Web Tokens: the form, the signature by every algorithm, and that a token cannot choose how it is checked."""

from __future__ import annotations

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.sts.web_tokens import NO_KEY, NOT_A_TOKEN, check_signature, read_token, time_claim
from support.web_tokens import WebIdentityProvider

NOW_S = 1_735_689_600.0
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")


def refusal(provider: WebIdentityProvider, text: str, keys: list[dict[str, object]] | None = None) -> str:
    known = [provider.jwk()] if keys is None else keys
    with pytest.raises(AwsError) as refused:
        check_signature(read_token(text), {str(jwk["kid"]): jwk for jwk in known})
    assert refused.value.code == "InvalidIdentityToken"
    return refused.value.message


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_verified(algorithm: str) -> None:
    """A token is good by its provider's key, and not once a letter of its claims was changed."""
    provider = WebIdentityProvider(algorithm=algorithm)
    text = provider.token(NOW_S)
    token = read_token(text)
    check_signature(token, {"key-1": provider.jwk()})
    assert token.claims["sub"] == "alice"
    head, _, signature = text.split(".")
    other = provider.token(NOW_S, sub="mallory").split(".")[1]
    assert refusal(provider, f"{head}.{other}.{signature}") == "Provided Token's signature is invalid"


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "é.b.c", "....", "e30.e30", "W10.e30.", "%.e30.e30", "e30.bnVsbA.e30"])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Anything but three parts with two JSON objects is no JWT."""
    with pytest.raises(AwsError) as refused:
        read_token(text)
    assert (refused.value.code, refused.value.message) == ("InvalidIdentityToken", NOT_A_TOKEN)


@pytest.mark.parametrize("claimed", ["none", "HS256", "ES256", ""])
def test_a_token_cannot_choose_another_kind_of_algorithm(claimed: str) -> None:
    """The algorithm must be one of the key's kind."""
    provider = WebIdentityProvider(header={"alg": claimed})
    assert refusal(provider, provider.token(NOW_S)) == "Provided Token's signature is invalid"


def test_an_unknown_key_is_told() -> None:
    """A token that names a key which the provider does not publish gets the error for that."""
    provider = WebIdentityProvider(key_id="key-2")
    assert refusal(provider, provider.token(NOW_S), [WebIdentityProvider().jwk()]) == NO_KEY


@pytest.mark.parametrize(
    "jwk", [{"kid": "key-1"}, {"kid": "key-1", "kty": "RSA", "n": "!", "e": "AQAB"}, {"kid": "key-1", "kty": "EC", "crv": "x"}]
)
def test_a_key_that_is_none_counts_as_unknown(jwk: dict[str, object]) -> None:
    """What a provider publishes may be broken."""
    provider = WebIdentityProvider()
    assert refusal(provider, provider.token(NOW_S), [jwk]) == NO_KEY


def test_audiences_are_those_of_azp_first() -> None:
    """An authorized party stands for the audiences; without one there may be several."""
    provider = WebIdentityProvider()
    assert read_token(provider.token(NOW_S)).audiences == ("app",)
    assert read_token(provider.token(NOW_S, aud=["a", "b"])).audiences == ("a", "b")
    assert read_token(provider.token(NOW_S, aud=["a", "b"], azp="c")).audiences == ("c",)


def test_times_are_numbers() -> None:
    """A time claim that is no number counts as missing."""
    assert time_claim({"exp": 5}, "exp") == 5.0
    assert time_claim({"exp": "5"}, "exp") is None
    assert time_claim({"exp": True}, "exp") is None
    assert time_claim({}, "exp") is None
