"""The client models of AWS's surfaces: what each sends, by which name, and what it takes for a good answer."""

from __future__ import annotations

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.load.models.aws.assume_role import ASSUME_ROLE
from brownout.harness.load.models.aws.calls import GLOBAL, REGIONAL, access_key_of, credentials_in, error_code
from brownout.harness.load.models.aws.iam import IAM
from brownout.harness.load.models.aws.instance_credentials import INSTANCE_CREDENTIALS
from brownout.harness.load.models.aws.new_role import NOTHING_CREATED
from brownout.harness.load.models.aws.secret import HeldCredentials
from brownout.harness.load.models.model import Account, Arrival, ArrivalResult, Call, Clients
from brownout.harness.load.playing import Playing, begin
from brownout.identity.core.edge.node import CLIENT_REGION
from brownout.identity.core.messages import CallFailed, Response
from support.aws_answers import HOUR_S, answer, assumed, instance_answers, refusal
from support.client_scripts import ACCOUNT, arrival, begun, ended, first

NOW_S = 1_720_742_400.0  # 2024-07-12
IDENTITY = answer("sts", "GetCallerIdentity", {"Arn": "arn:aws:iam::123456789012:user/caller"})
ROLE = {"Path": "/", "RoleName": "first", "RoleId": "AROA1", "Arn": "arn:aws:iam::123456789012:role/first", "CreateDate": NOW_S}
SECRET = answer("secretsmanager", "GetSecretValue", {"Name": "sample", "SecretString": "value of sample"})


def scope_of(sent: Call) -> str:
    """The credential scope of a signed call, without its day."""
    credential = sent.request.headers["authorization"].partition("Credential=")[2].partition(",")[0]
    return "/".join((credential.split("/")[0], *credential.split("/")[2:4]))


@pytest.mark.parametrize(
    ("front_end", "name", "scope"),
    [(REGIONAL, "sts.ap-southeast-2.amazonaws.com", "ap-southeast-2/sts"), (GLOBAL, "sts.amazonaws.com", "us-east-1/sts")],
)
def test_sts_is_called_by_the_name_that_the_clients_settings_choose(front_end: str, name: str, scope: str) -> None:
    """Through the edge, from the arrival's region, signed for the region of the name with the caller's key."""
    sent = first(arrival("assume-role", "assume-role", front_end=front_end), now_s=NOW_S)
    assert sent.node == "client.edge"
    assert (sent.request.headers["host"], sent.request.headers[CLIENT_REGION]) == (name, "sydney")
    assert scope_of(sent) == f"AKIACALLERAAAAAAAAAA/{scope}"
    asked = dict(sent.request.form)
    assert asked["RoleArn"] == "arn:aws:iam::123456789012:role/app"
    assert (asked["Action"], asked["Version"], asked["RoleSessionName"]) == ("AssumeRole", "2011-06-15", "cohort-000001")


@pytest.mark.parametrize(
    ("operation", "answered", "error"),
    [
        ("assume-role", assumed(NOW_S + HOUR_S), ""),
        ("assume-role", assumed(NOW_S - 1), "credentials-expired"),
        ("assume-role", answer("sts", "AssumeRole", {}), "no-credentials-in-answer"),
        ("assume-role", refusal("sts", "ExpiredToken", 403), "ExpiredToken"),
        ("assume-role", Response.raw(200, (), b"<html>"), "no-credentials-in-answer"),
        ("session-token", assumed(NOW_S + HOUR_S, "GetSessionToken"), ""),
        ("caller-identity", IDENTITY, ""),
        ("caller-identity", Response.raw(200, (), b""), "unreadable-answer"),
        ("caller-identity", Response(502, {"error": {"code": "nxdomain"}}), "nxdomain"),
        ("caller-identity", Response.raw(201, IDENTITY.raw_headers, IDENTITY.payload), ""),
    ],
)
def test_an_answer_of_sts_is_good_when_botocore_could_go_on_with_it(operation: str, answered: Response, error: str) -> None:
    """Status 200 with the operation's members, and credentials that have not ended."""
    playing, _ = begun(arrival("assume-role", operation), now_s=NOW_S)
    result = ended(playing, answered)
    assert (result.outcome, result.error) == ("happened" if answered.status == 200 and not error else "refused", error)


