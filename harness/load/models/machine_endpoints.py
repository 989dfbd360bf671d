"""How a client on a machine gets a token by each kind of endpoint: headers, secrets and challenges as its SDK has them.

A client of Arc's agent asks first, is told which file has the key, and asks again with what is in it. It refuses an answer
without that challenge, a file where the agent keeps none, and a token that does not say which identity it was asked for. The
file is on the machine; its content follows from the key of the kind, as the machine's host derives it.
Source: docs/reference/azure-wire.md#app-service and the sections after it.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

from brownout.harness.load.models.azure import USER_AGENT, ask_for_token, token_result
from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call, Script
from brownout.identity.azure.hosts.endpoint import APP_SERVICE, ARC, IMDS, VM_EXTENSION, WITH_SECRETS
from brownout.identity.azure.hosts.probes import token_request
from brownout.identity.azure.machine_secrets import arc_key_file, secret_of_machine
from brownout.identity.core.messages import Request, Response

SELECTORS: Mapping[str, str] = {APP_SERVICE: "mi_res_id", ARC: "msi_res_id", VM_EXTENSION: "msi_res_id"}  # by resource id


def endpoint_key_of(account: Account, kind: str) -> str:
    """What the secrets of that kind of endpoint are derived from; raises KeyError where the load was given no key."""
    return account.sign_in.endpoint_keys[kind]


def token_by_endpoint(arrival: Arrival, account: Account, now_s: float) -> Script:
    """The requests of one process that wants a token and nothing else."""
    if arrival.endpoint in ("", IMDS):
        return token_result((yield ask_for_token(arrival)), arrival, now_s)
    if arrival.endpoint == ARC:
        return (yield from _by_arc(arrival, account, now_s))
    return _told(token_result((yield _ask(arrival, _secret(arrival, account))), arrival, now_s))


def _by_arc(arrival: Arrival, account: Account, now_s: float) -> Generator[Call, Response, ArrivalResult]:
    challenged = yield _ask(arrival, "")
    if challenged.status != 401:
        result = token_result(challenged, arrival, now_s)
        return result._replace(outcome="refused", error="no-challenge") if challenged.ok else _told(result)
    named = challenged.headers.get("www-authenticate", "").partition("realm=")[2]
    if named != arc_key_file(endpoint_key_of(account, ARC), arrival.machine):
        return token_result(challenged, arrival, now_s)._replace(error="no-such-key-file")
    answer = yield _ask(arrival, _secret(arrival, account))
    result = token_result(answer, arrival, now_s)
    echoed = str((answer.body or {}).get(SELECTORS[ARC], "")).lower()
    if result.outcome == "happened" and arrival.identity and echoed != arrival.identity.lower():
        return result._replace(outcome="refused", error="identity-not-confirmed")
    return _told(result)


def _ask(arrival: Arrival, secret: str) -> Call:
    selectors = {SELECTORS[arrival.endpoint]: arrival.identity} if arrival.identity else {}
    request = token_request(arrival.endpoint, secret, arrival.machine, resource=arrival.resource, selectors=selectors)
    return Call(f"{arrival.region}.host", _from_load(request))


def _from_load(request: Request) -> Request:
    return request.with_headers({"user-agent": USER_AGENT})


def _secret(arrival: Arrival, account: Account) -> str:
    """What the client shows to its endpoint, "" where none is wanted."""
    if arrival.endpoint not in WITH_SECRETS:
        return ""
    return secret_of_machine(endpoint_key_of(account, arrival.endpoint), arrival.machine)


def _told(result: ArrivalResult) -> ArrivalResult:
    """The result with an error in any case: App Service names no code."""
    return result if result.outcome == "happened" or result.error else result._replace(error=f"status-{result.status}")
