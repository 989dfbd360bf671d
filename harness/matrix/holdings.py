"""What the clients of the matrix hold: made once in the account, and fetched anew before every event.

The account gets a SAML provider with a role that trusts it, and a password for the user `caller`. Sessions, an instance's
credentials, a token of the stack's Entra tenant and a SAML assertion are as fresh as those of a client that runs when the event
begins.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import TypeVar

from brownout.harness.errors import WorldError
from brownout.harness.load.models.aws.calls import ADMIN, APP_ROLE, CALLER, credentials_in, error_code, iam, members, sts
from brownout.harness.load.models.aws.instance_credentials import fetch
from brownout.harness.load.models.azure import ask_for_token
from brownout.harness.load.models.model import Call
from brownout.harness.matrix.calls import SAML_PROVIDER, SAML_ROLE, SESSION, ClientRegion, HeldByClients
from brownout.harness.matrix.saml import SIGNED_IN, SamlIdentityProvider
from brownout.harness.world import World
from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import CallFailed, Response
from brownout.identity.core.topology import StackSpec

T = TypeVar("T")
AUDIENCE = "https://vault.azure.net"  # of the web identities: one that both the tenant and the role `web-identity` know
PASSWORD = "Matrix-0-password"  # of a user of an emulated account that ends with its stack
PATIENCE_S = 10.0

Steps = Generator[Call, Response, T]


def client_region(spec: StackSpec, region: str, account_id: str) -> ClientRegion:
    """Clients of one region; raises WorldError for a region without a machine or a scale set."""
    here = [machine for machine in spec.machines if machine.region == region]
    single = next((machine.name for machine in here if not machine.scale_set), "")
    scaling = next((machine.name for machine in here if machine.scale_set), "")
    if not single or not scaling:
        raise WorldError(f"the matrix needs a machine and a scale set in {region}")
    return ClientRegion(region, account_id, single, scaling, spec.control_token)


class Holdings:
    """Gives clients what they hold. `keys` are the access keys of the account's first users."""

    def __init__(self, world: World, keys: Mapping[str, Credentials]) -> None:
        self._world, self._keys, self._saml = world, keys, SamlIdentityProvider()

    async def establish(self, at: ClientRegion) -> None:
        """Makes what the account lacks, by a client at the home region; raises WorldError."""
        provider = arns.saml_provider(at.account_id, SAML_PROVIDER)
        trust = {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithSAML",
            "Condition": {"StringEquals": {"SAML:aud": SIGNED_IN}},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        for action, fields in (
            ("CreateSAMLProvider", {"Name": SAML_PROVIDER, "SAMLMetadataDocument": self._saml.metadata()}),
            ("CreateRole", {"RoleName": SAML_ROLE, "AssumeRolePolicyDocument": document}),
            ("CreateLoginProfile", {"UserName": CALLER, "Password": PASSWORD}),
        ):
            await self._play(self._administer(at, action, fields))

    def _administer(self, at: ClientRegion, action: str, fields: Mapping[str, str]) -> Steps[None]:
        answer = yield iam(at.arrival("establish"), action, fields, self._keys[ADMIN], self._world.now())
        _require(action, answer)

    async def make_role(self, at: ClientRegion, name: str) -> None:
        """Makes a role that the account's users may assume; raises WorldError where IAM does not let the region's clients."""
        statement = {"Effect": "Allow", "Principal": {"AWS": arns.root(at.account_id)}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        await self._play(self._administer(at, "CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": document}))

    async def has_user(self, at: ClientRegion, name: str) -> bool:
        """Whether the account has a user of that name; raises WorldError."""
        return await self._play(self._has_user(at, name))

    def _has_user(self, at: ClientRegion, name: str) -> Steps[bool]:
        answer = yield iam(at.arrival("look"), "GetUser", {"UserName": name}, self._keys[ADMIN], self._world.now())
        if not answer.ok and error_code(answer) != "NoSuchEntity":
            _require("GetUser", answer)
        return answer.ok

    async def fresh(self, at: ClientRegion) -> HeldByClients:
        """What a client of the region holds now; raises WorldError."""
        role_arn = arns.role(at.account_id, "/", SAML_ROLE)
        provider = arns.saml_provider(at.account_id, SAML_PROVIDER)
        return HeldByClients(
            admin=self._keys[ADMIN],
            caller=self._keys[CALLER],
            password=PASSWORD,
            session=await self._play(self._session(at)),
            instance=await self._play(self._instance(at)),
            web_token=await self._play(self._web_token(at)),
            assertion=self._saml.assertion(role_arn, provider, self._world.now()),
        )

    def _session(self, at: ClientRegion) -> Steps[Credentials]:
        now_s = self._world.now()
        fields = {"RoleArn": arns.role(at.account_id, "/", APP_ROLE), "RoleSessionName": SESSION}
        answer = yield sts(at.arrival("hold"), "AssumeRole", fields, self._keys[CALLER], now_s)
        _require("AssumeRole", answer)
        return _usable("AssumeRole", credentials_in(members(answer), now_s))

    def _instance(self, at: ClientRegion) -> Steps[Credentials]:
        found, result = yield from fetch(at.arrival("hold", machine=at.machine), self._world.now())
        return _usable("instance metadata", found or result.error)

    def _web_token(self, at: ClientRegion) -> Steps[str]:
        answer = yield ask_for_token(at.arrival("hold", machine=at.machine, resource=AUDIENCE))
        _require("the identity endpoint", answer)
        return str((answer.body or {})["access_token"])

    async def _play(self, steps: Steps[T]) -> T:
        """Plays to the end; raises WorldError where an answer does not come."""
        try:
            call = next(steps)
            while True:
                call = steps.send(await self._world.client(call.node, call.request, timeout_s=PATIENCE_S))
        except StopIteration as ended:
            result: T = ended.value
            return result
        except CallFailed as failed:
            raise WorldError(f"the stack does not give clients what they hold: {failed}") from failed


def _require(what: str, answer: Response) -> None:
    if not answer.ok:
        raise WorldError(f"{what} was answered {answer.status} {error_code(answer)}: {answer.payload[:300].decode('latin-1')}")


def _usable(what: str, found: Credentials | str) -> Credentials:
    if isinstance(found, str):
        raise WorldError(f"{what} gave no credentials: {found}")
    return found
