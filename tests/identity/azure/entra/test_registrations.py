"""Applications as the operator registers and changes them, and what that does at the token endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from brownout.identity.azure.service_accounts import cluster_issuer
from brownout.identity.core.messages import Request, Response
from support.entra_requests import OwnCertificate, ask, ask_with, certificate
from support.simulated_azure import HOUR_S, SimulatedAzure, on_azure

PATH = "/admin/azure/applications"


def control(azure: SimulatedAzure, method: str, path: str = "", body: Any = None) -> Response:
    return azure.world.run(azure.world.control("sydney.directory", Request(method, PATH + path, body=body)))


def told(answer: Response) -> dict[str, Any]:
    assert answer.ok, answer
    return dict(answer.body or {})


def made(azure: SimulatedAzure, **more: Any) -> str:
    """The client id of a new application."""
    return str(told(control(azure, "POST", body={"name": "orders", **more}))["client_id"])


def test_a_new_application_signs_in_with_its_new_secret_at_once() -> None:
    """What is answered was published: every region takes the secret, which is told once."""

    def story(azure: SimulatedAzure) -> list[Any]:
        client_id = made(azure)
        secret = told(control(azure, "POST", f"/{client_id}/secrets", {"name": "first"}))
        listed = told(control(azure, "GET"))["applications"]
        assert secret["secret"] not in str(listed)
        assert [each["name"] for each in listed] == ["brownout-app", "orders"]
        return [ask(azure, client_id=client_id, client_secret=secret["secret"]).code]

    assert on_azure(story) == [0]


def test_a_secret_that_was_taken_away_is_wrong_and_others_go_on() -> None:
    """Rolling over: a second secret, then the first one is deleted."""

    def story(azure: SimulatedAzure) -> list[int]:
        client_id = made(azure)
        first, second = (told(control(azure, "POST", f"/{client_id}/secrets")) for _ in range(2))
        told(control(azure, "DELETE", f"/{client_id}/secrets/{first['key_id']}"))
        return [ask(azure, client_id=client_id, client_secret=each["secret"]).code for each in (first, second)]

    assert on_azure(story) == [7000215, 0]


def test_a_secret_lives_as_long_as_was_asked_for() -> None:
    """`lifetime_s` is the stack's time."""

    def story(azure: SimulatedAzure) -> int:
        client_id = made(azure)
        secret = told(control(azure, "POST", f"/{client_id}/secrets", {"lifetime_s": HOUR_S}))["secret"]
        azure.sleep(HOUR_S + 1)
        return ask(azure, client_id=client_id, client_secret=secret).code

    assert on_azure(story) == 7000222


def pem_of(own: OwnCertificate) -> str:
    text = own.pem.decode()
    return text[text.index("-----BEGIN CERTIFICATE") :]


def test_certificates_and_federated_credentials_are_registered() -> None:
    """Both ways to sign in without a secret."""

    def story(azure: SimulatedAzure) -> list[int]:
        client_id = made(azure)
        told(control(azure, "POST", f"/{client_id}/certificates", {"certificate": pem_of(certificate())}))
        trust = {
            "name": "ci",
            "issuer": cluster_issuer(azure.spec, "sydney"),
            "subject": "ci",
            "audiences": ["api://AzureADTokenExchange"],
        }
        told(control(azure, "PUT", f"/{client_id}/federated-credentials", {"credentials": [trust]}))
        foreign = {"iss": trust["issuer"], "sub": "ci", "aud": trust["audiences"], "exp": int(azure.now_s) + 600}
        own = certificate().assertion(azure, iss=client_id, sub=client_id)
        return [ask_with(azure, own, client_id=client_id).code, ask_with(azure, azure.sign(foreign), client_id=client_id).code]

    assert on_azure(story) == [0, 0]


def test_an_application_is_a_resource_too() -> None:
    """Others get tokens for its URIs, of the version that it takes."""

    def story(azure: SimulatedAzure) -> tuple[Any, ...]:
        client_id = made(azure, uris=["api://orders"], token_version=2)
        claims = ask(azure, scope="api://orders/.default").claims
        return claims["aud"] == client_id, claims["ver"]

    assert on_azure(story) == (True, "2.0")


def test_an_ended_application_is_unknown() -> None:
    """At once, because the deletion was published; its name is free again."""

    def story(azure: SimulatedAzure) -> list[Any]:
        client_id = made(azure)
        secret = told(control(azure, "POST", f"/{client_id}/secrets"))["secret"]
        told(control(azure, "DELETE", f"/{client_id}"))
        again = control(azure, "DELETE", f"/{client_id}").status
        return [ask(azure, client_id=client_id, client_secret=secret).code, again]

    assert on_azure(story) == [700016, 404]


def test_what_was_registered_survives_a_kill_and_a_lost_disk() -> None:
    """The directory keeps it on its disk, and learns it from the regions when that is lost: nobody knows the secret's text."""

    def story(azure: SimulatedAzure) -> list[int]:
        from brownout.harness.effects import NodeEffect
        from brownout.harness.world import Carrier

        client_id = made(azure)
        secret = told(control(azure, "POST", f"/{client_id}/secrets"))["secret"]
        seen = []
        for loses_disk in (False, True):
            azure.world.run(azure.world.hold(Carrier("node", "sydney.directory"), "kill", NodeEffect("down")))
            if loses_disk:
                azure.world._nodes["sydney.directory"].disk.clear()
            azure.world.run(azure.world.release(Carrier("node", "sydney.directory"), "kill"))
            azure.sleep(300)
            seen.append(ask(azure, client_id=client_id, client_secret=secret).code)
        assert client_id in str(told(control(azure, "GET")))
        assert ask(azure).code == 0  # the seeded one, whose secret the stack file has
        return seen

    assert on_azure(story) == [0, 0]


BAD: dict[str, tuple[Callable[[SimulatedAzure, str], Response], int]] = {
    "no name": (lambda azure, _: control(azure, "POST", body={}), 400),
    "version": (lambda azure, _: control(azure, "POST", body={"name": "a", "token_version": 3}), 400),
    "uris": (lambda azure, _: control(azure, "POST", body={"name": "a", "uris": "x"}), 400),
    "method": (lambda azure, _: control(azure, "PUT", body={}), 405),
    "unknown application": (lambda azure, _: control(azure, "POST", "/x/secrets", {}), 404),
    "unknown part": (lambda azure, known: control(azure, "POST", f"/{known}/keys", {}), 404),
    "unknown secret": (lambda azure, known: control(azure, "DELETE", f"/{known}/secrets/x"), 400),
    "no certificate": (lambda azure, known: control(azure, "POST", f"/{known}/certificates", {"certificate": "x"}), 400),
    "no credentials": (
        lambda azure, known: control(azure, "PUT", f"/{known}/federated-credentials", {"credentials": [{}]}),
        400,
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused(case: str) -> None:
    """Each bad request is told apart, and changes nothing."""
    change, status = BAD[case]

    def story(azure: SimulatedAzure) -> int:
        known = made(azure)
        before = told(control(azure, "GET"))
        answer = change(azure, known)
        assert told(control(azure, "GET")) == before
        return answer.status

    assert on_azure(story) == status