def test_credentials_need_all_their_parts() -> None:
    """Each missing or empty part makes them useless, and so does an end that cannot be read."""
    whole = {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": "2030-01-01T00:00:00Z"}
    found = credentials_in(whole, NOW_S)
    assert not isinstance(found, str)
    assert (found.session_token, found.expires_s) == ("c", 1_893_456_000.0)
    for name in whole:
        for wrong in ("", None, 7):
            assert credentials_in({**whole, name: wrong}, NOW_S) == "no-credentials-in-answer"


def test_an_error_has_its_code_in_each_protocol() -> None:
    """In XML, in JSON with and without a namespace, from the edge, and nothing in what is no error."""
    assert error_code(refusal("iam", "NoSuchEntity", 404)) == "NoSuchEntity"
    assert error_code(refusal("secretsmanager", "ResourceNotFoundException")) == "ResourceNotFoundException"
    assert error_code(Response(400, {"__type": "com.amazonaws#SomeException"})) == "SomeException"
    assert error_code(Response(502, {"error": {"code": "empty"}})) == "empty"
    assert error_code(Response.raw(500, ((b"content-type", b"text/html"),), b"<html>")) == ""


def test_without_a_key_a_load_says_so() -> None:
    """The message names the user; the models that sign need a sign-in with keys."""
    with pytest.raises(UsageError, match="no access key of caller"):
        access_key_of(Account(), "caller")
    assert [model.can_sign_in(Account().sign_in) for model in (ASSUME_ROLE, IAM, INSTANCE_CREDENTIALS)] == [False, False, True]
    assert ASSUME_ROLE.can_sign_in(ACCOUNT.sign_in)


def answered(playing: Playing, responses: tuple[Response, ...]) -> ArrivalResult | Call:
    step: ArrivalResult | Call = playing.next(responses[0])
    for response in responses[1:]:
        step = playing.next(response)
    return step


def test_an_instance_asks_in_three_steps() -> None:
    """A session token, the role's name, the credentials, each at the machine's own address on its host."""
    playing, sent = begun(arrival("instance-credentials", "credentials"), now_s=NOW_S)
    assert (sent.node, sent.request.method, sent.request.path) == ("sydney.host", "PUT", "/vm1/latest/api/token")
    role = playing.next(instance_answers("2030-01-01T00:00:00Z")[0])
    assert isinstance(role, Call)
    assert role.request.headers == {"x-aws-ec2-metadata-token": "imds-session"}
    result = answered(playing, instance_answers("2030-01-01T00:00:00Z")[1:])
    assert isinstance(result, ArrivalResult)
    assert result.outcome == "happened"


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((Response.raw(403, (), b"no"),), "status-403"),
        ((instance_answers("")[0], Response.raw(404, (), b"no")), "status-404"),
        (instance_answers("2030-01-01T00:00:00Z", Code="AssumeRoleUnauthorizedAccess"), "AssumeRoleUnauthorizedAccess"),
        (instance_answers("2020-01-01T00:00:00Z"), "credentials-expired"),
    ],
)
def test_an_instance_without_credentials_of_use_is_refused(answers: tuple[Response, ...], error: str) -> None:
    """At whichever step it ends, with the reason."""
    result = answered(begun(arrival("instance-credentials", "credentials"), now_s=NOW_S)[0], answers)
    assert isinstance(result, ArrivalResult)
    assert (result.outcome, result.error) == ("refused", error)


class RoleApp:
    """An application that holds credentials of a role, asked for a secret again and again."""

    def __init__(self, operation: str = "role-secret") -> None:
        self.clients = Clients(ACCOUNT)
        self._who: Arrival = arrival("secret", operation)

    def asks(self, after_s: float, *answers: Response | CallFailed) -> tuple[list[str], ArrivalResult]:
        """What it calls at `NOW_S + after_s`, by host or node, and how it ends."""
        playing, step = begun(self._who, self.clients, NOW_S + after_s)
        called = []
        for response in answers:
            assert isinstance(step, Call), step
            called.append(step.request.headers.get("host", step.node))
            step = playing.next(response)
        assert isinstance(step, ArrivalResult), step
        return called, step


STS, VAULT_NAME = "sts.ap-southeast-2.amazonaws.com", "secretsmanager.ap-southeast-2.amazonaws.com"
DEAD = CallFailed("timeout", "client.edge")


