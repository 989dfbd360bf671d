"""console-sign-in: a person signs in to the console with a password and the code that a phone shows, or with a security key.

Who has a security key types no code: the sign-in page answers with a challenge, which the key signs. No challenge, no sign-in.
The front end is the address: `regional` names the region, which judges by itself; `global` names none, and the home region's
control plane judges. A code is good once at each node, so the clients of a cohort are many users, in turn, and no two cohorts
have one in common (docs/reference/aws-wire.md#one-time-passwords).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import urlencode

from brownout.harness.errors import UsageError
from brownout.harness.load.models.aws.calls import FORM, GLOBAL, REGIONAL, error_code, result_of
from brownout.harness.load.models.model import (
    Account,
    Arrival,
    ArrivalResult,
    Call,
    ClientModel,
    Clients,
    ConsoleUser,
    Operation,
    Script,
)
from brownout.harness.record.credentials import Credential, told
from brownout.identity.aws.arns import user as user_arn
from brownout.identity.aws.auth.totp import code_of, period_of, seed_bytes
from brownout.identity.aws.names import GLOBAL_SIGNIN, SIGNIN_COOKIE
from brownout.identity.core.edge.node import CLIENT_REGION
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import EDGE_NODE, REGIONS
from brownout.identity.core.trail import joined

WITH_CODE, WITH_KEY = "console-sign-in", "console-sign-in-key"
_COHORT = re.compile(r"-[0-9]+$")
_ARN, _EXPIRES = re.compile(rb'<strong id="arn">([^<]+)<'), re.compile(rb'<dd id="expires">([0-9]+)<')
_CHALLENGE = re.compile(rb'name="challenge" type="hidden" value="([^"]+)"')


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """The form, then what a person types into it; good when the answer says who is signed in, and gives a session.

    With a security key the form is sent twice: for the challenge, and with what the key made of it.
    """
    name, user = _user_of(arrival, clients.account)
    form = yield _call(arrival, "GET")
    if form.status != 200:
        return _refused(form)
    account_id = clients.account.aws_account_id
    typed = {"account": account_id, "username": name, "password": user.password}
    met = result_of(form).trail
    if arrival.operation == WITH_KEY:
        asked = yield _call(arrival, "POST", typed)
        met = joined(result_of(asked).trail, met)
        challenge = _CHALLENGE.search(asked.payload)
        if challenge is None:
            return _refused(asked, "no-challenge" if asked.status == 401 else "")._replace(trail=met)
        typed["assertion"] = _signed(challenge[1].decode(), user)
    else:
        typed["mfa_code"] = code_of(seed_bytes(user.mfa_seed), period_of(now_s))
    answer = yield _call(arrival, "POST", typed)
    result = _result(answer, Credential("wanted", name=user_arn(account_id, "/", name), owner=account_id))
    return result._replace(trail=joined(result.trail, met))


def _signed(challenge: str, user: ConsoleUser) -> str:
    """What the browser sends once the key was touched."""
    from brownout.identity.aws.signin.authenticator import assertion_for  # cryptography, which no other model needs

    return json.dumps(assertion_for(challenge, user.security_key).to_json())


def _user_of(arrival: Arrival, account: Account) -> tuple[str, ConsoleUser]:
    """Whose turn it is of the cohort's users, `COHORT-N`; raises UsageError for a load without such users."""
    users = sorted(each for each in account.sign_in.console_users.items() if _COHORT.sub("", each[0]) == arrival.cohort)
    if not users:
        raise UsageError("the load has no users of the console", hint="a stack with `--vendor aws` gives it some")
    return users[arrival.number % len(users)]


def _call(arrival: Arrival, method: str, fields: Mapping[str, str] | None = None) -> Call:
    here = REGIONS[arrival.region].aws_name
    is_global = arrival.front_end == GLOBAL
    host, target = (GLOBAL_SIGNIN, "/console") if is_global else (f"{here}.{GLOBAL_SIGNIN}", f"/console?region={here}")
    lines = ((b"host", host.encode()), *((FORM,) if fields else ()))
    request = Request.raw(method, target, lines, urlencode(fields or {}).encode())
    return Call(EDGE_NODE, request.with_headers({CLIENT_REGION: arrival.region}))


def _refused(answer: Response, why: str = "") -> ArrivalResult:
    return result_of(answer)._replace(outcome="refused", error=why or error_code(answer) or f"status-{answer.status}")


def _result(answer: Response, wanted: Credential) -> ArrivalResult:
    arn, expires = _ARN.search(answer.payload), _EXPIRES.search(answer.payload)
    if answer.status != 200:
        return _refused(answer)._replace(credentials=told(wanted))
    if arn is None or expires is None or not answer.headers.get("set-cookie", "").startswith(f"{SIGNIN_COOKIE}="):
        return _refused(answer, "no-session-in-answer")._replace(credentials=told(wanted))
    named = arn[1].decode()
    owner = named.split(":")[4] if named.count(":") >= 5 else ""
    given = Credential("given", name=named, owner=owner, to_s=float(expires[1]))
    return result_of(answer)._replace(credentials=told(wanted, given))


CONSOLE_SIGN_IN = ClientModel(
    name="console-sign-in",
    vendor="aws",
    by_name=True,
    operations=(Operation(WITH_CODE, weight=1, home="none"), Operation(WITH_KEY, home="none")),
    script=script,
    target=0.99,
    front_ends=(REGIONAL, GLOBAL),
    needs_console_users=True,
)
