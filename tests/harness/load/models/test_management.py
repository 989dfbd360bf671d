"""The client model `management`."""

from __future__ import annotations

import pytest

from brownout.harness.load.models.management import MANAGEMENT
from brownout.harness.load.models.model import ArrivalResult
from brownout.identity.core.messages import Response
from support.client_scripts import arrival, begun, ended, first


@pytest.mark.parametrize(
    ("operation", "method", "ends_with"),
    [
        ("create", "PUT", "/userAssignedIdentities/cohort-000001"),
        ("delete", "DELETE", "/userAssignedIdentities/doomed-melbourne"),
        ("update", "PATCH", "/userAssignedIdentities/pool-melbourne"),
        ("assign", "PATCH", "/virtualMachines/vm1"),
        ("list", "GET", "/userAssignedIdentities"),
    ],
)
def test_each_operation_is_one_authorised_request(operation: str, method: str, ends_with: str) -> None:
    """It goes to the region's management node with the operator's token."""
    sent = first(arrival("management", operation))
    assert (sent.node, sent.request.method) == ("sydney.management", method)
    assert sent.request.path.startswith("/subscriptions/sub/resourceGroups/load/")
    assert sent.request.path.endswith(ends_with)
    assert sent.request.headers["authorization"] == "Bearer user-token"


def test_only_assign_needs_a_machine() -> None:
    """A cohort that assigns has machines drawn for it, any other needs none."""
    operations = [operation.name for operation in MANAGEMENT.operations]
    assert [name for name in operations if MANAGEMENT.needs_machine((name,))] == ["assign"]


def test_the_portal_is_another_front_end_to_the_same_path() -> None:
    """A portal arrival differs from an ARM one by its prefix alone."""
    arm, portal = (first(arrival("management", "list", front_end=name)) for name in ("arm", "portal"))
    assert portal.request.path == "/portal" + arm.request.path
    alike = ("method", "query", "headers", "body")
    assert [getattr(portal.request, name) for name in alike] == [getattr(arm.request, name) for name in alike]
    assert portal.node == arm.node


def test_an_error_is_refused_by_its_code() -> None:
    """ARM's error body has the code one level down."""
    playing, _ = begun(arrival("management", "list"))
    answer = ended(playing, Response(409, {"error": {"code": "Conflict", "message": "x"}}))
    assert answer == ArrivalResult(409, "refused", "Conflict")


@pytest.mark.parametrize(
    ("operation", "status", "body", "error"),
    [
        ("create", 201, {"id": "/i"}, ""),
        ("create", 202, {"id": "/i"}, "unexpected-status"),
        ("create", 200, {"value": []}, "unreadable-answer"),
        ("delete", 204, None, ""),
        ("delete", 202, None, "unexpected-status"),
        ("update", 200, {"id": "/i"}, ""),
        ("update", 201, {"id": "/i"}, "unexpected-status"),
        ("assign", 202, {"id": "/vm"}, ""),
        ("assign", 200, None, "unreadable-answer"),
        ("list", 200, {"value": []}, ""),
        ("list", 200, {}, "unreadable-answer"),
    ],
)
def test_an_answer_is_good_when_the_sdk_takes_it(
    operation: str, status: int, body: dict[str, object] | None, error: str
) -> None:
    """Each operation has its statuses and the member that the SDK reads; any other success is refused."""
    playing, _ = begun(arrival("management", operation))
    answer = ended(playing, Response(status, body))
    assert (answer.outcome, answer.error) == ("refused" if error else "happened", error)
