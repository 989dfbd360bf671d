"""The client model `provision`."""

from __future__ import annotations

from brownout.harness.load.models.model import ArrivalResult, Call
from brownout.identity.core.messages import Response
from support.client_scripts import arrival, begun, ended, first


def test_the_operation_is_followed_to_its_end() -> None:
    """A created machine happened only when its asynchronous operation succeeded; a failed one is refused by its code."""
    accepted = Response(201, {"id": "/vm"}, {"azure-asyncoperation": "http://127.0.0.1:1/subscriptions/sub/operations/7?x=1"})
    failed = Response(200, {"status": "Failed", "error": {"code": "IdentityUnavailable"}})
    for polled, expected in (
        (Response(200, {"status": "Succeeded"}), ArrivalResult(201, "happened")),
        (failed, ArrivalResult(200, "refused", "IdentityUnavailable")),
    ):
        playing, created = begun(arrival("provision", "provision-system"))
        assert created.request.body == {"location": "sydney", "identity": {"type": "SystemAssigned"}}
        look = playing.next(accepted)
        assert isinstance(look, Call)
        assert look.request.path == "/subscriptions/sub/operations/7"
        assert ended(playing, polled) == expected


def test_without_an_identity_none_is_asked_for() -> None:
    """The control group of provisioning needs no identity."""
    assert first(arrival("provision", "provision-plain")).request.body == {"location": "sydney"}


def test_a_machine_without_an_id_was_not_created() -> None:
    """azure-mgmt-compute reads the resource from a 200 or 201."""
    for answered, error in ((Response(201, {}), "unreadable-answer"), (Response(204), "unexpected-status")):
        playing, _ = begun(arrival("provision", "provision-plain"))
        assert ended(playing, answered).error == error
