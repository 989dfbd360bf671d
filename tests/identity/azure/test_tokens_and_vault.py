"""Tokens, the documents that verify them, and the vault that judges them (docs/reference/azure-wire.md#entra, I3, I6, I12)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.azure import entra_claims
from brownout.identity.azure.entra_claims import Verifier
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.ports import BadToken
from support.identity_stacks import ARM, EPOCH_S, HOUR_S, QUIET_S, VAULT, Stack, body, error_code, on_stack


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
    assert made["exp"] - made["iat"] == 86400
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


@pytest.mark.parametrize("version", ["", "/v2.0"])
@pytest.mark.parametrize("zone", ["sydney.token.z1", "melbourne.token.z3"])
def test_discovery_leads_to_keys_that_verify_a_token(version: str, zone: str) -> None:
    """The document names issuer and key set, and a key of that set verifies a token."""

    async def story(stack: Stack) -> Any:
        tenant = stack.world.spec.tenant_id
        path = f"/{tenant}{version}/.well-known/openid-configuration"
        document = body(await stack.world.client(zone, Request("GET", path), timeout_s=5))
        keys = body(await stack.world.client(zone, Request("GET", document["jwks_uri"]), timeout_s=5))["keys"]
        token = await stack.token("web-1")
        by_id = {key["kid"]: key for key in keys}
        assert parts_of(token)[0]["kid"] in by_id
        verified = stack.world.signer.verify(token, by_id)
        assert verified["iss"] == document["issuer"]
        return document

    document = on_stack(story)
    keys = "/discovery/v2.0/keys" if version else "/discovery/keys"
    assert document["jwks_uri"].endswith(keys)


def test_published_keys_are_public() -> None:
    """What a token node publishes and snapshots for vaults carry no private part in the directory's sense."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        directory: Any = stack.node("sydney.directory")
        return directory.catalog.snapshot("vault", {}), directory.catalog.snapshot("management", {})

    vault, management = on_stack(story)
    assert set(vault) == {"version", "identities", "key_set", "lines"}
    assert set(management) == {"version", "identities", "key_set", "lines", "store_keys"}


def test_a_token_node_has_nothing_else_for_clients() -> None:
    """Other paths are 404, and tokens are issued to hosts of the stack only."""

    async def story(stack: Stack) -> list[int]:
        requests = (Request("GET", "/x"), Request("POST", "/token", body={}), Request("PUT", "/snapshot", body={}))
        return [(await stack.world.client("sydney.token.z1", request, timeout_s=5)).status for request in requests]

    assert on_stack(story) == [404, 404, 404]


def test_the_vault_gives_its_secret_for_a_good_token() -> None:
    """A token for the vault's audience opens it, and the answer says who read."""

    async def story(stack: Stack) -> tuple[Response, str]:
        return await stack.secret(await stack.token("web-1")), stack.world.spec.identity("web-1-system").object_id

    answer, object_id = on_stack(story)
    assert answer.status == 200
    assert (body(answer)["value"], body(answer)["read_by"]) == ("value of sample", object_id)


def test_a_token_of_one_region_opens_the_others_vault() -> None:
    """Each vault judges with its own replica, and the key set is the same everywhere."""

    async def story(stack: Stack) -> int:
        return (await stack.secret(await stack.token("web-1"), region="melbourne")).status

    assert on_stack(story) == 200


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


def test_the_vault_challenges_as_key_vault_does() -> None:
    """401 names authority and resource; with a bad token also error="invalid_token"
    (docs/reference/azure-wire.md#key-vault-challenge)."""

    async def story(stack: Stack) -> tuple[Response, Response, str]:
        return await stack.secret(""), await stack.secret("nonsense"), stack.world.spec.tenant_id

    without, bad, tenant = on_stack(story)
    challenge = f'Bearer authorization="https://login.microsoftonline.com/{tenant}", resource="{VAULT}"'
    assert without.headers["www-authenticate"] == challenge
    assert bad.headers["www-authenticate"] == challenge + ', error="invalid_token"'
    assert error_code(without) == error_code(bad) == "Unauthorized"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic abc", "PoP abc"])
def test_the_vault_takes_bearer_tokens_only(authorization: str) -> None:
    """Any other scheme counts as no token."""

    async def story(stack: Stack) -> Response:
        request = Request("GET", "/secrets/sample", {}, {"authorization": authorization})
        return await stack.world.client("sydney.vault", request, timeout_s=5)

    answer = on_stack(story)
    assert answer.status == 401
    assert "missing a Bearer" in body(answer)["error"]["message"]


@pytest.mark.parametrize("resource", [ARM, "https://storage.azure.com", "https://graph.microsoft.com/"])
def test_a_token_for_another_audience_does_not_open_the_vault(resource: str) -> None:
    """I6: a token for another resource is refused, though its signature is good."""

    async def story(stack: Stack) -> Response:
        return await stack.secret(await stack.token("web-1", resource=resource))

    answer = on_stack(story)
    assert answer.status == 401
    assert "audience" in body(answer)["error"]["message"]