def test_a_session_of_an_hour_survives_a_dead_sts_until_minute_fifty() -> None:
    """From minute 45 a renewal is tried and its failure ignored; from minute 50 on it is the caller's."""
    app = RoleApp()
    (called, new), (_, held) = app.asks(0, assumed(NOW_S + HOUR_S), SECRET), app.asks(60, SECRET)
    assert (called, new._replace(credentials="")) == ([STS, VAULT_NAME], held._replace(credentials=""))
    assert app.asks(44 * 60, SECRET)[0] == [VAULT_NAME]
    called, result = app.asks(46 * 60, DEAD, SECRET)
    assert (called, result.outcome) == ([STS, VAULT_NAME], "happened")
    called, result = app.asks(51 * 60, DEAD)
    assert (called, result.outcome, result.error) == ([STS], "unknown", "timeout")
    called, result = app.asks(52 * 60, assumed(NOW_S + 2 * HOUR_S), SECRET)
    assert (called, result.outcome) == ([STS, VAULT_NAME], "happened")


def test_an_instance_goes_on_with_the_credentials_that_it_has() -> None:
    """Where IMDS gives none, or old ones, botocore puts their end off and asks again in a while."""
    app = RoleApp("instance-secret")
    app.asks(0, *instance_answers("2024-07-12T01:00:00Z"), SECRET)
    called, result = app.asks(59 * 60, DEAD, SECRET)
    assert (called, result.outcome) == (["sydney.host", VAULT_NAME], "happened")
    assert app.asks(60 * 60, SECRET)[0] == [VAULT_NAME]
    held = app.clients.memory(HeldCredentials)["instance-secret", "sydney", "vm1"]
    assert held.used_until_s == NOW_S + 59 * 60 + 17 * 60


def test_a_secret_is_read_with_the_held_credentials() -> None:
    """The call carries the session token, and an answer without a value is no good one."""
    app = RoleApp()
    app.asks(0, assumed(NOW_S + HOUR_S), SECRET)
    sent = first(arrival("secret", "role-secret"), app.clients, NOW_S + 60)
    assert sent.request.headers["x-amz-security-token"] == "t"
    assert scope_of(sent) == f"ASIA{'A' * 16}/ap-southeast-2/secretsmanager"
    empty = answer("secretsmanager", "GetSecretValue", {"Name": "sample"})
    assert app.asks(70, empty)[1].error == "unreadable-answer"
    assert app.asks(80, refusal("secretsmanager", "AccessDeniedException"))[1].error == "AccessDeniedException"


@pytest.mark.parametrize(
    ("operation", "action", "answered"),
    [
        ("list-users", "ListUsers", answer("iam", "ListUsers", {"Users": [], "IsTruncated": False})),
        ("put-role-policy", "PutRolePolicy", answer("iam", "PutRolePolicy")),
        ("create-role", "CreateRole", refusal("iam", "EntityAlreadyExists", 409)),
    ],
)
def test_an_administrator_makes_one_call_of_iam(operation: str, action: str, answered: Response) -> None:
    """By IAM's one name, signed for us-east-1 with the administrator's key."""
    playing, sent = begun(arrival("iam", operation), now_s=NOW_S)
    assert (sent.request.headers["host"], scope_of(sent)) == ("iam.amazonaws.com", "AKIAADMINAAAAAAAAAAA/us-east-1/iam")
    assert dict(sent.request.form)["Action"] == action
    result = ended(playing, answered)
    assert (result.outcome, result.error) == (("happened", "") if answered.ok else ("refused", "EntityAlreadyExists"))


def test_a_new_role_is_used_once_it_has_been_there_for_two_minutes() -> None:
    """The newest that is old enough. A program that just started creates one; one whose creations all failed has nothing."""
    clients = Clients(ACCOUNT)

    def asks(after_s: float, operation: str = "use-new-role") -> tuple[Playing, Call]:
        return begun(arrival("new-role", operation, id=f"at-{after_s:g}"), clients, NOW_S + after_s)

    def action(sent: Call) -> str:
        form = dict(sent.request.form)
        return form["Action"] + form.get("RoleArn", "").rpartition("/")[2]

    failing, sent = asks(0)
    assert action(sent) == "CreateRole"
    ended(failing, refusal("iam", "ServiceFailure", 500))
    assert begin(arrival("new-role", "use-new-role"), clients, NOW_S + 130).next() == NOTHING_CREATED
    for at_s in (140, 200):
        ended(asks(at_s, "create-role")[0], answer("iam", "CreateRole", {"Role": ROLE}))
    assert [action(asks(at_s)[1]) for at_s in (270, 330)] == ["AssumeRoleat-140", "AssumeRoleat-200"]
    assert action(asks(3600)[1]) == "CreateRole"
