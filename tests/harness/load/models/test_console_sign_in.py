"""People who sign in to the console: what they send, what counts as signed in, and who gets in while regions are cut apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import read_record
from brownout.harness.load.models import registry
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, Clients, ConsoleUser, SignIn
from brownout.harness.record.history import RequestRecord
from brownout.harness.run.header import write_run_file
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.simulated import simulate
from brownout.identity.aws.auth.totp import code_of, period_of, seed_bytes
from brownout.identity.aws.signin import pages
from brownout.identity.aws.signin.authenticator import private_key_of, public_key_of
from brownout.identity.aws.signin.security_keys import Assertion, challenge_of, check_signature
from brownout.identity.core.edge.node import CLIENT_REGION
from brownout.identity.core.messages import Response
from support.client_scripts import ACCOUNT, arrival, begun, ended, first, goes_on
from support.small_day import small_day

NOW_S = 1_720_742_400.0  # 2024-07-12
KEY = private_key_of(b"a seed of more bytes than the key has, as it should")
USERS = {
    "console-0": ConsoleUser("first", "GEZDGNBVGY3TQOJQ"),
    "console-1": ConsoleUser("second", "MFRGGZDFMZTWQ2LK", KEY),
}
PEOPLE = Clients(replace(ACCOUNT, sign_in=SignIn(console_users=USERS)))
FORM = pages.form("123456789012", "ap-southeast-2")
ARN = "arn:aws:iam::123456789012:user/console-1"


def person(front_end: str = "regional", number: int = 1) -> Arrival:
    return arrival("console-sign-in", "console-sign-in", front_end=front_end, machine="", number=number, cohort="console")


def signed_in(arn: str = ARN, cookie: str = "token") -> Response:
    """The page of a user who is signed in."""
    return pages.signed_in(arn, {"expires": str(int(NOW_S) + 43200)}, [pages.cookie(cookie, 43200)] if cookie else ())


def result(answer: Response) -> ArrivalResult:
    """How a sign-in ends with this answer to the form."""
    playing, _ = begun(person(), PEOPLE, NOW_S)
    playing.next(FORM)
    return ended(playing, answer)


@pytest.mark.parametrize(
    ("front_end", "name", "query"),
    [
        ("regional", "ap-southeast-2.signin.aws.amazon.com", {"region": "ap-southeast-2"}),
        ("global", "signin.aws.amazon.com", {}),
    ],
)
def test_the_form_is_fetched_and_sent_to_the_address_that_the_front_end_says(
    front_end: str, name: str, query: dict[str, str]
) -> None:
    """Through the edge from the person's region, with the password of whose turn it is and the code of that moment."""
    playing, asked = begun(person(front_end), PEOPLE, NOW_S)
    sent = playing.next(FORM)
    assert isinstance(sent, Call)
    for call, method in ((asked, "GET"), (sent, "POST")):
        request = call.request
        assert (call.node, request.method, request.path, dict(request.query)) == ("client.edge", method, "/console", query)
        assert (request.headers["host"], request.headers[CLIENT_REGION]) == (name, "sydney")
    code = code_of(seed_bytes("MFRGGZDFMZTWQ2LK"), period_of(NOW_S))
    typed = {"account": "123456789012", "username": "console-1", "password": "second", "mfa_code": code}
    assert dict(sent.request.form) == typed


def key_owner() -> Arrival:
    return person()._replace(operation="console-sign-in-key")


def test_a_security_key_signs_the_challenge_of_the_page() -> None:
    """Name and password get the challenge; then the same is sent with what the key made of it, and no code at all."""
    playing, _ = begun(key_owner(), PEOPLE, NOW_S)
    typed = {"account": "123456789012", "username": "console-1", "password": "second"}
    assert dict(goes_on(playing, FORM).form) == typed
    asked = pages.form("123456789012", "ap-southeast-2", status=401, notice="key", challenge="bm9uY2U")
    sent = dict(goes_on(playing, asked).form)
    assertion = Assertion.from_json(json.loads(sent.pop("assertion")))
    assert sent == typed
    assert challenge_of(assertion) == "bm9uY2U"
    check_signature(assertion, public_key_of(KEY))
    assert ended(playing, signed_in()).outcome == "happened"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (pages.form("123456789012", "", status=401, notice="Use your security key."), "no-challenge"),
        (pages.failure(503, "Sign-in through home is not available."), "status-503"),
    ],
)
def test_without_a_challenge_a_security_key_is_of_no_use(answer: Response, error: str) -> None:
    """As when the control plane, which makes challenges, does not answer."""
    playing, _ = begun(key_owner(), PEOPLE, NOW_S)
    playing.next(FORM)
    found = ended(playing, answer)
    assert (found.outcome, found.error) == ("refused", error)


