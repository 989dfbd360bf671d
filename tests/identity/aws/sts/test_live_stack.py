"""STS and IAM of a whole stack of processes, with boto3 over real sockets and Toxiproxy between the regions."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.toxiproxy.install import toxiproxy_server
from brownout.identity.aws.auth.totp import code_of, period_of, seed_bytes
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import REGIONS, NodeName
from support.aws_roles import document, trust
from support.simulated_aws import refusal, temporary

pytestmark = pytest.mark.slow
PUBLISHED_S = 10.0  # within this every region has a change, also on a busy machine
DIRECTORY = "sydney.directory"


class LiveAws:
    """A stack that is up, and clients of it."""

    def __init__(self, world: ProcessesWorld, runner: asyncio.Runner) -> None:
        self.world, self.runner = world, runner
        told = runner.run(world.control(DIRECTORY, Request("GET", "/admin/aws/credentials"))).body
        self.admin = {"aws_access_key_id": told["access_key_id"], "aws_secret_access_key": told["secret_access_key"]}
        self.account = str(told["account_id"])

    def client(self, service: str, node: str, attempts: int = 1, keys: Any = None) -> Any:
        """A client at a node as the administrator, or with the credentials that an operation returned."""
        given = self.admin
        if keys is not None:
            made = temporary(keys)
            given = {
                "aws_access_key_id": made.access_key_id,
                "aws_secret_access_key": made.secret_access_key,
                "aws_session_token": made.session_token,
            }
        return boto3.client(
            service,
            region_name=REGIONS[NodeName.parse(node).region].aws_name,
            endpoint_url=self.world.endpoints().clients[node],
            config=Config(retries={"total_max_attempts": attempts}, read_timeout=20),
            **given,
        )

    def role(self, name: str) -> str:
        return f"arn:aws:iam::{self.account}:role/{name}"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAws]:
    spec = build_stack(seed=11, settings={}, vendors=("aws", "azure"))
    binary = toxiproxy_server(say=lambda _: None)
    world = ProcessesWorld(spec, folder=tmp_path_factory.mktemp("live"), epoch_s=time.time(), rate=1.0, toxiproxy_binary=binary)
    with asyncio.Runner() as runner:
        runner.run(world.start())
        try:
            yield LiveAws(world, runner)
        finally:
            runner.run(world.stop())


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
