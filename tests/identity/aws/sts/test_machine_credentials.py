"""The page on which hosts get role credentials for their machines."""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.instance_credentials import ECS_TASKS, EKS_PODS, InstanceCredentials, InstanceCredentialsRequest
from brownout.identity.aws.records.principals import InstanceProfile
from brownout.identity.core.messages import Response
from support.published_accounts import DAY_S
from support.simulated_aws import STS_NODE, SimulatedAws

PAGE = "/aws/instance-credentials"


def ask(aws: SimulatedAws, role: str, service: str = "ec2.amazonaws.com") -> Response:
    wanted = InstanceCredentialsRequest("web-1", role, "i-0123456789abcdef0", service)
    return aws.internal(STS_NODE, "POST", PAGE, wanted.to_json())


def machine_role(aws: SimulatedAws) -> str:
    return next(iter(aws.maker.account("sydney").tables.table(InstanceProfile).values())).role_name


def test_a_machine_gets_its_roles_credentials(aws: SimulatedAws) -> None:
    """They last six hours and are those of a session of the role, named as the instance."""
    answer = ask(aws, machine_role(aws))
    assert (answer.status, answer.body is not None) == (200, True)
    made = InstanceCredentials.from_json(answer.body or {})
    assert made.expires_s - made.issued_s == 21_600
    seen = aws.client("sts", Credentials(made.access_key_id, made.secret, made.token)).get_caller_identity()
    assert seen["Arn"].endswith(f":assumed-role/{machine_role(aws)}/i-0123456789abcdef0")


def test_the_role_must_trust_the_service(aws: SimulatedAws) -> None:
    """A role that trusts machines does not let functions in; one that trusts users lets no machine in."""
    assert ask(aws, machine_role(aws), ECS_TASKS).status == 200
    assert ask(aws, machine_role(aws), EKS_PODS).status == 200
    assert ask(aws, machine_role(aws), "lambda.amazonaws.com").status == 404
    assert ask(aws, "app").status == 404


def test_a_role_that_is_not_there_is_not_found(aws: SimulatedAws) -> None:
    """In neutral words, which the host renders."""
    answer = ask(aws, "nothing")
    assert (answer.status, (answer.body or {})["error"]["code"]) == (404, "not-found")


def test_without_a_key_there_are_no_credentials(aws: SimulatedAws) -> None:
    """When the region's newest sealing key has ended, that is an outage and not a refusal."""
    aws.sleep(2 * DAY_S)
    answer = ask(aws, machine_role(aws))
    assert (answer.status, (answer.body or {})["error"]["code"]) == (500, "unavailable")


def test_what_is_no_wish_is_refused(aws: SimulatedAws) -> None:
    """The payload must be a request for credentials."""
    assert aws.internal(STS_NODE, "POST", PAGE, {"machine": "web-1"}).status == 400
