"""What an account starts with is decided by the stack, and holds no secret."""

from __future__ import annotations

import json

import pytest

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.records import seed
from brownout.identity.aws.records.credentials import AccessKey, Secret
from brownout.identity.aws.records.principals import InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider
from brownout.identity.aws.records.seed import initial_account, role_of
from brownout.identity.azure.entra.claims import issuer

STACK = build_stack(seed=3)


def test_one_stack_has_one_account() -> None:
    """The same specification gives the same records, another seed gives others."""
    first, again = initial_account(STACK), initial_account(build_stack(seed=3))
    assert dict(first.table(Role)) == dict(again.table(Role))
    other = initial_account(build_stack(seed=4))
    assert first.table(User)["admin"].user_id != other.table(User)["admin"].user_id
    assert seed.account_of(STACK) != seed.account_of(build_stack(seed=4))


def test_nothing_in_it_is_secret() -> None:
    """Keys and secrets are made by the directory alone."""
    account = initial_account(STACK)
    assert not account.table(AccessKey)
    assert not account.table(Secret)


def test_every_machine_has_a_role_that_machines_may_use() -> None:
    """Each machine's role exists, trusts EC2 and is in the instance profile of its name."""
    account = initial_account(STACK)
    assert STACK.machines
    for machine in STACK.machines:
        role = account.table(Role)[role_of(machine.name).lower()]
        assert "ec2.amazonaws.com" in json.loads(role.trust)["Statement"][0]["Principal"]["Service"]
        assert account.table(InstanceProfile)[role.table_key].role_name == role.name


@pytest.mark.parametrize(
    ("machine", "role"),
    [
        ("web-1", "web"),
        ("web-south-12", "web-south"),
        ("batch", "batch"),
        ("scaleout_0", "scaleout"),
        ("scaleout", "scaleout"),
        ("App-3", "App-machine"),
        ("deployer", "deployer-machine"),
        ("-1", "-1"),
    ],
)
def test_the_role_of_a_machine(machine: str, role: str) -> None:
    """A numbered machine has the role of its group; no machine gets one of the account's other roles."""
    assert role_of(machine) == role


def test_the_entra_tenant_is_trusted() -> None:
    """The account trusts the issuer that the stack's Entra names in its tokens."""
    providers = initial_account(STACK).table(OidcProvider)
    assert [f"https://{provider.url}" for provider in providers.values()] == [issuer(STACK.tenant_id)]
    trust = json.loads(initial_account(STACK).table(Role)[seed.WEB_IDENTITY_ROLE].trust)
    assert trust["Statement"][0]["Principal"]["Federated"] in providers
