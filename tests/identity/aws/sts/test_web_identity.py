"""AssumeRoleWithWebIdentity with real boto3 clients: the stack's own Entra, other providers, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws import arns
from brownout.identity.aws.records.providers import OidcProvider
from brownout.identity.aws.records.seed import entra_issuer
from brownout.identity.core.nodes.token import TokenNode
from support.aws_roles import role, trust
from support.simulated_aws import STS_NODE, SimulatedAws, refusal, temporary
from support.web_tokens import WebIdentityProvider

PROVIDER = WebIdentityProvider("https://idp.example.com/realms/a", "ES256")
ACTION = "sts:AssumeRoleWithWebIdentity"


class Federation:
    """A stack whose account trusts PROVIDER for the audience `app`, with role `web`."""

    def __init__(self, aws: SimulatedAws) -> None:
        self.aws, self.account = aws, aws.maker.account_id
        self.provider = arns.oidc_provider(self.account, PROVIDER.name)
        aws.maker.put(OidcProvider(self.provider, PROVIDER.name, 0.0, ("app", "other")))
        self.role = self.put_role("web", Condition={"StringEquals": {f"{PROVIDER.name}:aud": "app"}})
        self.reach()
        self.client = aws.client("sts", None)

    def reach(self, **more: Any) -> None:
        """Lets the nodes fetch the provider's keys."""
        body = {"provider": PROVIDER.url, "keys": [PROVIDER.jwk()], **more}
        assert self.aws.control(STS_NODE, "PUT", "/aws/identity-providers", body).ok

    def put_role(self, name: str, *actions: str, **more: Any) -> str:
        made = role(self.account, name, trust({"Federated": self.provider}, ACTION, *actions, **more))
        self.aws.maker.put(made)
        self.aws.publish()
        return made.arn

    def token(self, **claims: Any) -> str:
        return PROVIDER.token(self.aws.now_s, **claims)

    def assume(self, token: str = "", **params: Any) -> Any:
        return self.client.assume_role_with_web_identity(**self.params(token, **params))

    def refused(self, token: str = "", **params: Any) -> tuple[str, str]:
        found = refusal(self.client.assume_role_with_web_identity, **self.params(token, **params))
        return found.code, found.message

    def params(self, token: str, **params: Any) -> dict[str, Any]:
        return {"RoleArn": self.role, "RoleSessionName": "job", "WebIdentityToken": token or self.token(), **params}


@pytest.fixture
def federation(aws: SimulatedAws) -> Federation:
    return Federation(aws)


def test_a_token_of_a_trusted_provider_gets_a_session(federation: Federation) -> None:
    """The answer tells who signed on where, and the session is the role's."""
    made = federation.assume()
    assert made["SubjectFromWebIdentityToken"] == "alice"
    assert (made["Provider"], made["Audience"]) == (federation.provider, "app")
    seen = federation.aws.client("sts", temporary(made)).get_caller_identity()
    assert seen["Arn"] == made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{federation.account}:assumed-role/web/job"


def test_no_credentials_are_needed(federation: Federation) -> None:
    """The call is not signed: the token is all there is."""
    federation.assume()
    (answer,) = federation.aws.answers
    assert answer.status == 200


def test_the_stacks_own_entra_is_a_provider(aws: SimulatedAws) -> None:
    """A token that a machine got from the stack's Entra opens the role of the account that trusts it."""
    node = aws.node()
    assert isinstance(node, TokenNode)
    signing = node.replica.signing
    claims = {"iss": f"https://{entra_issuer(aws.world.spec)}", "sub": "web", "iat": aws.now_s, "exp": aws.now_s + 60}
    params = {"RoleArn": aws.maker.role_arn("web-identity"), "RoleSessionName": "web"}
    client = aws.client("sts", None)
    for audience, expected in (("https://vault.azure.net", ""), ("https://graph.microsoft.com", "InvalidIdentityToken")):
        token = node.ports.signer.sign(signing.key_id, signing.private, {**claims, "aud": audience})
        if expected:
            assert refusal(client.assume_role_with_web_identity, **params, WebIdentityToken=token).code == expected
        else:
            client.assume_role_with_web_identity(**params, WebIdentityToken=token)


def test_the_trust_policy_sees_the_claims(federation: Federation) -> None:
    """Audience and subject are condition keys under the provider's name."""
    assert federation.refused(federation.token(aud="other")) == ("AccessDenied", f"Not authorized to perform {ACTION}")
    only_bob = federation.put_role("bobs", Condition={"StringLike": {f"{PROVIDER.name}:sub": "bo?"}})
    assert federation.refused(RoleArn=only_bob)[0] == "AccessDenied"
    federation.assume(federation.token(sub="bob"), RoleArn=only_bob)


