"""The client model `token`."""

from __future__ import annotations

from brownout.harness.load.models.model import ArrivalResult
from brownout.identity.core.messages import Response
from support.client_scripts import DENIED, TOKEN, arrival, begun, ended, first


def test_the_request_goes_to_the_machines_own_imds() -> None:
    """An arrival asks the host of its region, under its machine's path, with the Metadata header."""
    sent = first(arrival("token", "token"))
    assert (sent.node, sent.request.method) == ("sydney.host", "GET")
    assert sent.request.path == "/vm1/metadata/identity/oauth2/token"
    assert sent.request.query == {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
    assert sent.request.headers["metadata"] == "true"


def test_a_response_becomes_an_answer() -> None:
    """A token happened; an error is refused under its code; 200 without a token is refused too."""
    for response, expected in (
        (TOKEN, ArrivalResult(200, "happened", "", "sydney.host;1.0;k;manual;hit")),
        (DENIED, ArrivalResult(500, "refused", "unknown", "sydney.host;1.0;;;")),
        (Response(200, {}), ArrivalResult(200, "refused", "no-token-in-answer", "")),
        (Response(502, None), ArrivalResult(502, "refused", "", "")),
    ):
        playing, _ = begun(arrival("token", "token"))
        assert ended(playing, response) == expected
