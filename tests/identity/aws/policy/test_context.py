"""The condition keys that requests have, by kind of caller."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brownout.identity.aws.policy.context import (
    RequestFacts,
    RequestPrincipal,
    lowered,
    request_keys,
    request_tag_keys,
    tag_keys,
)
from support.aws_policies import (
    ACCOUNT,
    ANONYMOUS,
    FEDERATED,
    FEDERATED_ARN,
    ROLE_ARN,
    ROOT,
    ROOT_ARN,
    SERVICE,
    SESSION,
    USER,
    USER_ARN,
)

NOW_S = 1_893_456_000.9
FACTS = RequestFacts(NOW_S, "eu-west-1", "203.0.113.9", "aws-cli", secure_transport=True)


def test_every_request_has_time_region_and_transport() -> None:
    """Whole seconds, and the facts of the call."""
    keys = request_keys(USER, FACTS)
    assert keys["aws:currenttime"] == ("2030-01-01T00:00:00Z",)
    assert keys["aws:epochtime"] == ("1893456000",)
    assert keys["aws:requestedregion"] == ("eu-west-1",)
    assert keys["aws:sourceip"] == ("203.0.113.9",)
    assert keys["aws:useragent"] == ("aws-cli",)
    assert keys["aws:securetransport"] == ("true",)
    assert keys["aws:viaawsservice"] == keys["aws:principalisawsservice"] == ("false",)
    assert {"aws:sourceip", "aws:useragent"}.isdisjoint(request_keys(USER, RequestFacts(0, "eu-west-1")))


@pytest.mark.parametrize(
    ("principal", "kind", "arn", "user_id", "user_name"),
    [
        (USER, "User", USER_ARN, "AIDAEVEEXAMPLE1234567", "eve"),
        (SESSION, "AssumedRole", ROLE_ARN, "AROAAPPEXAMPLE1234567:job", None),
        (FEDERATED, "FederatedUser", FEDERATED_ARN, f"{ACCOUNT}:bob", None),
        (ROOT, "Account", ROOT_ARN, ACCOUNT, None),
        (ANONYMOUS, "Anonymous", None, None, None),
        (SERVICE, None, None, None, None),
    ],
)
def test_keys_of_a_principal(
    principal: RequestPrincipal, kind: str | None, arn: str | None, user_id: str | None, user_name: str | None
) -> None:
    """Type, ARN (of a session its role's), id, and a name for users alone; absent where there is none."""
    keys = principal.keys
    names = ("aws:principaltype", "aws:principalarn", "aws:userid", "aws:username")
    assert [keys.get(name) for name in names] == [(value,) if value else None for value in (kind, arn, user_id, user_name)]


def test_a_service_is_one() -> None:
    """aws:PrincipalIsAWSService is true for services only."""
    assert request_keys(SERVICE, FACTS)["aws:principalisawsservice"] == ("true",)


def test_long_term_keys_have_no_session_keys() -> None:
    """Not even aws:MultiFactorAuthPresent."""
    names = {"aws:tokenissuetime", "aws:multifactorauthpresent", "aws:multifactorauthage", "aws:sourceidentity"}
    assert names.isdisjoint(request_keys(USER, FACTS))


def test_a_session_has_its_age_and_mfa() -> None:
    """Without MFA the key is false and there is no age; with MFA it is true, and the age counts in whole seconds."""
    plain = request_keys(replace(SESSION, token_issued_s=NOW_S - 60), FACTS)
    assert plain["aws:tokenissuetime"] == ("2029-12-31T23:59:00Z",)
    assert plain["aws:multifactorauthpresent"] == ("false",)
    assert "aws:multifactorauthage" not in plain
    shown = request_keys(replace(SESSION, token_issued_s=NOW_S, mfa_authenticated_s=NOW_S - 90.5), FACTS)
    assert (shown["aws:multifactorauthpresent"], shown["aws:multifactorauthage"]) == (("true",), ("90",))
    early = request_keys(replace(SESSION, token_issued_s=NOW_S, mfa_authenticated_s=NOW_S + 5), FACTS)
    assert early["aws:multifactorauthage"] == ("0",)


def test_a_session_names_its_source() -> None:
    """Source identity and federated provider, when it has them."""
    keys = request_keys(replace(SESSION, source_identity="eve", federated_provider="login.example.com"), FACTS)
    assert (keys["aws:sourceidentity"], keys["aws:federatedprovider"]) == (("eve",), ("login.example.com",))


def test_tags_are_keys_in_lower_case() -> None:
    """Names of tags become names of keys; values stay as they are."""
    assert replace(USER, tags={"Team": "Red"}).keys["aws:principaltag/team"] == ("Red",)
    assert tag_keys("iam:ResourceTag", {"Team": "Red"}) == {"iam:resourcetag/team": ("Red",)}
    assert request_tag_keys({"Team": "Red", "Cost": "1"}) == {
        "aws:requesttag/team": ("Red",),
        "aws:requesttag/cost": ("1",),
        "aws:tagkeys": ("Team", "Cost"),
    }
    assert request_tag_keys({}) == {}


def test_more_keys_are_added() -> None:
    """Keys of the action join the global ones and replace those of the same name."""
    keys = request_keys(USER, FACTS, {"sts:ExternalId": "x", "sts:TransitiveTagKeys": ["a", "b"], "aws:SourceIp": "10.0.0.1"})
    assert (keys["sts:externalid"], keys["sts:transitivetagkeys"], keys["aws:sourceip"]) == (("x",), ("a", "b"), ("10.0.0.1",))
    assert lowered({"A": (), "b": "c"}) == {"a": (), "b": ("c",)}
