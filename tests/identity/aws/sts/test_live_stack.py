"""STS and IAM of a whole stack of processes, with boto3 over real sockets and Toxiproxy between the regions."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.totp import code_of, period_of, seed_bytes
from support.aws_roles import document, trust
from support.live_aws import LiveAws, live_aws
from support.saml_documents import metadata
from support.simulated_aws import refusal

pytestmark = pytest.mark.slow
PUBLISHED_S = 10.0  # within this every region has a change, also on a busy machine


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAws]:
    with live_aws(tmp_path_factory.mktemp("live")) as standing:
        yield standing


def eventually(call: Any, **params: Any) -> Any:
    """The answer, once every region has what the call needs."""
    ends_s = time.monotonic() + PUBLISHED_S
    while True:
        try:
            return call(**params)
        except Exception:
            if time.monotonic() > ends_s:
                raise
            time.sleep(0.2)


def test_sessions_are_good_in_every_region(live: LiveAws) -> None:
    """A role assumed in one region is somebody in the other; times are those of the machine."""
    made = live.client("sts", "sydney.token.z1").assume_role(RoleArn=live.role("app"), RoleSessionName="job")
    assert abs(made["Credentials"]["Expiration"].timestamp() - time.time() - 3600) < 5
    seen = live.client("sts", "melbourne.token.z2", keys=made).get_caller_identity()
    assert seen["Arn"] == f"arn:aws:sts::{live.account}:assumed-role/app/job"


def test_a_machines_entra_token_opens_a_role(live: LiveAws) -> None:
    """A real token of the stack's Entra, signed by RS256, is a web identity."""
    host = live.world.endpoints().clients["sydney.host"]
    machine = next(each for each in live.world.spec.machines if each.region == "sydney" and not each.scale_set)
    url = f"{host}/{machine.name}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Metadata": "true"})) as answer:
        token = json.load(answer)["access_token"]
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))["alg"] == "RS256"
    sts = live.client("sts", "melbourne.token.z1")
    made = sts.assume_role_with_web_identity(RoleArn=live.role("web-identity"), RoleSessionName="web", WebIdentityToken=token)
    assert made["Audience"] == "https://vault.azure.net"
    assert (
        refusal(
            sts.assume_role_with_web_identity,
            RoleArn=live.role("web-identity"),
            RoleSessionName="web",
            WebIdentityToken=token[:-8] + "AAAAAAAA",
        ).exception
        == "InvalidIdentityTokenException"
    )


def test_an_account_of_megabytes_reaches_every_region(live: LiveAws) -> None:
    """Forty keys are more than a mebibyte with the signing keys of their days; SAML metadata of two is taken too."""
    iam, made = live.client("iam", "sydney.management"), []
    for number in range(20):
        iam.create_user(UserName=f"many-{number}")
        made += [iam.create_access_key(UserName=f"many-{number}")["AccessKey"] for _ in range(2)]
    iam.create_saml_provider(Name="large", SAMLMetadataDocument=metadata(more="x" * 2_000_000))
    for node in ("sydney.token.z3", "melbourne.token.z1"):
        keys = {"Credentials": {**made[-1], "SessionToken": ""}}
        eventually(live.client("sts", node, keys=keys).get_caller_identity)
    assert len(iam.list_saml_providers()["SAMLProviderList"]) == 1


def test_a_device_made_by_iam_is_checked_by_sts_of_a_cut_region(live: LiveAws) -> None:
    """Identities, permissions, sessions and MFA go on while the home region cannot be reached; changes do not."""
    iam = live.client("iam", "sydney.management")
    arn = f"arn:aws:iam::{live.account}"
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    seed, now = seed_bytes(device["Base32StringSeed"].decode()), period_of(time.time())
    codes = {"AuthenticationCode1": code_of(seed, now - 1), "AuthenticationCode2": code_of(seed, now)}
    iam.enable_mfa_device(UserName="admin", SerialNumber=device["SerialNumber"], **codes)
    guarded = trust({"AWS": f"{arn}:root"}, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    iam.create_role(RoleName="guarded", AssumeRolePolicyDocument=document(guarded))
    wish = {"RoleArn": live.role("guarded"), "RoleSessionName": "job", "SerialNumber": device["SerialNumber"]}
    sts = live.client("sts", "melbourne.token.z1")
    eventually(lambda: sts.assume_role(**wish, TokenCode=code_of(seed, period_of(time.time()) + 1)))
    links = cut_off(live)
    try:
        away = live.client("iam", "melbourne.management")
        assert refusal(away.create_user, UserName="late").code == "ServiceUnavailable"
        shown = live.client("sts", "melbourne.token.z2").get_session_token(
            SerialNumber=device["SerialNumber"], TokenCode=code_of(seed, period_of(time.time()))
        )
        session = live.client("sts", "melbourne.token.z2", keys=shown)
        session.assume_role(RoleArn=live.role("guarded"), RoleSessionName="job")
        assert refusal(sts.assume_role, RoleArn=live.role("guarded"), RoleSessionName="job").code == "AccessDenied"
    finally:
        for link in links:
            live.runner.run(live.world.release(Carrier("link", link), "cut"))
    assert refusal(iam.get_user, UserName="late").code == "NoSuchEntity"
    eventually(lambda: live.client("iam", "melbourne.management").create_user(UserName="late"))


def cut_off(live: LiveAws) -> list[str]:
    """Refuses every link between Melbourne's front end and data plane and the home region; the links that it refuses."""
    patterns = ("melbourne.management->sydney", "melbourne.token->sydney", "sydney.directory->melbourne")
    links = [str(link) for link in live.world.spec.links() if any(link.matches(pattern) for pattern in patterns)]
    for link in links:
        live.runner.run(live.world.hold(Carrier("link", link), "cut", LinkEffect("refuse")))
    return links
