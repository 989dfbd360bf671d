"""The client model `workload-identity`: a pod of AKS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brownout.harness.load.models.model import Call, Clients
from brownout.harness.load.playing import Playing
from brownout.identity.azure.machine_secrets import endpoint_key, secret_of_machine
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.trail import HEADER as TRAIL_HEADER
from support.client_scripts import ACCOUNT, arrival, begun, ended, goes_on, token_answer

KEY = endpoint_key("control-token", "workload-identity")
CLIENTS = Clients(replace(ACCOUNT, sign_in=replace(ACCOUNT.sign_in, endpoint_keys={"workload-identity": KEY})))
START = Response(200, {"client_id": "c", "tenant_id": "t", "token": "account.token.x"}, {TRAIL_HEADER: "sydney.host;1.0;;;"})


def pod() -> tuple[Playing, Call]:
    return begun(arrival("workload-identity", "token", endpoint="workload-identity"), CLIENTS)


def test_a_pod_finds_its_account_on_its_node() -> None:
    """It shows the secret of its own machine there."""
    _, sent = pod()
    assert (sent.node, sent.request.method, sent.request.path) == ("sydney.host", "GET", "/vm1/pod/identity")
    assert sent.request.headers["authorization"] == f"Bearer {secret_of_machine(KEY, 'vm1')}"


def test_it_exchanges_the_token_at_entra_by_name() -> None:
    """The request is azure-identity's: client credentials with the account's token as assertion, for the resource's default."""
    playing, _ = pod()
    exchange = goes_on(playing, START)
    assert (exchange.method, exchange.path) == ("POST", "/t/oauth2/v2.0/token")
    assert (exchange.headers["host"], exchange.headers["x-brownout-client-region"]) == ("login.microsoftonline.com", "sydney")
    assert dict(exchange.form) == {
        "grant_type": "client_credentials",
        "client_id": "c",
        "scope": "https://vault.azure.net/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "account.token.x",
    }


def test_a_token_of_entra_is_good_and_its_trail_names_both_ways() -> None:
    """Who served the exchange stands first, then who served the account's token."""
    playing, _ = pod()
    goes_on(playing, START)
    result = ended(playing, token_answer(expires_in=3600))
    assert (result.outcome, result.error) == ("happened", "")
    assert result.trail == "sydney.host;1.0;k;manual;hit>sydney.host;1.0;;;"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(503, {"error": {"code": "ClusterUnavailable"}}), "ClusterUnavailable"),
        (Response(401, {"error": {"code": "Unauthorized"}}), "Unauthorized"),
        (Response(200, {"client_id": "c"}), "unreadable-answer"),
    ],
)
def test_without_an_account_there_is_no_exchange(answer: Response, error: str) -> None:
    """The arrival ends with what the node says."""
    playing, _ = pod()
    result = ended(playing, answer)
    assert (result.outcome, result.error) == ("refused", error)


def test_what_entra_refuses_is_refused() -> None:
    """Under OAuth's code."""
    playing, _ = pod()
    goes_on(playing, START)
    result = ended(playing, Response(401, {"error": "invalid_client", "error_description": "AADSTS700213"}))
    assert (result.outcome, result.error) == ("refused", "invalid_client")


def test_an_exchange_without_an_answer_is_unknown() -> None:
    """As any call is that may have happened."""
    playing, _ = pod()
    goes_on(playing, START)
    result = playing.next(CallFailed("timeout", "client.edge"))
    assert (result.outcome, result.error) == ("unknown", "timeout")  # type: ignore[union-attr]
