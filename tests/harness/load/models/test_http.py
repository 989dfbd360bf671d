"""Clients of the user's own application: what they send, and which answers count."""

from __future__ import annotations

import pytest

from brownout.harness.load.models.asks import COMMAND, SUBJECT, CommandAsk, HttpAsk
from brownout.harness.load.models.command import COMMANDS
from brownout.harness.load.models.http import HTTP
from brownout.harness.load.models.model import Account, Arrival, Call, Clients
from brownout.harness.load.playing import Playing
from brownout.identity.core.messages import CallFailed, Response

VISITOR = Arrival("v-1", 5.0, "visitors", "http", "sydney", "", "request", "", "")
ASK = HttpAsk.model_validate(
    {"method": "POST", "path": "/a?b=c", "status": [201, "3xx"], "headers": {"X-A": "b"}, "body": "{}", "timeout": "500ms"}
)


def begun(ask: HttpAsk | None) -> tuple[Playing, Call]:
    playing = Playing(HTTP.script(VISITOR, Clients(Account(), 0, {} if ask is None else {"visitors": ask}), 5.0))
    call = playing.next()
    assert isinstance(call, Call)
    return playing, call


def test_the_request_is_the_cohort_s() -> None:
    """Method, path, headers, payload and time-out are those of the file; the host is the subject's."""
    _, call = begun(ASK)
    assert (call.node, call.request.method, call.request.target) == (SUBJECT, "POST", "/a?b=c")
    assert (call.request.raw_headers, call.request.payload, call.timeout_s) == (((b"x-a", b"b"),), b"{}", 0.5)
    _, plain = begun(None)
    assert (plain.request.method, plain.request.target, plain.timeout_s) == ("GET", "/", None)


@pytest.mark.parametrize(("status", "outcome"), [(201, "happened"), (304, "happened"), (200, "refused"), (503, "refused")])
def test_only_expected_statuses_happened(status: int, outcome: str) -> None:
    """Any other answer is a refusal that names its status."""
    result = begun(ASK)[0].next(Response(status))
    assert (result.outcome, result.status) == (outcome, status)  # type: ignore[union-attr]
    assert result.error == ("" if outcome == "happened" else f"status-{status}")  # type: ignore[union-attr]


@pytest.mark.parametrize(("failure", "outcome"), [("refused", "refused"), ("reset", "unknown"), ("timeout", "unknown")])
def test_without_an_answer_it_is_as_for_any_client(failure: str, outcome: str) -> None:
    """A refused connection certainly did nothing; anything else is not known."""
    result = begun(ASK)[0].next(CallFailed(failure, SUBJECT))  # type: ignore[arg-type]
    assert (result.outcome, result.error) == (outcome, failure)  # type: ignore[union-attr]


@pytest.mark.parametrize(("status", "outcome", "error"), [(200, "happened", ""), (500, "refused", "exit-3")])
def test_a_command_happened_when_it_exits_with_0(status: int, outcome: str, error: str) -> None:
    """Another code is a refusal that names it."""
    clients = Clients(Account(), 0, {"jobs": CommandAsk(run="true")})
    playing = Playing(COMMANDS.script(VISITOR._replace(cohort="jobs", model="command"), clients, 5.0))
    call = playing.next()
    assert isinstance(call, Call)
    assert (call.node, call.request.path) == (COMMAND, "/jobs")
    result = playing.next(Response(status, {"exit_code": 0 if status == 200 else 3}))
    assert (result.outcome, result.error) == (outcome, error)  # type: ignore[union-attr]
