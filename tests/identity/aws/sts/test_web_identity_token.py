"""GetWebIdentityToken: tokens by which others know the account's principals, and where their keys are published."""

from __future__ import annotations

from typing import Any

from brownout.identity.aws import arns
from brownout.identity.aws.oidc_urls import outbound_issuer, provider_name
from brownout.identity.aws.records.providers import OidcProvider
from brownout.identity.aws.records.settings import AccountSettings
from brownout.identity.core.messages import Request
from support.aws_roles import allow, document, role, trust
from support.simulated_aws import STS_NODE, SimulatedAws, refusal, temporary

WISH: dict[str, Any] = {"Audience": ["app"], "SigningAlgorithm": "RS256"}


def enable(aws: SimulatedAws) -> None:
    aws.maker.put(AccountSettings(outbound_federation=True))
    aws.publish()


def keys(aws: SimulatedAws, path: str = "/.well-known/jwks.json", host: str = "127.0.0.1") -> Any:
    request = Request("GET", path, headers={"host": host})
    return aws.world.run(aws.world.client(STS_NODE, request, timeout_s=1)).body


def test_it_is_off_until_the_account_wants_it(aws: SimulatedAws) -> None:
    """The error is the one that the model names."""
    found = refusal(aws.client("sts", aws.maker.key_of("admin")).get_web_identity_token, **WISH)
    assert (found.status, found.exception) == (403, "OutboundWebIdentityFederationDisabledException")


def test_the_token_says_who_the_caller_is(aws: SimulatedAws) -> None:
    """It is signed with a key that the issuer publishes, for as long as was asked for."""
    enable(aws)
    made = aws.client("sts", aws.maker.key_of("caller")).get_web_identity_token(
        **WISH, DurationSeconds=600, Tags=[{"Key": "team", "Value": "blue"}]
    )
    published = {key["kid"]: key for key in keys(aws)["keys"]}
    claims = aws.node().ports.signer.verify(made["WebIdentityToken"], published)
    assert (claims["aud"], claims["sub"]) == ("app", f"arn:aws:iam::{aws.maker.account_id}:user/caller")
    assert claims["exp"] - claims["iat"] == 600
    assert made["Expiration"].timestamp() == claims["exp"]
    about = claims["https://sts.amazonaws.com/"]
    assert (about["request_tags"], about["source_region"]) == ({"team": "blue"}, "ap-southeast-2")


def test_the_issuer_describes_itself_by_its_own_name(aws: SimulatedAws) -> None:
    """Discovery is found under the issuer's host name, and leads to the keys."""
    issuer = outbound_issuer(aws.maker.account_id)
    found = keys(aws, "/.well-known/openid-configuration", issuer.removeprefix("https://"))
    assert (found["issuer"], found["jwks_uri"]) == (issuer, f"{issuer}/.well-known/jwks.json")


def test_an_account_that_trusts_its_issuer_takes_its_tokens(aws: SimulatedAws) -> None:
    """As a provider of OpenID Connect like any other: for the audience that the provider has, and signed by no one else."""
    enable(aws)
    issuer = provider_name(outbound_issuer(aws.maker.account_id))
    provider = arns.oidc_provider(aws.maker.account_id, issuer)
    aws.maker.put(OidcProvider(provider, issuer, 0.0, ("app",)))
    own = trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", Condition={"StringEquals": {f"{issuer}:aud": "app"}})
    aws.maker.put(role(aws.maker.account_id, "mirror", own))
    aws.publish()
    caller = aws.client("sts", aws.maker.key_of("caller"))

    def assumed(token: str) -> Any:
        return caller.assume_role_with_web_identity(
            RoleArn=aws.maker.role_arn("mirror"), RoleSessionName="job", WebIdentityToken=token
        )

    made = caller.get_web_identity_token(**WISH)["WebIdentityToken"]
    assert assumed(made)["SubjectFromWebIdentityToken"] == f"arn:aws:iam::{aws.maker.account_id}:user/caller"
    other = caller.get_web_identity_token(**WISH | {"Audience": ["other"]})["WebIdentityToken"]
    assert refusal(assumed, token=other).code == "InvalidIdentityToken"
    head, claims, signature = made.split(".")
    forged = f"{head}.{claims}.{signature[::-1]}"
    assert refusal(assumed, token=forged).code == "InvalidIdentityToken"


def test_it_needs_a_permission(aws: SimulatedAws) -> None:
    """A role that may read secrets may not speak for itself elsewhere."""
    enable(aws)
    app = aws.client("sts", aws.maker.key_of("caller")).assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")
    assert refusal(aws.client("sts", temporary(app)).get_web_identity_token, **WISH).code == "AccessDenied"


def test_a_session_cannot_be_made_longer(aws: SimulatedAws) -> None:
    """The token ends before the session that asks for it does."""
    may = role(
        aws.maker.account_id,
        "speaker",
        trust({"AWS": f"arn:aws:iam::{aws.maker.account_id}:root"}),
        inline={"own": document(allow("sts:GetWebIdentityToken"))},
    )
    aws.maker.put(may)
    enable(aws)
    made = aws.client("sts", aws.maker.key_of("caller")).assume_role(
        RoleArn=may.arn, RoleSessionName="job", DurationSeconds=900
    )
    session = aws.client("sts", temporary(made))
    session.get_web_identity_token(**WISH, DurationSeconds=899)
    assert (
        refusal(session.get_web_identity_token, **WISH, DurationSeconds=901).exception == "SessionDurationEscalationException"
    )


def test_an_origin_identity_is_refused_where_there_is_none(aws: SimulatedAws) -> None:
    """Sessions here have no context of a trusted identity propagation."""
    enable(aws)
    sts = aws.client("sts", aws.maker.key_of("admin"))
    assert refusal(sts.get_web_identity_token, **WISH, SubjectMode="OriginIdentity").code == "ValidationError"
