"""A stack with AWS and users who sign in to the console."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.totp import code_of, period_of
from brownout.identity.aws.records.credentials import MfaDevice, Secret
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.published import PublishedLogin, RegionalLogin
from brownout.identity.aws.records.seed import account_of
from brownout.identity.aws.signin.home import HomeDirectory
from brownout.identity.aws.signin.security_keys import RELYING_PARTY, Assertion
from brownout.identity.core.messages import FORM_TYPE, Request, Response
from support.simulated_aws import EPOCH_S

SYDNEY, MELBOURNE = "ap-southeast-2", "ap-southeast-4"
PASSWORD = "correct horse"
SEED = b"twenty bytes of seed"
WAIT_S = 330.0  # more than one publishing interval


class SecurityKey:
    """An authenticator with one key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def answer(
        self, challenge: str, *, site: str = RELYING_PARTY, present: bool = True, kind: str = "webauthn.get"
    ) -> Assertion:
        """What a browser sends for the challenge once the key was touched."""
        client = json.dumps({"type": kind, "challenge": challenge, "origin": f"https://{site}"}).encode()
        data = hashlib.sha256(site.encode()).digest() + bytes([1 if present else 0]) + (1).to_bytes(4, "big")
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return Assertion(client, data, signature)


@dataclass
class Console:
    """A stack that is up, and browsers in front of it."""

    world: SimulationWorld

    @property
    def account_id(self) -> str:
        return account_of(self.world.spec)

    def node(self, name: str) -> Any:
        return self.world._nodes[name].node

    @property
    def directory(self) -> HomeDirectory:
        annex = self.node("sydney.directory").annexes["aws"]
        assert isinstance(annex, HomeDirectory)
        return annex

    def put(self, *records: Any) -> None:
        """Puts records into the account and waits until every region has them."""
        transaction = self.directory.account.begin()
        transaction.put(*records)
        self.world.run(self.directory.account.commit(transaction))
        self.sleep(WAIT_S)

    def set_password(self, user: str, password: str = PASSWORD, *, reset_required: bool = False) -> None:
        logins = []
        for region in self.world.spec.regions:
            salt = f"salt of {region}".encode()
            digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1000)
            logins.append(RegionalLogin(region, PublishedLogin(user, salt, digest, 1000, reset_required)))
        self.put(*logins)

    def give_device(self, user: str) -> None:
        """Gives the user a virtual MFA device with SEED."""
        serial = f"arn:aws:iam::{self.account_id}:mfa/{user}"
        self.put(MfaDevice(serial, EPOCH_S, user_name=user, enabled_s=EPOCH_S), Secret(serial, SEED.hex()))

    def give_key(self, user: str, key: SecurityKey) -> str:
        body = {"user": user, "name": "key-1", "public_key": key.public_key}
        answer = self.world.run(self.world.control("sydney.directory", Request("PUT", "/admin/aws/security-keys", body=body)))
        assert answer.status == 200, answer
        self.sleep(WAIT_S)
        assert answer.body is not None
        return str(answer.body["serial_number"])

    def code(self) -> str:
        """The code that a phone shows now."""
        return code_of(SEED, period_of(self.world.now()))

    def sleep(self, duration_s: float) -> None:
        self.world.run(self.world.sleep_until(self.world.now() + duration_s))

    def cut(self) -> None:
        """No link carries anything between the regions any more."""
        for link in self.world.spec.links():
            if {link.source.split(".")[0], link.target.split(".")[0]} == {"sydney", "melbourne"}:
                self.world.run(self.world.hold(Carrier("link", str(link)), "cut", LinkEffect("refuse")))

    def lose(self, node: str) -> None:
        """Ends a node for good."""
        self.world.run(self.world.hold(Carrier("node", node), "lost", NodeEffect("down")))

    def get(self, target: str, node: str = "melbourne.token.z1", **headers: str) -> Response:
        lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return self.world.run(self.world.client(node, Request.raw("GET", target, lines), timeout_s=10))

    def sign_in(self, target: str, node: str = "melbourne.token.z1", host: str = "", **fields: str) -> Response:
        """Sends the form, by default with alice's right password."""
        given = {"account": self.account_id, "username": "alice", "password": PASSWORD} | fields
        lines = [(b"content-type", FORM_TYPE.encode()), *([(b"host", host.encode())] if host else [])]
        request = Request.raw("POST", target, lines, urlencode(given).encode())
        return self.world.run(self.world.client(node, request, timeout_s=10))

    def challenge_for(self, answer: Response) -> str:
        """The challenge in a form."""
        found = re.search(r'name="challenge" type="hidden" value="([^"]*)"', answer.payload.decode())
        assert found is not None, answer
        return found[1]


def facts_of(answer: Response) -> Mapping[str, str]:
    """What a page says of who is signed in."""
    text = answer.payload.decode()
    found = dict(re.findall(r'<dd id="([a-z]+)">([^<]*)</dd>', text))
    arn = re.search(r'<strong id="arn">([^<]*)<', text)
    return found | ({"arn": arn[1]} if arn else {})


def cookie_in(answer: Response) -> str:
    """The session that an answer gives a browser."""
    name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
    assert name == "aws-creds"
    return value


def asserted(assertion: Assertion) -> str:
    return json.dumps(assertion.to_json())


@pytest.fixture
def console() -> Iterator[Console]:
    """A stack in which alice has a password and nothing more."""
    spec = build_stack(
        seed=3, settings={"iam_publish_interval_s": 300.0, "publish_interval_s": 3600.0}, vendors=("aws", "azure")
    )
    world = SimulationWorld(spec, epoch_s=EPOCH_S)
    try:
        world.run(world.start())
        made = Console(world)
        made.put(User("alice", "AIDAALICE00000000000A", f"arn:aws:iam::{made.account_id}:user/alice", EPOCH_S))
        made.set_password("alice")
        yield made
    finally:
        world.kernel.close()
