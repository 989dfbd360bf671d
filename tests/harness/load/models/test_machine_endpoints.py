"""Clients of the model `token` by each kind of endpoint: what they send, what they refuse, and what they do not show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients
from brownout.harness.load.playing import Playing
from brownout.identity.azure.hosts.endpoint import WITH_SECRETS
from brownout.identity.azure.machine_secrets import arc_key_file, endpoint_key, secret_of_machine
from brownout.identity.core.messages import Response
from support.client_scripts import ACCOUNT, arrival, begun, ended, goes_on, jwt

KEYS = {kind: endpoint_key("control-token", kind) for kind in WITH_SECRETS}
CLIENTS = Clients(replace(ACCOUNT, sign_in=replace(ACCOUNT.sign_in, endpoint_keys=KEYS)))
NOW_S = 1000.0
ENDS = {"access_token": jwt(), "expires_on": "4600"}
LIVES = {"access_token": jwt(), "expires_in": "3600"}
BY_KIND = {
    "app-service": ENDS,
    "app-service-2017": ENDS,
    "service-fabric": ENDS,
    "arc": LIVES,
    "cloud-shell": LIVES,
    "vm-extension": LIVES,
}
CHALLENGE = Response(401, {"error": "unauthorized"}, {"www-authenticate": f"Basic realm={arc_key_file(KEYS['arc'], 'vm1')}"})


def secret(kind: str) -> str:
    return secret_of_machine(KEYS[kind], "vm1")


def client(kind: str, **changed: Any) -> Arrival:
    return arrival("token", "token", endpoint=kind, **changed)


def asking(kind: str, **changed: Any) -> tuple[Playing, Call]:
    """The client under way, and its request that is to be answered with a token: Arc's second one."""
    playing, sent = begun(client(kind, **changed), CLIENTS, NOW_S)
    if kind != "arc":
        return playing, sent
    again = playing.next(CHALLENGE)
    assert isinstance(again, Call)
    return playing, again


@pytest.mark.parametrize(
    ("kind", "method", "path", "query", "headers"),
    [
        ("app-service", "GET", "msi/token", {"api-version": "2019-08-01"}, {"x-identity-header": secret("app-service")}),
        ("app-service-2017", "GET", "msi/token", {"api-version": "2017-09-01"}, {"secret": secret("app-service")}),
        (
            "service-fabric",
            "GET",
            "fabric/metadata/identity/oauth2/token",
            {"api-version": "2019-07-01-preview"},
            {"secret": secret("service-fabric")},
        ),
        (
            "arc",
            "GET",
            "arc/metadata/identity/oauth2/token",
            {"api-version": "2020-06-01"},
            {"metadata": "true", "authorization": f"Basic {secret('arc')}"},
        ),
        ("vm-extension", "GET", "oauth2/token", {}, {"metadata": "true"}),
        ("cloud-shell", "POST", "cloud-shell/oauth2/token", None, {"metadata": "true"}),
    ],
)
def test_each_kind_is_asked_in_its_own_way(kind: str, method: str, path: str, query: Any, headers: dict[str, str]) -> None:
    """Path, version, and the header that shows the secret of this machine and kind; Cloud Shell takes a form."""
    _, sent = asking(kind)
    request = sent.request
    assert (sent.node, request.method, request.path) == ("sydney.host", method, f"/vm1/{path}")
    if query is None:
        assert request.form == (("resource", "https://vault.azure.net"),)
    else:
        assert request.query == {**query, "resource": "https://vault.azure.net"}
    assert {name: request.headers.get(name) for name in headers} == headers
    assert request.headers["user-agent"] == "brownout-load"


