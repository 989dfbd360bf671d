"""A verifier that fetches the key set: how often it asks, and what it trusts meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.entra.key_sets import FetchedKeys
from brownout.identity.core.messages import Request
from support.simulated_azure import HOUR_S, SimulatedAzure, on_azure

SECRET = "https://brownout-sydney.vault.azure.net/secrets/sample?api-version=7.6"
SETTINGS = {"verifier_refresh_s": HOUR_S, "verifier_ttl_s": 24 * HOUR_S, "publish_interval_s": 600.0}


def read(azure: SimulatedAzure, token: str) -> int:
    return azure.send(SECRET, headers={"Authorization": f"Bearer {token}"}).status_code


def token_of(azure: SimulatedAzure) -> str:
    return azure.credential().get_token("https://vault.azure.net/.default").token


def keys_of(azure: SimulatedAzure) -> FetchedKeys:
    """The copy of Sydney's Key Vault."""
    vault: Any = azure.node("sydney.vault")
    found: FetchedKeys = vault.surfaces[-1]._callers._fetched
    return found


def fetches(azure: SimulatedAzure, story: Callable[[], Any]) -> int:
    """How often token nodes were asked for keys while `story` ran."""
    asked: list[str] = []
    nodes: list[Any] = [azure.node(name) for name in azure.spec.token_nodes("sydney")]
    for node in nodes:
        before = node.handle

        async def counting(request: Request, before: Any = before) -> Any:
            if request.path.endswith("/discovery/keys"):
                asked.append(request.path)
            return await before(request)

        node.handle = counting
    story()
    return len(asked)


def cut(azure: SimulatedAzure) -> None:
    """Takes every token node away from the vault."""
    for name in azure.spec.token_nodes("sydney"):
        azure.world.run(azure.world.hold(Carrier("link", f"sydney.vault->{name}"), f"cut-{name}", LinkEffect("refuse")))


def withdraw(azure: SimulatedAzure) -> None:
    """Takes the key that signs out of the published set, as on 2021-03-15."""
    directory: Any = azure.node("sydney.directory")
    directory.catalog.key_set = {"another": {"kid": "another", "use": "sig", "alg": "HS256", "kty": "oct", "k": "x"}}
    azure.world.run(directory.catalog.next_version())
    azure.settle()


def test_a_verifier_asks_once_an_hour() -> None:
    """Many requests, one fetch; an hour later one more."""

    def story(azure: SimulatedAzure) -> tuple[int, int]:
        token = token_of(azure)
        first = fetches(azure, lambda: [read(azure, token) for _ in range(5)])
        azure.sleep(HOUR_S + 1)
        return first, fetches(azure, lambda: [read(azure, token) for _ in range(5)])

    assert on_azure(story, **SETTINGS) == (1, 1)


def test_a_withdrawn_key_is_trusted_until_the_next_refresh() -> None:
    """A verifier goes by what it has fetched: the token is good until the set is fetched anew, and refused from then on."""

    def story(azure: SimulatedAzure) -> list[int]:
        token = token_of(azure)
        seen = [read(azure, token)]
        withdraw(azure)
        seen.append(read(azure, token))
        azure.sleep(HOUR_S)
        return [*seen, read(azure, token)]

    assert on_azure(story, **SETTINGS) == [200, 200, 401]


def test_a_verifier_that_judges_by_its_replica_refuses_at_once() -> None:
    """The default: what was published is what counts."""

    def story(azure: SimulatedAzure) -> list[int]:
        token = token_of(azure)
        seen = [read(azure, token)]
        withdraw(azure)
        return [*seen, read(azure, token)]

    assert on_azure(story) == [200, 401]


def test_an_unknown_key_is_asked_for_no_more_than_once_in_five_minutes() -> None:
    """Tokens of keys that there are not make a verifier ask, and cannot make it ask all the time."""

    def story(azure: SimulatedAzure) -> list[int]:
        good = token_of(azure)
        stranger = azure.world.signer.sign("stranger", "key", {"aud": "https://vault.azure.net"})
        read(azure, good)
        azure.sleep(301)
        asked = [fetches(azure, lambda: [read(azure, stranger) for _ in range(5)])]
        azure.sleep(301)
        asked.append(fetches(azure, lambda: read(azure, stranger)))
        assert read(azure, good) == 200
        return asked

    assert on_azure(story, **SETTINGS) == [1, 1]


def test_the_last_good_set_stays_while_nothing_can_be_fetched_and_not_for_ever() -> None:
    """With every token node away a verifier goes on for the time to live of its keys."""

    def story(azure: SimulatedAzure) -> list[int]:
        token = token_of(azure)
        seen = [read(azure, token)]
        cut(azure)
        azure.sleep(11 * HOUR_S)
        seen.append(read(azure, token))
        azure.sleep(2 * HOUR_S)
        return [*seen, read(azure, token)]

    assert on_azure(story, **{**SETTINGS, "verifier_ttl_s": 12 * HOUR_S}) == [200, 200, 401]


def test_a_verifier_that_starts_without_a_token_node_asks_at_each_request() -> None:
    """It has no key to go by, so it does not wait five minutes for the next try."""

    def story(azure: SimulatedAzure) -> list[int]:
        token = token_of(azure)
        cut(azure)
        seen = [read(azure, token)]
        for name in azure.spec.token_nodes("sydney"):
            azure.world.run(azure.world.release(Carrier("link", f"sydney.vault->{name}"), f"cut-{name}"))
        return [*seen, read(azure, token)]

    assert on_azure(story, **SETTINGS) == [401, 200]


def test_what_is_no_key_set_changes_nothing() -> None:
    """An answer that cannot be read leaves the last good set in place."""

    def story(azure: SimulatedAzure) -> int:
        token = token_of(azure)
        read(azure, token)
        before = keys_of(azure).keys
        for name in azure.spec.token_nodes("sydney"):
            node: Any = azure.node(name)

            async def nonsense(request: Request) -> Any:
                from brownout.identity.core.messages import Response

                return Response(200, {"keys": "none"})

            node.handle = nonsense
        azure.sleep(HOUR_S + 1)
        status = read(azure, token)
        assert keys_of(azure).keys == before
        return status

    assert on_azure(story, **SETTINGS) == 200
