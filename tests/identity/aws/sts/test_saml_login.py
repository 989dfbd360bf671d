"""AssumeRoleWithSAML with real boto3 clients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brownout.identity.aws import arns
from brownout.identity.aws.records.providers import SamlProvider
from support.aws_roles import role, trust
from support.saml_documents import ENTITY_ID, metadata
from support.saml_responses import SIGNED_IN, SamlLogin
from support.simulated_aws import SimulatedAws, refusal, temporary

ACTION = "sts:AssumeRoleWithSAML"


class SamlStack:
    """A stack whose account trusts one SAML provider, with role `sso`."""

    def __init__(self, aws: SimulatedAws) -> None:
        self.aws, self.account = aws, aws.maker.account_id
        self.provider = arns.saml_provider(self.account, "corp")
        aws.maker.put(SamlProvider(self.provider, "corp", metadata(), 0.0, 0.0))
        self.role = self.put_role("sso", Condition={"StringEquals": {"saml:aud": SIGNED_IN}})
        self.client = aws.client("sts", None)
        self.login = SamlLogin(aws.now_s, self.role, self.provider)

    def put_role(self, name: str, *actions: str, max_session_s: int = 3600, **more: Any) -> str:
        made = role(
            self.account, name, trust({"Federated": self.provider}, ACTION, *actions, **more), max_session_s=max_session_s
        )
        self.aws.maker.put(made)
        self.aws.publish()
        return made.arn

    def assume(self, login: SamlLogin, **params: Any) -> Any:
        return self.client.assume_role_with_saml(**self.params(login, **params))

    def refused(self, login: SamlLogin, **params: Any) -> tuple[str, str]:
        found = refusal(self.client.assume_role_with_saml, **self.params(login, **params))
        return found.code, found.message

    def params(self, login: SamlLogin, **params: Any) -> dict[str, Any]:
        return {"RoleArn": self.role, "PrincipalArn": self.provider, "SAMLAssertion": login.encoded(), **params}


@pytest.fixture
def saml(aws: SimulatedAws) -> SamlStack:
    return SamlStack(aws)


def test_an_assertion_gets_a_session(saml: SamlStack) -> None:
    """The answer tells the subject, and the session is named as the assertion says."""
    made = saml.assume(saml.login)
    assert (made["Subject"], made["SubjectType"], made["Issuer"], made["Audience"]) == (
        "alice",
        "persistent",
        ENTITY_ID,
        SIGNED_IN,
    )
    assert made["NameQualifier"]
    seen = saml.aws.client("sts", temporary(made)).get_caller_identity()
    assert seen["Arn"] == f"arn:aws:sts::{saml.account}:assumed-role/sso/alice@corp"


def test_the_identity_provider_can_shorten_the_session(saml: SamlStack) -> None:
    """Of the two lengths the shorter counts."""
    short = replace(saml.login, attributes={"SessionDuration": ("900",)})
    assert saml.assume(short)["Credentials"]["Expiration"].timestamp() == int(saml.aws.now_s) + 900
    long = replace(saml.login, attributes={"SessionDuration": ("7200",)})
    assert saml.assume(long, DurationSeconds=1800)["Credentials"]["Expiration"].timestamp() == int(saml.aws.now_s) + 1800
    assert saml.refused(replace(saml.login, attributes={"SessionDuration": ("60",)}))[0] == "ValidationError"


def test_the_assertion_must_name_the_role(saml: SamlStack) -> None:
    """A role that trusts the provider is not enough."""
    other = saml.put_role("other")
    assert saml.refused(saml.login, RoleArn=other) == ("AccessDenied", f"Not authorized to perform {ACTION}")


def test_the_role_must_trust_the_provider(saml: SamlStack) -> None:
    """An assertion that names a role which trusts others gets nothing."""
    arn = saml.aws.maker.role_arn("app")
    assert saml.refused(replace(saml.login, role=arn), RoleArn=arn)[0] == "AccessDenied"


def test_an_unknown_provider_is_told(saml: SamlStack) -> None:
    """The provider must be one of the account's."""
    found = saml.refused(saml.login, PrincipalArn=arns.saml_provider(saml.account, "nobody"))
    assert found == ("InvalidIdentityToken", "Specified provider doesn't exist")


def test_a_session_name_has_rules(saml: SamlStack) -> None:
    """The name in the assertion must be one that a session can have."""
    found = saml.refused(replace(saml.login, attributes={"RoleSessionName": ("alice the great",)}))
    assert (found[0], "must match" in found[1]) == ("InvalidIdentityToken", True)


def test_a_late_assertion_has_expired(saml: SamlStack) -> None:
    """With the exception that the model names."""
    late = replace(saml.login, now_s=saml.aws.now_s - 600)
    assert refusal(saml.client.assume_role_with_saml, **saml.params(late)).exception == "ExpiredTokenException"


def test_tags_of_the_assertion_need_a_permission(saml: SamlStack) -> None:
    """Principal tags are session tags."""
    tagged = replace(saml.login, attributes={"PrincipalTag:team": ("blue",), "TransitiveTagKeys": ("team",)})
    assert saml.refused(tagged)[1] == "Not authorized to perform sts:TagSession"
    arn = saml.put_role("tagged", "sts:TagSession", Condition={"StringEquals": {"aws:RequestTag/team": "blue"}})
    saml.assume(replace(tagged, role=arn), RoleArn=arn)


@pytest.mark.parametrize("junk", ["AAAA", "PHg+", "not base64 at all", "x" * 1000])
def test_junk_is_no_assertion(saml: SamlStack, junk: str) -> None:
    """Whatever it is, the answer is an error of the service's own."""
    assert saml.refused(saml.login, SAMLAssertion=junk)[0] == "InvalidIdentityToken"
