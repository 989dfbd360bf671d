"""The client model `token`."""

from __future__ import annotations

import pytest

from brownout.harness.load.models.model import ArrivalResult
from brownout.identity.core.messages import Response
from support.client_scripts import DENIED, TOKEN, arrival, begun, ended, first, jwt, token_answer


def test_the_request_goes_to_the_machines_own_imds() -> None:
    """An arrival asks the host of its region, under its machine's path, with the Metadata header."""
    sent = first(arrival("token", "token"))
    assert (sent.node, sent.request.method) == ("sydney.host", "GET")
    assert sent.request.path == "/vm1/metadata/identity/oauth2/token"
    assert sent.request.query == {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
    assert sent.request.headers["metadata"] == "true"


def test_a_response_becomes_an_answer() -> None:
    """A token happened; an error is refused under its code."""
    for response, expected in (
        (TOKEN, ArrivalResult(200, "happened", "", "sydney.host;1.0;k;manual;hit")),
        (DENIED, ArrivalResult(500, "refused", "unknown", "sydney.host;1.0;;;")),
        (Response(502, None), ArrivalResult(502, "refused", "", "")),
    ):
        playing, _ = begun(arrival("token", "token"))
        assert ended(playing, response)._replace(credentials="") == expected


def _without(name: str) -> Response:
    body = dict(TOKEN.body or {})
    del body[name]
    return Response(200, body)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Response(201, TOKEN.body), "unexpected-status"),
        (Response(204), "unexpected-status"),
        (Response(200, {}), "no-token-in-answer"),
        (Response(200), "no-token-in-answer"),
        (_without("access_token"), "no-token-in-answer"),
        (_without("expires_in"), "no-token-in-answer"),
        (token_answer("garbage"), "no-token-in-answer"),
        (token_answer("a.b.c"), "no-token-in-answer"),
        (token_answer(access_token=7), "no-token-in-answer"),
        (token_answer(expires_in="soon"), "no-token-in-answer"),
        (token_answer(expires_in="nan"), "no-token-in-answer"),
        (token_answer(expires_in="-5"), "token-expired"),
        (token_answer(jwt("https://storage.azure.com")), "wrong-audience"),
        (token_answer(jwt(to_s=5.0)), "token-expired"),
        (token_answer(jwt(from_s=5.1)), "token-not-yet-valid"),
    ],
)
def test_a_success_without_a_token_of_use_is_refused(response: Response, error: str) -> None:
    """An application cannot go on with a token that is none, for another resource or not in force: that is no good answer."""
    playing, _ = begun(arrival("token", "token"), now_s=5.0)
    answer = ended(playing, response)
    assert (answer.outcome, answer.error) == ("refused", error)


@pytest.mark.parametrize("written", ["1000", 1000, "1000.0"])
def test_a_lifetime_may_be_text_or_a_number(written: object) -> None:
    """The SDK reads both; and whether the resource was asked for with a slash does not matter."""
    playing, _ = begun(arrival("token", "token", resource="https://vault.azure.net/"))
    assert ended(playing, token_answer(expires_in=written)).outcome == "happened"
