"""Tokens: what they say, and which are good."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from brownout.identity.azure.entra import claims as entra_claims
from brownout.identity.azure.entra.claims import Verifier
from brownout.identity.core.ports import BadToken
from support.identity_stacks import ARM, EPOCH_S, VAULT, Stack, on_stack


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token, unchecked."""
    head, content, _ = token.split(".")
    return tuple(json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, content))  # type: ignore[return-value]


def test_a_system_assigned_identitys_claims() -> None:
    """The v1.0 app-only claims, one by one (docs/reference/azure-wire.md#access-token-claims)."""

    async def story(stack: Stack) -> tuple[str, Any, str]:
        return await stack.token("web-1"), stack.world.spec.identity("web-1-system"), stack.world.spec.tenant_id

    token, identity, tenant = on_stack(story)
    _, made = parts_of(token)
    issuer = f"https://sts.windows.net/{tenant}/"
    assert (made["aud"], made["iss"], made["idp"], made["tid"], made["ver"]) == (VAULT, issuer, issuer, tenant, "1.0")
    assert (made["appid"], made["oid"], made["sub"]) == (identity.client_id, identity.object_id, identity.object_id)
    assert (made["appidacr"], made["idtyp"], made["xms_mirid"]) == ("2", "app", identity.resource_id)
    assert made["iat"] - made["nbf"] == 300
    assert made["exp"] - made["iat"] == 86399
    assert "xms_az_rid" not in made


def test_a_user_assigned_identitys_token_says_where_it_is_used() -> None:
    """`xms_mirid` is the identity, `xms_az_rid` the machine that uses it."""

    async def story(stack: Stack) -> tuple[str, str, str]:
        return await stack.token("single"), stack.identity_path("only-id"), stack.machine_path("single")

    token, identity, machine = on_stack(story)
    _, made = parts_of(token)
    assert (made["xms_mirid"], made["xms_az_rid"]) == (identity, machine)


def test_the_audience_is_what_was_asked_for_slash_and_all() -> None:
    """`aud` is the resource string exactly as asked."""
    token = on_stack(lambda stack: stack.token("web-1", resource=ARM + "/"))
    assert parts_of(token)[1]["aud"] == ARM + "/"


def test_two_tokens_are_never_the_same_token() -> None:
    """`uti` is unique to a token, also for instances of one scale set in one second."""

    async def story(stack: Stack) -> list[str]:
        machines = ("scaleout_1", "scaleout_2", "scaleout_3", "web-1")
        return [parts_of(await stack.token(machine))[1]["uti"] for machine in machines]

    markers = on_stack(story)
    assert len(set(markers)) == len(markers)


def forged(token: str, **changed: Any) -> str:
    """The token with claims changed and its signature left as it was."""
    head, _, signature = token.split(".")
    content = urlsafe_b64encode(json.dumps(parts_of(token)[1] | changed).encode()).decode().rstrip("=")
    return f"{head}.{content}.{signature}"


def bad_tokens(stack: Stack, token: str) -> dict[str, str]:
    signer: Any = stack.world.signer
    head, content, signature = token.split(".")
    other = signer.sign("unknown-key", "private", parts_of(token)[1])
    return {
        "none": "",
        "nonsense": "nonsense",
        "two parts": f"{head}.{content}",
        "undecodable": f"!.{content}.{signature}",
        "not text": f"ü.{content}.{signature}",
        "no object": f"{urlsafe_b64encode(b'[]').decode()}.{content}.{signature}",
        "no signature": f"{head}.{content}.",
        "odd signature": f"{head}.{content}.ü",
        "another subject": forged(token, oid="somebody"),
        "longer life": forged(token, exp=2**40),
        "unknown kid": other,
    }


KINDS = (
    "none",
    "nonsense",
    "two parts",
    "undecodable",
    "not text",
    "no object",
    "no signature",
    "odd signature",
    "another subject",
    "longer life",
    "unknown kid",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("door", ["vault", "management"])
def test_a_token_that_is_not_ours_opens_nothing(kind: str, door: str) -> None:
    """I12: whatever is wrong with a token, the answer is 401, at the vault and at ARM alike."""

    async def story(stack: Stack) -> int:
        resource = VAULT if door == "vault" else ARM
        token = bad_tokens(stack, await stack.token("web-1", resource=resource))[kind]
        answer = await (
            stack.secret(token) if door == "vault" else stack.arm("GET", stack.identity_path("only-id"), token=token)
        )
        return answer.status

    assert on_stack(story) == 401


def check(stack: Stack, **changed: Any) -> Any:
    """The verdict on a token that the directory's own key signs, with claims changed."""
    directory: Any = stack.node("sydney.directory")
    tenant = stack.world.spec.tenant_id
    good = {"aud": VAULT, "iss": entra_claims.issuer(tenant), "nbf": EPOCH_S - 300, "exp": EPOCH_S + 3600}
    signing = directory.catalog.signing
    token = stack.world.signer.sign(signing.key_id, signing.private, good | changed)
    vault: Any = stack.node("sydney.vault")
    return Verifier(vault, vault.replica, (VAULT, f"{VAULT}/")).check(token)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"aud": ARM}, "audience"),
        ({"aud": None}, "audience"),
        ({"iss": "https://sts.windows.net/another/"}, "issuer"),
        ({"exp": EPOCH_S - 400}, "expired"),
        ({"exp": 0}, "expired"),
        ({"nbf": EPOCH_S + 400}, "not valid yet"),
    ],
)
def test_every_claim_that_matters_is_checked(changed: dict[str, Any], words: str) -> None:
    """I6, I15: audience, issuer (and so tenant), start and end are each refused for a reason of their own."""

    async def story(stack: Stack) -> None:
        with pytest.raises(BadToken, match=words):
            check(stack, **changed)

    on_stack(story)


@pytest.mark.parametrize("changed", [{}, {"aud": VAULT + "/"}, {"exp": EPOCH_S - 200}, {"nbf": EPOCH_S + 200}])
def test_what_verifiers_of_the_field_let_pass_passes(changed: dict[str, Any]) -> None:
    """I15: a slash more, and five minutes of clock skew either way."""

    async def story(stack: Stack) -> Any:
        return check(stack, **changed)["iss"]

    assert on_stack(story).startswith("https://sts.windows.net/")
