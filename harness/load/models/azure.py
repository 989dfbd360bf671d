"""Client models: what one arrival does, as a coroutine that yields the requests it wants sent.

Law: a model knows no sockets and no clock of its own. It yields `Send` and is resumed with a Response, or with CallFailed
thrown into it; the simulation's kernel and Locust's greenlets drive the very same models. `ClientState` is the memory
that clients of one load keep (tokens held by resource callers), handed in by the driver.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field

from brownout.harness.load.arrivals import Arrival, LoadPlan
from brownout.harness.record.history import Outcome, RequestRecord
from brownout.identity.core.messages import CallFailed, Request, Response

TRAIL_HEADER = "x-brownout-trail"
USER_AGENT = "brownout-load"


@dataclass(frozen=True, slots=True)
class Send:
    """`request` to `node` over the link `client->node`."""

    node: str
    request: Request


@dataclass(slots=True)
class ClientState:
    """What the load's clients remember: per machine and resource a token and the emulated time to renew it at."""

    tokens: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """How an arrival ended."""

    status: int
    outcome: Outcome
    error: str = ""
    trail: str = ""


Script = Generator[Send, Response, Answer]
Model = Callable[[LoadPlan, Arrival, ClientState, float], Script]


def script(plan: LoadPlan, arrival: Arrival, state: ClientState, now_s: float) -> Script:
    """The requests of one arrival; the generator returns an Answer and never raises CallFailed."""
    return _guarded(MODELS[arrival.model](plan, arrival, state, now_s))


async def perform(steps: Script, call: Callable[[str, Request], Awaitable[Response]]) -> Answer:
    """Plays a script over `call`, which it alone awaits; a CallFailed goes back into the script, anything else escapes."""
    try:
        wanted = next(steps)
        while True:
            try:
                response = await call(wanted.node, wanted.request)
            except CallFailed as failed:
                wanted = steps.throw(failed)
            else:
                wanted = steps.send(response)
    except StopIteration as stop:
        ended: Answer = stop.value
        return ended


def to_record(arrival: Arrival, answer: Answer, *, sent_s: float, done_s: float, latency_ms: float) -> RequestRecord:
    """The line of the request log for an arrival that ended with `answer`."""
    return RequestRecord(
        id=arrival.id,
        cohort=arrival.cohort,
        operation=arrival.operation,
        region=arrival.region,
        home=arrival.home,
        machine=arrival.machine,
        intended_s=round(arrival.at_s, 6),
        sent_s=round(sent_s, 6),
        done_s=round(done_s, 6),
        latency_ms=round(latency_ms, 3),
        status=answer.status,
        outcome=answer.outcome,
        error=answer.error,
        trail=answer.trail,
        front_end=arrival.front_end if arrival.model == "management" else "",
    )


def _guarded(model: Script) -> Script:
    try:
        return (yield from model)
    except CallFailed as failed:
        outcome: Outcome = "refused" if failed.failure == "refused" else "unknown"
        return Answer(0, outcome, failed.failure)


def _answer(response: Response) -> Answer:
    trail = response.headers.get(TRAIL_HEADER, "")
    if response.ok:
        return Answer(response.status, "happened", "", trail)
    return Answer(response.status, "refused", _error_code(response.body), trail)


def _error_code(body: Mapping[str, object] | None) -> str:
    error = (body or {}).get("error", "")
    if isinstance(error, Mapping):
        return str(error.get("code", ""))
    return str(error)


def token_request(machine: str, resource: str) -> Request:
    """An IMDS token request as azure-identity sends it (docs/reference/azure-wire.md#imds-token-request)."""
    return Request(
        "GET",
        f"/{machine}/metadata/identity/oauth2/token",
        {"api-version": "2018-02-01", "resource": resource},
        {"metadata": "true", "user-agent": USER_AGENT},
    )


def token_model(plan: LoadPlan, arrival: Arrival, state: ClientState, now_s: float) -> Script:
    """One machine asks its IMDS for a token, as a fresh process on it does (tokens are kept in memory only)."""
    response = yield Send(f"{arrival.region}.host", token_request(arrival.machine, arrival.resource))
    answer = _answer(response)
    return answer if answer.outcome != "happened" or _has_token(response) else _without_token(answer)


def _has_token(response: Response) -> bool:
    body = response.body or {}
    return bool(body.get("access_token")) and "expires_in" in body


def _without_token(answer: Answer) -> Answer:
    """A 200 that no client can use counts as refused."""
    return Answer(answer.status, "refused", "no-token-in-answer", answer.trail)