def test_people_take_turns() -> None:
    """Each arrival is the next user, so that no code is needed twice."""
    names = []
    for number in range(3):
        playing, _ = begun(person(number=number), PEOPLE, NOW_S)
        names.append(dict(goes_on(playing, FORM).form)["username"])
    assert names == ["console-0", "console-1", "console-0"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (signed_in(), ""),
        (signed_in(cookie=""), "no-session-in-answer"),
        (pages.page(200, "Console", ""), "no-session-in-answer"),
        (pages.form("123456789012", "", status=401), "status-401"),
        (pages.failure(503, "Sign-in through home is not available."), "status-503"),
        (Response(502, {"error": {"code": "nxdomain"}}), "nxdomain"),
    ],
)
def test_signed_in_is_who_is_told_so_and_has_a_session(answer: Response, error: str) -> None:
    """Status 200 by itself is none; the record has whom the session is of, and until when."""
    found = result(answer)
    assert (found.outcome, found.error) == ("refused" if error else "happened", error)
    given = f"given;;{ARN};123456789012;;;{int(NOW_S) + 43200};"
    assert found.credentials == f"wanted;;{ARN};123456789012;;;;" + ("" if error else f">{given}")


def test_no_form_is_no_sign_in() -> None:
    """Whoever gets no form types nothing into it."""
    playing, _ = begun(person(), PEOPLE, NOW_S)
    assert ended(playing, pages.failure(503, "later")).error == "status-503"


def test_a_load_without_such_users_is_told_so() -> None:
    """The model is left out of loads that cannot sign in to the console; users are made for experiments that have it."""
    with pytest.raises(UsageError, match="no users of the console"):
        first(person(), Clients(ACCOUNT), NOW_S)
    model = registry.client_model("console-sign-in")
    assert model.needs_sign_in
    assert not model.can_sign_in(ACCOUNT.sign_in)
    assert model.can_sign_in(PEOPLE.account.sign_in)
    assert registry.needs_console_users("console-sign-in")
    assert not registry.needs_console_users("iam")


def _shares(requests: tuple[RequestRecord, ...], cohort: str, from_s: float, to_s: float) -> tuple[int, int]:
    """How many of the cohort's sign-ins between two times happened, of how many."""
    found = [one for one in requests if one.cohort == cohort and from_s <= one.intended_s < to_s]
    return sum(one.outcome == "happened" for one in found), len(found)


@pytest.mark.slow
def test_in_a_cut_a_region_signs_its_people_in_and_none_gets_in_by_home(tmp_path: Path) -> None:
    """Before and after it both addresses let everybody in; during it only the region's own, without exception but for keys.

    A security key is checked by the home region, so by no address does it let anybody in.
    """
    reset = {"name": "signin.aws.amazon.com", "regions": ["melbourne"]}  # which leads Melbourne's clients over the cut
    faults = [
        ("link-stall", {"link": "melbourne->sydney"}),
        ("link-stall", {"link": "sydney->melbourne"}),
        ("name-reset", reset),
    ]
    cut = [
        {"name": f"cut-{number}", "at": "01:00", "until": "02:00", "role": "fault", "fault": fault, "with": values}
        for number, (fault, values) in enumerate(faults)
    ]
    cohorts = [
        {"name": end, "model": "console-sign-in", "region": "melbourne", "rate_per_s": 0.05, "front_ends": {end: 1}}
        for end in ("regional", "global")
    ]
    cohorts.append({**cohorts[0], "name": "keys", "mix": {"console-sign-in-key": 1}})
    slo = {"name": "s", "indicator": {"ratioMetric": {"total": {"cohorts": ["regional"]}}}, "objectives": [{"target": 0.99}]}
    stack = {"vendors": ["aws"], "regions": ["sydney", "melbourne"]}
    day = small_day(schedule=cut, load={"cohorts": cohorts}, slos=[slo], stack=stack, machines={})
    run = prepare(day, Options())
    write_run_file(tmp_path, run)
    simulate(run, tmp_path)
    record = read_record(tmp_path)
    requests, hour_s = record.history.requests, 3600.0
    midnight_s = NOW_S
    for cohort in ("regional", "global", "keys"):
        good, total = _shares(requests, cohort, midnight_s, midnight_s + hour_s - 60)
        assert good == total > 100, cohort
        good, total = _shares(requests, cohort, midnight_s + 2 * hour_s + 60, midnight_s + 3 * hour_s)
        assert good == total > 100, cohort
    good, total = _shares(requests, "regional", midnight_s + hour_s, midnight_s + 2 * hour_s)
    assert good == total > 100
    for cohort in ("global", "keys"):
        assert _shares(requests, cohort, midnight_s + hour_s + 60, midnight_s + 2 * hour_s - 60)[0] == 0, cohort
    own = {one.name: one for one in evaluate_record(record).invariants}
    assert (own["identity-isolation"].status, own["given-credentials-are-in-force"].status) == ("held", "held")