def test_a_role_that_trusts_others_or_is_not_there_is_refused_alike(federation: Federation) -> None:
    """Who has no identity yet learns nothing about roles."""
    missing = arns.role(federation.account, "/", "nothing")
    trusting_account = federation.aws.maker.role_arn("app")
    refused = ("AccessDenied", f"Not authorized to perform {ACTION}")
    assert federation.refused(RoleArn=missing) == federation.refused(RoleArn=trusting_account) == refused


@pytest.mark.parametrize(
    ("claims", "code", "text"),
    [
        ({"iss": "https://unknown.example.com"}, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for"),
        ({"iss": "http://idp.example.com/realms/a"}, "InvalidIdentityToken", "No OpenIDConnect provider found"),
        ({"aud": "nobody"}, "InvalidIdentityToken", "Incorrect token audience"),
        ({"exp": 1}, "ExpiredTokenException", "Token expired: current date/time 1735689601 must be before"),
        ({"exp": "soon"}, "InvalidIdentityToken", "not a valid JWT"),
        ({"nbf": 2_000_000_000}, "InvalidIdentityToken", "Token not active"),
        ({"sub": 7}, "InvalidIdentityToken", "not a valid JWT"),
    ],
)
def test_a_token_that_is_not_for_us_is_refused(federation: Federation, claims: dict[str, Any], code: str, text: str) -> None:
    """Each fault has its error."""
    found = federation.refused(federation.token(**claims))
    assert (found[0], text in found[1]) == (code, True), found


@pytest.mark.parametrize("token", ["abcd", "a.b.c", "x" * 200])
def test_junk_is_no_token(federation: Federation, token: str) -> None:
    """Whatever it is, the answer is an error of the service's own."""
    assert federation.refused(token)[0] == "InvalidIdentityToken"


def test_a_forged_token_is_refused(federation: Federation) -> None:
    """A signature by another key is none."""
    head, _, signature = federation.token().split(".")
    assert federation.refused(f"{head}.{federation.token(sub='root').split('.')[1]}.{signature}")[0] == "InvalidIdentityToken"


def test_an_unreachable_provider_is_an_error_that_clients_retry(federation: Federation) -> None:
    """Without cached keys the error is IDPCommunicationError, which boto3 tries again; with them the provider is not missed."""
    federation.aws.hold(STS_NODE, "idp-unreachable")
    retrying = federation.aws.client("sts", None, retries={"total_max_attempts": 2, "mode": "standard"})
    federation.aws.answers.clear()
    found = refusal(retrying.assume_role_with_web_identity, **federation.params(""))
    assert (found.code, found.exception) == ("IDPCommunicationError", "IDPCommunicationErrorException")
    assert len(federation.aws.answers) == 2
    federation.aws.release(STS_NODE)
    federation.assume()
    federation.aws.hold(STS_NODE, "idp-unreachable", providers=[PROVIDER.name])
    federation.assume()


def test_a_revoked_claim_is_the_providers_refusal(federation: Federation) -> None:
    """The provider may take back what it said."""
    federation.reach(revoked=["alice"])
    assert federation.refused()[0] == "IDPRejectedClaim"


def test_a_token_carries_tags_and_a_source_identity(federation: Federation) -> None:
    """Both are claims of AWS's, need their permissions, and stay with the session."""
    tags = {"principal_tags": {"team": ["blue"]}, "transitive_tag_keys": ["team"]}
    token = federation.token(**{"https://aws.amazon.com/tags": tags, "https://aws.amazon.com/source_identity": "alice"})
    assert federation.refused(token)[1] == "Not authorized to perform sts:TagSession"
    has_team = {"StringEquals": {"aws:RequestTag/team": "blue"}}
    arn = federation.put_role("tagged", "sts:TagSession", "sts:SetSourceIdentity", Condition=has_team)
    assert federation.assume(token, RoleArn=arn)["SourceIdentity"] == "alice"
    broken = federation.token(**{"https://aws.amazon.com/tags": {"principal_tags": {"team": 7}}})
    assert federation.refused(broken, RoleArn=arn)[0] == "InvalidIdentityToken"


def test_old_access_tokens_of_known_providers_are_not_taken(federation: Federation) -> None:
    """ProviderId names providers from before OpenID Connect."""
    assert federation.refused(ProviderId="graph.facebook.com")[0] == "InvalidIdentityToken"