def resource_model(plan: LoadPlan, arrival: Arrival, state: ClientState, now_s: float) -> Script:
    """An application with a long-lived credential: reuses its token until half of its life is gone, then reads a secret."""
    key = (arrival.machine, arrival.resource)
    token, renew_s = state.tokens.get(key, ("", 0.0))
    trail = ""
    if not token or now_s >= renew_s:
        response = yield Send(f"{arrival.region}.host", token_request(arrival.machine, arrival.resource))
        answer = _answer(response)
        if answer.outcome != "happened":
            return answer
        if not _has_token(response):
            return _without_token(answer)
        body = response.body or {}
        token, trail = str(body["access_token"]), answer.trail
        state.tokens[key] = (token, now_s + float(body["expires_in"]) / 2)
    secret = yield Send(
        f"{arrival.region}.vault",
        Request("GET", "/secrets/sample", {"api-version": "7.6"}, {"authorization": f"Bearer {token}"}),
    )
    answer = _answer(secret)
    return Answer(answer.status, answer.outcome, answer.error, answer.trail or trail)


def management_model(plan: LoadPlan, arrival: Arrival, state: ClientState, now_s: float) -> Script:
    """One call to the region's management node through ARM or the portal."""
    request = _MANAGEMENT[arrival.operation](plan, arrival)
    prefix = "/portal" if arrival.front_end == "portal" else ""
    headers = {"authorization": f"Bearer {plan.user_token}"}
    full = Request(request.method, prefix + request.path, {"api-version": "2024-11-30"}, headers, request.body)
    response = yield Send(f"{arrival.region}.management", full)
    return _answer(response)


def provision_model(plan: LoadPlan, arrival: Arrival, state: ClientState, now_s: float) -> Script:
    """Creates a virtual machine, with or without an identity of its own, and follows the operation to its end."""
    identity = {"identity": {"type": "SystemAssigned"}} if arrival.operation == "provision-system" else {}
    body = {"location": arrival.home, **identity}
    headers = {"authorization": f"Bearer {plan.user_token}"}
    path = f"{_group(plan)}/providers/Microsoft.Compute/virtualMachines/{arrival.id}"
    node = f"{arrival.region}.management"
    response = yield Send(node, Request("PUT", path, {"api-version": "2024-07-01"}, headers, body))
    answer = _answer(response)
    operation = response.headers.get("azure-asyncoperation", "")
    if answer.outcome != "happened" or not operation:
        return answer
    polled = yield Send(node, Request("GET", _path_of(operation), {"api-version": "2024-07-01"}, headers))
    if (polled.body or {}).get("status") == "Succeeded":
        return answer
    return Answer(polled.status, "refused", _error_code(polled.body), answer.trail)


def _path_of(url: str) -> str:
    """The path of an absolute URL without its query."""
    return "/" + url.split("://", 1)[-1].split("/", 1)[-1].split("?", 1)[0]


def _group(plan: LoadPlan) -> str:
    return f"/subscriptions/{plan.subscription_id}/resourceGroups/load"


def _identity_path(plan: LoadPlan, name: str) -> str:
    return f"{_group(plan)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"


def _create(plan: LoadPlan, arrival: Arrival) -> Request:
    return Request("PUT", _identity_path(plan, arrival.id), body={"location": arrival.home})


def _delete(plan: LoadPlan, arrival: Arrival) -> Request:
    return Request("DELETE", _identity_path(plan, f"doomed-{arrival.home}"))


def _update(plan: LoadPlan, arrival: Arrival) -> Request:
    return Request("PATCH", _identity_path(plan, f"pool-{arrival.home}"), body={"tags": {"arrival": arrival.id}})


def _assign(plan: LoadPlan, arrival: Arrival) -> Request:
    path = f"{_group(plan)}/providers/Microsoft.Compute/virtualMachines/{arrival.machine}"
    shared: Mapping[str, Mapping[str, str]] = {_identity_path(plan, f"pool-{arrival.home}"): {}}
    identity = {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": shared}  # it keeps the one of its own
    return Request("PATCH", path, body={"identity": identity})


def _list(plan: LoadPlan, arrival: Arrival) -> Request:
    return Request("GET", f"{_group(plan)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities")


_MANAGEMENT: Mapping[str, Callable[[LoadPlan, Arrival], Request]] = {
    "create": _create,
    "delete": _delete,
    "update": _update,
    "assign": _assign,
    "list": _list,
}
MODELS: Mapping[str, Model] = {
    "token": token_model,
    "resource": resource_model,
    "management": management_model,
    "provision": provision_model,
}
