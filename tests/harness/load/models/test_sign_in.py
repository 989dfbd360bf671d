"""The client model `sign-in`."""

from __future__ import annotations

import pytest

from brownout.harness.load.models.model import ArrivalResult
from brownout.identity.core.messages import Response
from support.client_scripts import arrival, begun, ended, first


@pytest.mark.parametrize(
    ("front_end", "name"), [("login", "login.microsoftonline.com"), ("seamless", "autologon.microsoftazuread-sso.com")]
)
def test_the_front_end_is_the_name_by_which_entra_is_called(front_end: str, name: str) -> None:
    """The tenant's OpenID configuration is asked for through the edge, from the region in which the client stands."""
    sent = first(arrival("sign-in", "discover", front_end=front_end))
    assert (sent.node, sent.request.path) == ("client.edge", "/tenant/v2.0/.well-known/openid-configuration")
    assert sent.request.headers == {"host": name, "x-brownout-client-region": "sydney"}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response(200, {"token_endpoint": "https://x"}), ArrivalResult(200, "happened")),
        (Response(200, {}), ArrivalResult(200, "refused", "unreadable-answer")),
        (Response(502, {"error": {"code": "nxdomain"}}), ArrivalResult(502, "refused", "nxdomain")),
    ],
)
def test_it_is_good_when_it_says_where_tokens_are_had(response: Response, expected: ArrivalResult) -> None:
    """A name that leads nowhere is refused with the edge's word, a document without the endpoint as unreadable."""
    playing, _ = begun(arrival("sign-in", "discover", front_end="login"))
    assert ended(playing, response) == expected
