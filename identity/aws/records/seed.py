"""What the account of a stack has before its first change: decided by the stack's specification, and without a secret.

Two users: `admin`, who may do everything, and `caller`, who may assume roles and read secrets. Roles: `app` for all in the
account, `deployer` for provisioning, `web-identity` for tokens of the stack's own Entra tenant, and one for each group of
machines with its instance profile, which may assume `app`. Their keys and passwords are made by the directory at its first
start and stay there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from brownout.identity.aws import arns, ids
from brownout.identity.aws.records.policies import PolicyUse
from brownout.identity.aws.records.principals import InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.settings import AccountSettings
from brownout.identity.aws.records.tables import Tables
from brownout.identity.core.topology import StackSpec

ADMIN, CALLER = "admin", "caller"
APP_ROLE, DEPLOYER_ROLE, WEB_IDENTITY_ROLE = "app", "deployer", "web-identity"
ADMINISTRATOR_ACCESS = arns.policy("aws", "/", "AdministratorAccess")
CREATED_S = 1_704_067_200.0  # 2024-01-01: the account is older than the stack
AUDIENCES = (  # of tokens that the Entra tenant may be trusted for
    "sts.amazonaws.com",
    "api://AzureADTokenExchange",
    "https://management.azure.com",
    "https://management.azure.com/",
    "https://vault.azure.net",
)
_MACHINE_SERVICES = ("ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com")
_NUMBER_OF_MACHINE = re.compile(r"[-_][0-9]+$")


def account_of(stack: StackSpec) -> str:
    """The account id of the stack: 12 digits."""
    return ids.account_id(stack.seed)


def entra_issuer(stack: StackSpec) -> str:
    """The issuer of the stack's Entra tenant, as an OIDC provider's URL: without `https://`."""
    return f"sts.windows.net/{stack.tenant_id}/"


@lru_cache(maxsize=1024)  # a machine's every request asks
def role_of(machine_name: str) -> str:
    """The name of the role of a machine: that of its group, so `web` for `web-1` and `scaleout` for `scaleout_0`."""
    group = _NUMBER_OF_MACHINE.sub("", machine_name) or machine_name
    return f"{group}-machine" if group.lower() in (APP_ROLE, DEPLOYER_ROLE, WEB_IDENTITY_ROLE) else group


def initial_account(stack: StackSpec) -> Tables:
    """The records that the account starts with."""
    roles = sorted({role_of(machine.name).lower(): role_of(machine.name) for machine in stack.machines}.values())
    return _tables(stack.seed, entra_issuer(stack), tuple(roles))


@lru_cache(maxsize=64)  # its directory and the hosts of every region ask, and tables are never changed
def _tables(seed: int, issuer: str, machine_roles: tuple[str, ...]) -> Tables:
    return Tables.of(_Seed(seed, issuer, machine_roles).records())


class _Seed:
    """Makes the records of one stack's account."""

    def __init__(self, seed: int, issuer: str, machine_roles: tuple[str, ...]) -> None:
        self._seed, self._issuer, self._machine_roles = seed, issuer, machine_roles
        self._account = ids.account_id(seed)

    def records(self) -> Iterator[AccountRecord]:
        """Each record once."""
        yield AccountSettings()
        yield self._user(ADMIN, attached=(ADMINISTRATOR_ACCESS,))
        yield PolicyUse(ADMINISTRATOR_ACCESS, attached=1)
        yield self._user(CALLER, inline={"calls": _allow("sts:*", "secretsmanager:*")})
        inside = _trust("sts:AssumeRole", {"AWS": arns.root(self._account)})
        yield self._role(APP_ROLE, inside, {"secrets": _READS_SECRETS})
        provisioning = _trust("sts:AssumeRole", {"AWS": arns.root(self._account), "Service": "cloudformation.amazonaws.com"})
        yield self._role(DEPLOYER_ROLE, provisioning, {"provisioning": _allow("iam:*", "sts:*", "secretsmanager:*")})
        yield from self._web_identity()
        for name in self._machine_roles:
            yield from self._machine_role(name)

    def _web_identity(self) -> Iterator[AccountRecord]:
        provider = arns.oidc_provider(self._account, self._issuer)
        yield OidcProvider(provider, self._issuer, CREATED_S, AUDIENCES)
        trusted = {"StringEquals": {f"{self._issuer}:aud": list(AUDIENCES)}}
        trust = _trust("sts:AssumeRoleWithWebIdentity", {"Federated": provider}, trusted)
        yield self._role(WEB_IDENTITY_ROLE, trust, {"secrets": _READS_SECRETS})

    def _machine_role(self, name: str) -> Iterator[AccountRecord]:
        trust = _trust("sts:AssumeRole", {"Service": list(_MACHINE_SERVICES)})
        assumes = _allow("sts:AssumeRole", on=arns.role(self._account, "/", APP_ROLE))
        yield self._role(name, trust, {"secrets": _READS_SECRETS, "app": assumes})
        profile_id = self._id(ids.INSTANCE_PROFILE, name)
        arn = arns.instance_profile(self._account, "/", name)
        yield InstanceProfile(name, profile_id, arn, CREATED_S, role_name=name)

    def _user(self, name: str, *, attached: tuple[str, ...] = (), inline: Mapping[str, str] | None = None) -> User:
        arn = arns.user(self._account, "/", name)
        return User(name, self._id(ids.USER, name), arn, CREATED_S, attached=attached, inline=inline or {})

    def _role(self, name: str, trust: str, inline: Mapping[str, str]) -> Role:
        arn = arns.role(self._account, "/", name)
        return Role(name, self._id(ids.ROLE, name), arn, CREATED_S, trust, inline=inline)

    def _id(self, prefix: str, name: str) -> str:
        return ids.unique_id(prefix, f"{self._seed} {name}")


def _trust(action: str, principal: Mapping[str, Any], condition: Mapping[str, Any] | None = None) -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": action}
    return _document(statement | ({"Condition": condition} if condition else {}))


def _allow(*actions: str, on: str = "*") -> str:
    return _document({"Effect": "Allow", "Action": list(actions), "Resource": on})


def _document(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


_READS_SECRETS = _allow("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret")