@pytest.mark.parametrize(("age_h", "status"), [(0, 200), (23.9, 200), (24.05, 200), (24.2, 401), (30, 401)])
def test_a_token_dies_at_its_end(age_h: float, status: int) -> None:
    """I12: a token is good for its 24 hours and the five minutes of skew that verifiers allow, and no longer."""

    async def story(stack: Stack) -> int:
        token = await stack.token("web-1")
        await stack.wait(age_h * HOUR_S)
        return (await stack.secret(token)).status

    assert on_stack(story, publish_interval_s=QUIET_S) == status


def check(stack: Stack, **changed: Any) -> Any:
    """The verdict on a token that the directory's own key signs, with claims changed."""
    directory: Any = stack.node("sydney.directory")
    tenant = stack.world.spec.tenant_id
    good = {"aud": VAULT, "iss": entra_claims.issuer(tenant), "nbf": EPOCH_S - 300, "exp": EPOCH_S + 3600}
    signing = directory.catalog.signing
    token = stack.world.signer.sign(signing.key_id, signing.private, good | changed)
    vault: Any = stack.node("sydney.vault")
    return Verifier(vault, vault.replica, VAULT).check(token)


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


def test_tokens_of_a_deleted_identity_are_refused_once_that_is_known() -> None:
    """I2: with the tombstone in its replica the vault refuses even a token with a good signature."""

    async def story(stack: Stack) -> list[int]:
        token = await stack.token("single")
        await stack.arm("DELETE", stack.identity_path("only-id"))
        seen = [(await stack.secret(token)).status]
        await stack.wait(61)
        return [*seen, (await stack.secret(token)).status]

    assert on_stack(story) == [200, 403]


@pytest.mark.parametrize("path", ["/", "/keys/x", "/secret/x"])
def test_the_vault_says_what_it_does_not_have(path: str) -> None:
    """With a good token an unknown path is 404."""

    async def story(stack: Stack) -> int:
        return (await stack.secret(await stack.token("web-1"), path=path)).status

    assert on_stack(story) == 404


@pytest.mark.parametrize("hours", [24])
def test_the_data_plane_is_statically_stable(hours: float) -> None:
    """I11: with the directory gone for 24 hours and everything restarted, tokens are issued and judged as before."""

    async def story(stack: Stack) -> list[int]:
        await stack.world.hold(Carrier("node", "sydney.directory"), "f", NodeEffect("down"))
        await stack.wait(hours * HOUR_S)
        for node in ("sydney.token.z1", "sydney.vault", "sydney.store", "sydney.host"):
            await stack.restart(node)
        token = await stack.imds("scaleout_3")
        return [token.status, (await stack.secret(str(body(token)["access_token"]))).status]

    assert on_stack(story, publish_interval_s=QUIET_S) == [200, 200]


@pytest.mark.parametrize(
    ("node", "request_"),
    [
        ("sydney.token.z1", Request("GET", "/t/discovery/keys")),
        ("sydney.vault", Request("GET", "/secrets/x", headers={"authorization": "Bearer x"})),
        ("sydney.management", Request("GET", "/subscriptions/x", headers={"authorization": "Bearer x"})),
    ],
)
def test_a_node_that_never_had_a_snapshot_says_that_it_is_not_ready(node: str, request_: Request) -> None:
    """A node without its first replica answers 503 and is not `ready`, instead of refusing or failing oddly (I12)."""

    async def story(stack: Stack) -> tuple[int, Any]:
        await stack.world.hold(Carrier("node", "sydney.directory"), "f", NodeEffect("down"))
        stack.world._nodes[node].disk.clear()
        await stack.restart(node)
        health = await stack.raw(node, "GET", "/healthz")
        return (await stack.node(node).handle(request_)).status, body(health)["ready"]

    assert on_stack(story) == (503, False)


async def lose_all_memory(stack: Stack) -> None:
    """Every token node of the stack is killed and comes back."""
    for region in stack.world.spec.regions:
        for zone in stack.world.spec.zones:
            await stack.restart(f"{region}.token.{zone}")


def test_store_access_by_managed_identity_cannot_start_again() -> None:
    """Claim C10: where the service needs a token of its own to read the store, a full loss of caches is for ever."""

    async def story(stack: Stack) -> list[int]:
        seen = [(await stack.imds("scaleout_1")).status]
        await lose_all_memory(stack)
        seen.append((await stack.imds("scaleout_2")).status)
        await stack.wait(12 * HOUR_S)
        return [*seen, (await stack.imds("scaleout_3")).status]

    assert on_stack(story, store_access="managed-identity", publish_interval_s=QUIET_S) == [200, 500, 500]


def test_store_access_by_key_starts_again() -> None:
    """Claim C10, control: with keys the same loss of caches costs nothing."""

    async def story(stack: Stack) -> int:
        await lose_all_memory(stack)
        return (await stack.imds("scaleout_2")).status

    assert on_stack(story) == 200


def test_the_circle_also_closes_by_itself_when_nobody_asks() -> None:
    """Claim C10: a token of one's own that is not renewed in its life locks the node out just so."""

    async def story(stack: Stack) -> int:
        await stack.wait(25 * HOUR_S)
        return (await stack.imds("scaleout_1")).status

    assert on_stack(story, store_access="managed-identity", publish_interval_s=QUIET_S) == 500
