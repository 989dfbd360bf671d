"""The client model `resource`."""

from __future__ import annotations

from brownout.harness.load.models.model import Call, Clients
from brownout.harness.load.models.resource import HeldTokens
from brownout.identity.core.messages import Response
from support.client_scripts import ACCOUNT, DENIED, TOKEN, arrival, begun, ended, first, jwt

SECRET = Response(200, {"value": "s"})


def test_a_token_is_used_again_until_half_of_its_life() -> None:
    """The first call fetches a token, later ones reuse it, and after half its life it is fetched again."""
    clients, who = Clients(ACCOUNT), arrival("resource", "secret")
    playing, sent = begun(who, clients, now_s=100.0)
    assert sent.node == "sydney.host"
    secret = playing.next(TOKEN)
    assert isinstance(secret, Call)
    assert (secret.node, secret.request.headers["authorization"]) == ("sydney.vault", f"Bearer {jwt()}")
    answer = ended(playing, SECRET)
    assert (answer.outcome, answer.trail) == ("happened", "sydney.host;1.0;k;manual;hit")
    assert first(who, clients, now_s=599.0).node == "sydney.vault"
    assert first(who, clients, now_s=600.0).node == "sydney.host"


def test_each_machine_and_each_load_has_tokens_of_its_own() -> None:
    """A token is held for one machine and resource, by the clients of one load."""
    clients = Clients(ACCOUNT)
    playing, _ = begun(arrival("resource", "secret"), clients)
    playing.next(TOKEN)
    assert first(arrival("resource", "secret"), clients).node == "sydney.vault"
    for who in (arrival("resource", "secret", machine="vm2"), arrival("resource", "secret", resource="https://other")):
        assert first(who, clients).node == "sydney.host"
    assert first(arrival("resource", "secret"), Clients(ACCOUNT)).node == "sydney.host"


def test_without_a_token_the_vault_is_not_asked() -> None:
    """A failed token request ends the arrival, and no token is held."""
    for response in (DENIED, Response(200, {})):
        clients = Clients(ACCOUNT)
        playing, _ = begun(arrival("resource", "secret"), clients)
        assert ended(playing, response).outcome == "refused"
        assert clients.memory(HeldTokens) == {}


def test_a_secret_without_its_value_is_no_good_answer() -> None:
    """azure-keyvault-secrets takes 200 and reads `value`."""
    for answered, error in ((Response(200, {}), "unreadable-answer"), (Response(202, {"value": "s"}), "unexpected-status")):
        playing, _ = begun(arrival("resource", "secret"))
        playing.next(TOKEN)
        assert ended(playing, answered).error == error