@pytest.mark.parametrize(("kind", "body"), BY_KIND.items())
def test_a_token_is_good_as_the_sdk_reads_it(kind: str, body: dict[str, str]) -> None:
    """Some endpoints say when it ends and some for how long it lives; what says the other is of no use to the client."""
    other = LIVES if body is ENDS else ENDS
    over = {**body, "expires_on": str(int(NOW_S)), "expires_in": "0"}
    for answer, outcome, error in (
        (body, "happened", ""),
        (other, "refused", "no-token-in-answer"),
        (over, "refused", "token-expired"),
        ({**body, "access_token": jwt("https://another")}, "refused", "wrong-audience"),
    ):
        playing, _ = asking(kind)
        result = ended(playing, Response(200, {**answer, "msi_res_id": "what nobody asked for"}))
        assert (result.outcome, result.error) == (outcome, error), answer


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_refusal_has_an_error_in_any_case(kind: str) -> None:
    """The code of the body, else the status: App Service has no code."""
    without_code = kind.startswith("app-service")
    body = {"statusCode": 500, "message": "x"} if without_code else {"error": {"code": "Internal"}}
    playing, _ = asking(kind)
    result = ended(playing, Response(500, body))
    assert (result.status, result.outcome) == (500, "refused")
    assert result.error == ("status-500" if without_code else "Internal")


def test_the_first_request_to_arc_shows_no_key() -> None:
    """The key is shown once the agent has named its file, and the same resource is asked for."""
    playing, sent = begun(client("arc"), CLIENTS, NOW_S)
    assert "authorization" not in sent.request.headers
    again = goes_on(playing, CHALLENGE)
    assert again.headers["authorization"] == f"Basic {secret('arc')}"
    assert again.query == sent.request.query


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(200, LIVES), "no-challenge"),
        (Response(500, {"error": "unknown"}), "unknown"),
        (Response(401, {"error": "unauthorized"}), "no-such-key-file"),
        (Response(401, {}, {"www-authenticate": "Basic realm=/etc/passwd"}), "no-such-key-file"),
        (Response(401, {}, {"www-authenticate": f"Basic realm={arc_key_file(KEYS['arc'], 'vm2')}"}), "no-such-key-file"),
    ],
)
def test_a_client_of_arc_goes_on_after_the_challenge_of_its_own_agent_only(answer: Response, error: str) -> None:
    """A token without a challenge is refused as the SDK does, and so is a file that is not the agent's on this machine."""
    playing, _ = begun(client("arc"), CLIENTS, NOW_S)
    result = ended(playing, answer)
    assert (result.outcome, result.error) == ("refused", error)


@pytest.mark.parametrize(
    ("kind", "name"), [("app-service", "mi_res_id"), ("arc", "msi_res_id"), ("vm-extension", "msi_res_id")]
)
def test_an_identity_is_named_by_its_resource_id(kind: str, name: str) -> None:
    """Each endpoint has its own word for it."""
    _, sent = asking(kind, identity="/subscriptions/s/id")
    assert sent.request.query[name] == "/subscriptions/s/id"


@pytest.mark.parametrize(("echo", "outcome"), [("/SUBSCRIPTIONS/s/id", "happened"), ("/another", "refused"), ("", "refused")])
def test_a_client_of_arc_wants_the_identity_confirmed(echo: str, outcome: str) -> None:
    """An old agent ignores the selector and gives the machine's own token, which the SDK refuses."""
    playing, _ = asking("arc", identity="/subscriptions/s/id")
    result = ended(playing, Response(200, {**LIVES, "msi_res_id": echo}))
    assert result.outcome == outcome
    assert result.error == ("" if outcome == "happened" else "identity-not-confirmed")


def test_a_load_without_the_key_of_its_kind_says_so() -> None:
    """That is a mistake of the generator and no answer of the service."""
    playing, _ = begun(client("arc"), Clients(ACCOUNT), NOW_S)
    with pytest.raises(KeyError, match="arc"):
        playing.next(CHALLENGE)


def test_what_is_recorded_shows_no_secret() -> None:
    """Neither the result nor the text of the account has a key or a machine's secret."""
    playing, _ = asking("arc")
    result: ArrivalResult = ended(playing, Response(200, LIVES))
    shown = f"{result} {CLIENTS.account}"
    assert not [hidden for kind in WITH_SECRETS for hidden in (KEYS[kind], secret(kind)) if hidden in shown]
