"""From a request to its caller: dates, scopes, keys of a region, sessions, and what the caller looks like."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from brownout.identity.aws.auth.authenticate import authenticate
from brownout.identity.aws.auth.caller import Caller, Credentials
from brownout.identity.aws.auth.region_keys import DAY_S, day_of, horizon
from brownout.identity.aws.errors import AwsError
from brownout.identity.core.messages import Request
from support.aws_signing import (
    ACCOUNT_ID,
    ALICE,
    GLOBAL,
    MELBOURNE,
    NOW_S,
    SEALING,
    SYDNEY,
    KeptAccount,
    KeptKey,
    account_of,
    by_botocore,
    credentials_of,
    session_of,
)

MIN_S = 60


def caller_of(
    request: Request,
    account: KeptAccount | None = None,
    *,
    service: str = "sts",
    regions: tuple[str, ...] = (SYDNEY,),
    now_s: float = NOW_S,
    client_now_s: float | None = None,
) -> Caller:
    known = account_of(regions[0]) if account is None else account
    return authenticate(request, service, regions, known, now_s, client_now_s)


def refusal(request: Request, account: KeptAccount | None = None, **changed: object) -> AwsError:
    with pytest.raises(AwsError) as error:
        caller_of(request, account, **changed)  # type: ignore[arg-type]  # the keywords above have their types
    return error.value


def test_a_user_is_known_by_her_key() -> None:
    """Her ARN with its path, her id, and what was signed for."""
    account = account_of()
    account.users["alice"] = dataclasses.replace(account.users["alice"], arn=f"arn:aws:iam::{ACCOUNT_ID}:user/ops/alice")
    caller = caller_of(by_botocore(), account)
    arn = f"arn:aws:iam::{ACCOUNT_ID}:user/ops/alice"
    key_id = ALICE.access_key_id
    assert caller == Caller(ACCOUNT_ID, "user", arn, "AIDAEXAMPLE1234567890", arn, key_id, None, SYDNEY, NOW_S)
    assert (caller.principal_name, caller.is_root, caller.is_temporary) == ("alice", False, False)


def test_the_root_is_known_by_its_key() -> None:
    """A key without a user; the root's id is the account's."""
    caller = caller_of(by_botocore(), account_of(user=""))
    assert (caller.kind, caller.arn, caller.user_id) == ("root", f"arn:aws:iam::{ACCOUNT_ID}:root", ACCOUNT_ID)
    assert (caller.principal_name, caller.is_root) == ("", True)


@pytest.mark.parametrize("minutes", [-15, -14.99, 0, 14.99, 15])
def test_a_date_may_be_fifteen_minutes_off(minutes: float) -> None:
    """STS and IAM, in both directions."""
    assert caller_of(by_botocore(), now_s=NOW_S + minutes * MIN_S).kind == "user"
    assert caller_of(by_botocore(service="iam"), service="iam", now_s=NOW_S + minutes * MIN_S).kind == "user"


@pytest.mark.parametrize(
    ("service", "late_s", "message"),
    [
        ("sts", 901, "Signature expired: 20260314T150926Z is now earlier than 20260314T150927Z (20260314T152427Z - 15 min.)"),
        (
            "sts",
            -901,
            "Signature not yet current: 20260314T150926Z is still later than 20260314T150925Z (20260314T145425Z + 15 min.)",
        ),
        (
            "secretsmanager",
            301,
            "Signature expired: 20260314T150926Z is now earlier than 20260314T150927Z (20260314T151427Z - 5 min.)",
        ),
        (
            "sts",
            40 * DAY_S,
            "Signature expired: 20260314T150926Z is now earlier than 20260423T145426Z (20260423T150926Z - 15 min.)",
        ),
    ],
)
def test_a_date_further_off_is_refused(service: str, late_s: float, message: str) -> None:
    """With the times of both sides in the words of the service (docs/reference/aws-wire.md#signature-dates-and-scopes)."""
    error = refusal(by_botocore(service=service), service=service, now_s=NOW_S + late_s)
    assert (error.code, error.status, error.message) == ("SignatureDoesNotMatch", 403, message)


def test_a_date_near_the_clients_own_clock_is_good() -> None:
    """Where emulated time runs away from the machine's, a signature by either clock is taken, and one by neither is not."""
    far_s = NOW_S + 5 * DAY_S
    assert caller_of(by_botocore(), now_s=far_s, client_now_s=NOW_S + 800).kind == "user"
    assert caller_of(by_botocore(), now_s=NOW_S, client_now_s=far_s).kind == "user"
    error = refusal(by_botocore(), now_s=far_s, client_now_s=NOW_S + 901)
    assert "20260314T152427Z - 15 min" in error.message, "the nearer clock is named"


def test_a_presigned_url_is_good_for_the_skew_whatever_it_says() -> None:
    """STS does not look at X-Amz-Expires."""
    url = f"http://sts.{SYDNEY}.amazonaws.com/?Action=GetCallerIdentity"
    request = by_botocore("GET", url, b"", (), presigned=True)
    assert caller_of(request, now_s=NOW_S + 14 * MIN_S).kind == "user"
    assert refusal(request, now_s=NOW_S + 16 * MIN_S).message.startswith("Signature expired")


def test_a_scope_for_another_region_is_refused() -> None:
    """It names the region that was given."""
    error = refusal(by_botocore(region=MELBOURNE))
    text = f"Credential should be scoped to a valid region, not '{MELBOURNE}'. "
    assert (error.code, error.message) == ("SignatureDoesNotMatch", text)


def test_a_scope_for_another_service_is_refused() -> None:
    """It names the right one."""
    assert refusal(by_botocore(service="s3")).message == "Credential should be scoped to correct service: 'sts'. "


def test_all_faults_of_a_scope_are_named() -> None:
    """Region, service, terminator and day, in this order."""
    request = by_botocore()
    lines = {name.lower(): value for name, value in request.raw_headers}
    wrong = lines[b"authorization"].replace(b"20260314/ap-southeast-2/sts/aws4_request", b"20260313/x/s3/aws5_request")
    bad = request.with_headers({"authorization": wrong.decode()})
    assert refusal(bad).message == (
        "Credential should be scoped to a valid region, not 'x'. Credential should be scoped to correct service: 'sts'. "
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. "
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        "'20260313' != '20260314', from '20260314T150926Z'."
    )


def test_the_global_scope_needs_its_own_key() -> None:
    """A region that takes us-east-1 beside itself verifies each with that scope's key only."""
    account = account_of(SYDNEY)
    key = account.keys[ALICE.access_key_id]
    both = {**key.region_keys, GLOBAL: horizon(ALICE.secret_access_key, GLOBAL, key.first_day, 400)}
    account.keys[key.access_key_id] = dataclasses.replace(key, region_keys=both)
    for region in (SYDNEY, GLOBAL):
        assert caller_of(by_botocore(region=region), account, regions=(SYDNEY, GLOBAL)).signed_region == region
    assert refusal(by_botocore(region=GLOBAL), account_of(SYDNEY), regions=(SYDNEY, GLOBAL)).code == "InvalidClientTokenId"


def test_the_keys_of_one_region_verify_nothing_for_another() -> None:
    """A region with the keys of its neighbour under its own name cannot verify a signature for itself, nor the other way."""
    for mine, theirs in ((SYDNEY, MELBOURNE), (MELBOURNE, SYDNEY)):
        account = account_of(theirs)
        key = account.keys[ALICE.access_key_id]
        account.keys[key.access_key_id] = dataclasses.replace(key, region_keys={mine: key.region_keys[theirs]})
        assert refusal(by_botocore(region=mine), account, regions=(mine,)).code == "SignatureDoesNotMatch"


def test_an_unknown_key_is_refused() -> None:
    """InvalidClientTokenId, as for one that is inactive or whose user is gone."""
    stranger = Credentials("AKIASTRANGER12345678", ALICE.secret_access_key)
    error = refusal(by_botocore(credentials=stranger))
    assert (error.code, error.status) == ("InvalidClientTokenId", 403)
    assert error.message == "The security token included in the request is invalid."
    assert refusal(by_botocore(), account_of(status="Inactive")).code == "InvalidClientTokenId"
    account = account_of()
    account.users.clear()
    assert refusal(by_botocore(), account).code == "InvalidClientTokenId"


def test_a_wrong_secret_is_refused() -> None:
    """SignatureDoesNotMatch, with advice but without what was computed."""
    error = refusal(by_botocore(credentials=Credentials(ALICE.access_key_id, ALICE.secret_access_key + "x")))
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    assert error.message.startswith("The request signature we calculated does not match the signature you provided.")


@pytest.mark.parametrize(
    "first",
    ["20260129", "20240227", "20260227", "20280227", "21000226", "20261229", "20231015", "20000228"],
)
def test_a_key_is_good_for_each_day_of_its_horizon(first: str) -> None:
    """Over month ends, leap days and year ends, at both ends of each day, and on no day before or after."""
    begin_s = datetime.strptime(first, "%Y%m%d").replace(tzinfo=UTC).timestamp()
    days = 400 if first == "20231015" else 5
    packed = horizon(ALICE.secret_access_key, SYDNEY, day_of(begin_s), days)
    account = account_of()
    account.keys[ALICE.access_key_id] = KeptKey(ALICE.access_key_id, "alice", "Active", day_of(begin_s), {SYDNEY: packed})
    for day in range(days) if days < 10 else range(0, days, 13):
        for second in (0, DAY_S - 1):
            at_s = begin_s + day * DAY_S + second
            assert caller_of(by_botocore(now_s=at_s), account, now_s=at_s).signed_s == at_s
    for at_s in (begin_s - 1, begin_s + days * DAY_S):
        assert refusal(by_botocore(now_s=at_s), account, now_s=at_s).code == "InvalidClientTokenId"


def test_a_signature_of_yesterday_is_good_just_after_midnight() -> None:
    """The day is the signature's and not the server's, so that the skew works across midnight."""
    midnight_s = datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    before, after = by_botocore(now_s=midnight_s - 5), by_botocore(now_s=midnight_s + 5)
    account = account_of(now_s=midnight_s)
    assert caller_of(before, account, now_s=midnight_s + 600).signed_s == midnight_s - 5
    assert caller_of(after, account, now_s=midnight_s - 600).signed_s == midnight_s + 5


@pytest.mark.parametrize("region", [SYDNEY, MELBOURNE])
def test_a_session_is_good_in_every_region(region: str) -> None:
    """Its token is all that a region needs, whoever issued it: the account has no key of it."""
    credentials = credentials_of(session_of(issuing_region=SYDNEY))
    account = KeptAccount(sealing={SEALING.key_id: SEALING})
    caller = caller_of(by_botocore(credentials=credentials, region=region), account, regions=(region,))
    assert (caller.kind, caller.user_id) == ("assumed-role", "AROAEXAMPLE1234567890:job-7")
    assert caller.arn == f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/app/job-7"
    assert caller.principal_arn == f"arn:aws:iam::{ACCOUNT_ID}:role/service/app"
    assert (caller.principal_name, caller.signed_region) == ("app", region)
    assert caller.session is not None
    assert caller.session.issuing_region == SYDNEY


def test_a_session_ends_at_its_end() -> None:
    """To the second, by the emulated clock, however near the client's own is; nothing is remembered from before."""
    request = by_botocore(credentials=credentials_of(session_of(expires_s=NOW_S + 10)))
    assert caller_of(request, now_s=NOW_S + 9.9).is_temporary
    error = refusal(request, now_s=NOW_S + 10)
    assert (error.code, error.status) == ("ExpiredToken", 403)
    assert error.message == "The security token included in the request is expired"
    assert refusal(request, now_s=NOW_S + DAY_S, client_now_s=NOW_S).code == "ExpiredToken"


def test_a_wrong_signature_says_nothing_about_the_session() -> None:
    """Only who has the secret learns that it has ended."""
    ended = credentials_of(session_of(issued_s=NOW_S - 20, expires_s=NOW_S - 10))
    guessed = ended._replace(secret_access_key="guess")
    assert refusal(by_botocore(credentials=guessed)).code == "SignatureDoesNotMatch"
    assert refusal(by_botocore(credentials=ended)).code == "ExpiredToken"


def test_a_session_token_belongs_to_its_key() -> None:
    """Temporary keys without a token, with another's, and long-term keys with any are refused."""
    mine = credentials_of(session_of())
    other = credentials_of(session_of(access_key_id="ASIAOTHER12345678901"))
    foreign = credentials_of(session_of(account_id="999999999999"))
    for credentials in (
        Credentials(mine.access_key_id, mine.secret_access_key),
        mine._replace(session_token=other.session_token),
        ALICE._replace(session_token=mine.session_token),
        mine._replace(session_token="IQoJb3JpZ2luX2VjEXAMPLE"),
        foreign,
    ):
        assert refusal(by_botocore(credentials=credentials)).code == "InvalidClientTokenId"


@pytest.mark.parametrize(
    ("changed", "arn", "user_id"),
    [
        (
            {"kind": "federated-user", "principal_arn": f"arn:aws:iam::{ACCOUNT_ID}:user/ops/alice", "name": "bob"},
            f"arn:aws:sts::{ACCOUNT_ID}:federated-user/bob",
            f"{ACCOUNT_ID}:bob",
        ),
        (
            {"kind": "user", "principal_arn": f"arn:aws:iam::{ACCOUNT_ID}:user/ops/alice", "name": "", "principal_id": "AIDAX"},
            f"arn:aws:iam::{ACCOUNT_ID}:user/ops/alice",
            "AIDAX",
        ),
        (
            {"kind": "root", "principal_arn": f"arn:aws:iam::{ACCOUNT_ID}:root", "name": "", "principal_id": ACCOUNT_ID},
            f"arn:aws:iam::{ACCOUNT_ID}:root",
            ACCOUNT_ID,
        ),
    ],
)
def test_each_kind_of_session_has_its_names(changed: dict[str, object], arn: str, user_id: str) -> None:
    """As GetCallerIdentity shows them."""
    caller = caller_of(by_botocore(credentials=credentials_of(session_of(**changed))))
    assert (caller.arn, caller.user_id, caller.principal_arn) == (arn, user_id, changed["principal_arn"])
    assert (caller.kind, caller.is_root) == (changed["kind"], changed["kind"] == "root")


def test_presigned_urls_carry_their_session_token() -> None:
    """In the query; a token in a signed header is taken too."""
    url = f"http://sts.{SYDNEY}.amazonaws.com/?Action=GetCallerIdentity"
    credentials = credentials_of(session_of())
    request = by_botocore("GET", url, b"", (), credentials=credentials, presigned=True)
    assert "X-Amz-Security-Token=" in request.target
    assert caller_of(request).is_temporary
    bare = Credentials(credentials.access_key_id, credentials.secret_access_key)
    header = [("X-Amz-Security-Token", credentials.session_token)]
    assert caller_of(by_botocore("GET", url, b"", header, credentials=bare, presigned=True)).is_temporary


def test_checks_come_in_the_services_order() -> None:
    """A request with every fault at once is refused for the first, then for the next, down to the signature."""
    stranger = Credentials("AKIASTRANGER12345678", "x")
    bad = by_botocore(region=MELBOURNE, credentials=stranger)
    assert refusal(bad, now_s=NOW_S + DAY_S).message.startswith("Signature expired")
    assert refusal(bad).message.startswith("Credential should be scoped")
    assert refusal(by_botocore(credentials=stranger)).code == "InvalidClientTokenId"
    assert refusal(by_botocore(credentials=ALICE._replace(secret_access_key="x"))).code == "SignatureDoesNotMatch"
