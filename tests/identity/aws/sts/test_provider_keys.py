"""Key sets of identity providers: fetched once, cached, and what happens while a provider cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.sts.provider_keys import KEYS_FRESH_S, UNREACHABLE, ProviderKeys
from brownout.identity.aws.sts.web_tokens import read_token
from brownout.identity.core.nodes.token import TokenNode
from support.simulated_stacks import on_world
from support.web_tokens import WebIdentityProvider

OWN = "own.example.com/"
PROVIDER = WebIdentityProvider(algorithm="ES256")


def with_keys(story: Callable[[SimulationWorld, TokenNode, ProviderKeys], Coroutine[Any, Any, None]]) -> None:
    """Runs `story` with the key sets of one token node."""

    async def whole(world: SimulationWorld) -> None:
        node = world._nodes["sydney.token.z1"].node
        assert isinstance(node, TokenNode)
        keys = ProviderKeys(node, {OWN})
        node.holds.switches = {**node.holds.switches, **keys.switches}
        await story(world, node, keys)

    on_world(whole)


def refusal(keys: ProviderKeys, text: str, provider: str = PROVIDER.name) -> str:
    with pytest.raises(AwsError) as refused:
        keys.check(read_token(text), provider)
    return refused.value.code


def page(*providers: WebIdentityProvider, **more: Any) -> dict[str, Any]:
    return {"provider": PROVIDER.url, "keys": [each.jwk() for each in providers], **more}


def test_a_provider_of_whom_nothing_is_known_cannot_be_reached() -> None:
    """Nothing is fetched from outside the stack."""

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        assert refusal(keys, PROVIDER.token(world.now())) == "IDPCommunicationError"

    with_keys(story)


def test_a_cached_key_set_outlives_its_provider() -> None:
    """A node that has a key set goes on with it while the provider is away, also when it is old."""

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        await keys.publish(page(PROVIDER))
        await node.holds.put("f1", UNREACHABLE, {"providers": [PROVIDER.name]})
        assert refusal(keys, PROVIDER.token(world.now())) == "IDPCommunicationError"
        await node.holds.release("f1")
        keys.check(read_token(PROVIDER.token(world.now())), PROVIDER.name)
        await node.holds.put("f2", UNREACHABLE, {})
        await world.kernel.sleep(2 * KEYS_FRESH_S)
        keys.check(read_token(PROVIDER.token(world.now())), PROVIDER.name)

    with_keys(story)


def test_a_new_key_is_fetched_when_a_token_needs_it() -> None:
    """A token signed with a key that the cached set lacks makes the node fetch again; while it cannot, the token is refused."""
    rolled = WebIdentityProvider(algorithm="ES384", key_id="key-2")

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        await keys.publish(page(PROVIDER))
        keys.check(read_token(PROVIDER.token(world.now())), PROVIDER.name)
        await keys.publish(page(PROVIDER, rolled))
        await node.holds.put("f1", UNREACHABLE, {"providers": [PROVIDER.name]})
        assert refusal(keys, rolled.token(world.now())) == "InvalidIdentityToken"
        await node.holds.release("f1")
        keys.check(read_token(rolled.token(world.now())), PROVIDER.name)

    with_keys(story)


def test_an_old_key_set_is_fetched_again() -> None:
    """A key that the provider withdrew is good for as long as the cached set is fresh, and not for longer."""

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        await keys.publish(page(PROVIDER))
        keys.check(read_token(PROVIDER.token(world.now())), PROVIDER.name)
        await keys.publish(page())
        await world.kernel.sleep(KEYS_FRESH_S - 1)
        keys.check(read_token(PROVIDER.token(world.now())), PROVIDER.name)
        await world.kernel.sleep(1)
        assert refusal(keys, PROVIDER.token(world.now())) == "InvalidIdentityToken"

    with_keys(story)


def test_a_revoked_subject_is_the_providers_refusal() -> None:
    """A provider may take back what its token says."""

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        await keys.publish(page(PROVIDER, revoked=["alice"]))
        assert refusal(keys, PROVIDER.token(world.now())) == "IDPRejectedClaim"
        keys.check(read_token(PROVIDER.token(world.now(), sub="bob")), PROVIDER.name)

    with_keys(story)


def test_the_stacks_own_issuer_is_verified_by_its_replica() -> None:
    """Tokens of the stack's own Entra are verified with the published key set, and no others are."""

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        signing = node.replica.signing
        claims = {"iss": f"https://{OWN}", "sub": "web", "exp": world.now() + 60}
        good = node.ports.signer.sign(signing.key_id, signing.private, claims)
        keys.check(read_token(good), OWN)
        forged = node.ports.signer.sign(signing.key_id, "made up", claims)
        assert refusal(keys, forged, OWN) == "InvalidIdentityToken"

    with_keys(story)


def test_what_a_provider_publishes_survives_a_restart() -> None:
    """The page is durable before it counts, under the vendor's name."""

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        await keys.publish(page(PROVIDER))
        again = ProviderKeys(node, OWN)
        again.take_up(PROVIDER.name, world._nodes[node.name].disk[f"aws:provider:{PROVIDER.name}"])
        again.check(read_token(PROVIDER.token(world.now())), PROVIDER.name)

    with_keys(story)


@pytest.mark.parametrize("raw", [{}, {"provider": "x"}, {"provider": "x", "keys": [{}]}, {"provider": "x", "keys": 7}])
def test_a_page_that_is_none_is_refused(raw: dict[str, Any]) -> None:
    """The control request learns that it made no sense."""

    async def story(world: SimulationWorld, node: TokenNode, keys: ProviderKeys) -> None:
        with pytest.raises((KeyError, TypeError, ValueError)):
            await keys.publish(raw)

    with_keys(story)
