"""Client models, fed by hand: what each sends, and what it makes of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.load.arrivals import Arrival, LoadPlan
from brownout.harness.load.models.azure import TRAIL_HEADER, Answer, ClientState, Script, Send, script, to_record
from brownout.identity.core.messages import CallFailed, Failure, Response

PLAN = LoadPlan(seed=1, start_s=0, end_s=10, cohorts=(), tenant_id="t", subscription_id="sub", user_token="user-token")
TOKEN = Response(200, {"access_token": "tok", "expires_in": "1000"}, {TRAIL_HEADER: "sydney.host;1.0;k;manual;hit"})
DENIED = Response(500, {"error": "unknown", "error_description": "x"}, {TRAIL_HEADER: "sydney.host;1.0;;;"})


def arrival(model: str, operation: str, **changes: Any) -> Arrival:
    facts = {
        "id": "cohort-000001",
        "at_s": 5.0,
        "cohort": "cohort",
        "region": "sydney",
        "machine": "vm1",
        "home": "melbourne",
        "resource": "https://vault.azure.net",
        "front_end": "arm",
    }
    return Arrival(model=model, operation=operation, **{**facts, **changes})  # type: ignore[arg-type]


def begin(who: Arrival, state: ClientState | None = None, now_s: float = 5.0) -> Script:
    return script(PLAN, who, state or ClientState(), now_s)


def end(model: Script, response: Response) -> Answer:
    with pytest.raises(StopIteration) as ended:
        model.send(response)
    return ended.value.value


def fail(model: Script, failure: Failure) -> Answer:
    with pytest.raises(StopIteration) as ended:
        model.throw(CallFailed(failure, "sydney.host"))
    return ended.value.value


def test_token_request_goes_to_the_machines_own_imds() -> None:
    """A token arrival asks the host of its region, under its machine's path, with the Metadata header."""
    sent = next(begin(arrival("token", "token")))
    assert (sent.node, sent.request.method) == ("sydney.host", "GET")
    assert sent.request.path == "/vm1/metadata/identity/oauth2/token"
    assert sent.request.query == {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
    assert sent.request.headers["metadata"] == "true"


def test_token_answers() -> None:
    """A token happened; an error is refused under its code; 200 without a token is refused too."""
    for response, expected in (
        (TOKEN, Answer(200, "happened", "", "sydney.host;1.0;k;manual;hit")),
        (DENIED, Answer(500, "refused", "unknown", "sydney.host;1.0;;;")),
        (Response(200, {}), Answer(200, "refused", "no-token-in-answer", "")),
        (Response(502, None), Answer(502, "refused", "", "")),
    ):
        model = begin(arrival("token", "token"))
        next(model)
        assert end(model, response) == expected


@pytest.mark.parametrize(("failure", "outcome"), [("refused", "refused"), ("reset", "unknown"), ("timeout", "unknown")])
def test_a_call_without_an_answer(failure: Failure, outcome: str) -> None:
    """Only a refused connection certainly did not happen; after a reset or a timeout nobody can tell."""
    model = begin(arrival("token", "token"))
    next(model)
    assert fail(model, failure) == Answer(0, outcome, failure)  # type: ignore[arg-type]


def test_resource_caller_keeps_its_token_until_half_of_its_life() -> None:
    """The first call fetches a token, later ones reuse it, and after half its life it is fetched again."""
    state, who = ClientState(), arrival("resource", "secret")
    model = begin(who, state, now_s=100.0)
    assert next(model).node == "sydney.host"
    secret = model.send(TOKEN)
    assert (secret.node, secret.request.headers["authorization"]) == ("sydney.vault", "Bearer tok")
    assert end(model, Response(200, {"value": "s"})).outcome == "happened"
    assert next(begin(who, state, now_s=599.0)).node == "sydney.vault"
    assert next(begin(who, state, now_s=600.0)).node == "sydney.host"


def test_resource_caller_without_a_token_never_reaches_the_vault() -> None:
    """A failed token request ends the arrival and leaves nothing to reuse."""
    state = ClientState()
    model = begin(arrival("resource", "secret"), state)
    next(model)
    assert end(model, DENIED).outcome == "refused"
    assert state.tokens == {}


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
def test_management_operations(operation: str, method: str, ends_with: str) -> None:
    """Each operation is one authorised request to the region's management node."""
    sent = next(begin(arrival("management", operation)))
    assert (sent.node, sent.request.method) == ("sydney.management", method)
    assert sent.request.path.startswith("/subscriptions/sub/resourceGroups/load/")
    assert sent.request.path.endswith(ends_with)
    assert sent.request.headers["authorization"] == "Bearer user-token"


def test_the_portal_is_another_front_end_to_the_same_path() -> None:
    """A portal arrival differs from an ARM one by its prefix alone."""
    arm = next(begin(arrival("management", "list")))
    portal = next(begin(arrival("management", "list", front_end="portal")))
    assert portal == Send(
        arm.node,
        type(arm.request)(
            arm.request.method, "/portal" + arm.request.path, arm.request.query, arm.request.headers, arm.request.body
        ),
    )


def test_provisioning_follows_the_operation_to_its_end() -> None:
    """A created machine happened only when its asynchronous operation succeeded; a failed one is refused by its code."""
    accepted = Response(201, {}, {"azure-asyncoperation": "http://127.0.0.1:1/subscriptions/sub/operations/7?x=1"})
    failed = Response(200, {"status": "Failed", "error": {"code": "IdentityUnavailable"}})
    for polled, expected in (
        (Response(200, {"status": "Succeeded"}), Answer(201, "happened")),
        (failed, Answer(200, "refused", "IdentityUnavailable")),
    ):
        model = begin(arrival("provision", "provision-system"))
        created = next(model)
        assert created.request.body == {"location": "melbourne", "identity": {"type": "SystemAssigned"}}
        assert model.send(accepted).request.path == "/subscriptions/sub/operations/7"
        assert end(model, polled) == expected


def test_provisioning_without_an_identity_asks_for_none() -> None:
    """The control group of provisioning needs no identity."""
    created = next(begin(arrival("provision", "provision-plain")))
    assert created.request.body == {"location": "melbourne"}


def test_the_record_keeps_the_intended_time_to_the_microsecond() -> None:
    """A record repeats its arrival and how it ended; its intended time is the plan's, rounded to the microsecond."""
    who = arrival("token", "token", at_s=1721005200.1234567)
    answer = Answer(200, "happened", trail="a>b")
    record = to_record(who, answer, sent_s=1721005200.2, done_s=1721005200.3, latency_ms=176.5432109)
    assert (record.id, record.cohort, record.operation, record.machine) == (who.id, "cohort", "token", "vm1")
    assert abs(record.intended_s - who.at_s) <= 0.000_001
    assert (record.latency_ms, record.outcome, record.trail) == (176.543, "happened", "a>b")
