"""Roles decide: actions and data actions, what is taken out again, wildcards, and scopes above and below."""

from __future__ import annotations

import pytest

from brownout.identity.azure.control import decisions
from brownout.identity.azure.control.built_in_roles import BUILT_IN_ROLES, OWNER, READER
from brownout.identity.azure.control.decisions import RoleBook, allows, matches
from brownout.identity.azure.control.tables import ControlTables
from brownout.identity.azure.records import RoleAssignment, RolePermission

TENANT = "7f000000-0000-4000-8000-000000000001"
SUBSCRIPTION = "/subscriptions/5b"
GROUP = f"{SUBSCRIPTION}/resourceGroups/load"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web-1"
SECRET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
NAMED = {role.role_name: role for role in BUILT_IN_ROLES.values()}


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("*", "Microsoft.Compute/virtualMachines/write", True),
        ("*/read", "Microsoft.Compute/virtualMachines/read", True),
        ("*/read", "Microsoft.Compute/virtualMachines/write", False),
        ("Microsoft.Compute/*", "microsoft.compute/VIRTUALMACHINES/write", True),
        ("Microsoft.Compute/*", "Microsoft.ComputeX/virtualMachines/write", False),
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.ManagedIdentity/x/assign/action",
            False,
        ),
        ("a/b", "a/b/c", False),
        ("a.b/c", "aXb/c", False),
    ],
)
def test_an_action_matches_a_pattern(pattern: str, action: str, expected: bool) -> None:
    """A star means any text, everything else itself, and case does not matter."""
    assert matches((pattern,), action) is expected


def test_what_a_role_takes_out_is_not_allowed_by_it() -> None:
    """`notActions` and `notDataActions` take out of their own lists; data actions and actions are apart."""
    permission = RolePermission(("*",), ("Microsoft.Authorization/*/Write",), (SECRET,), ())
    assert allows(permission, "Microsoft.Compute/virtualMachines/write", data=False)
    assert not allows(permission, "Microsoft.Authorization/roleAssignments/write", data=False)
    assert allows(permission, SECRET, data=True)
    assert not allows(RolePermission(("*",)), SECRET, data=True)


@pytest.mark.parametrize(
    ("role", "action", "data", "expected"),
    [
        ("Owner", "Microsoft.Authorization/roleAssignments/write", False, True),
        ("Owner", SECRET, True, False),
        ("Contributor", "Microsoft.Compute/virtualMachines/write", False, True),
        ("Contributor", "Microsoft.Authorization/roleAssignments/write", False, False),
        ("Reader", "Microsoft.Compute/virtualMachines/read", False, True),
        ("User Access Administrator", "Microsoft.Authorization/roleAssignments/write", False, True),
        ("User Access Administrator", "Microsoft.Compute/virtualMachines/write", False, False),
        ("Managed Identity Operator", "Microsoft.ManagedIdentity/userAssignedIdentities/a/assign/action", False, True),
        ("Managed Identity Contributor", "Microsoft.ManagedIdentity/userAssignedIdentities/a/assign/action", False, False),
        ("Virtual Machine Contributor", "Microsoft.Compute/virtualMachines/write", False, True),
        ("Key Vault Secrets User", SECRET, True, True),
        ("Key Vault Reader", SECRET, True, False),
        ("Storage Blob Data Reader", "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", True, False),
    ],
)
def test_a_built_in_role_allows_what_its_name_says(role: str, action: str, data: bool, expected: bool) -> None:
    """Of what each built-in role allows, and of what it must not, one action each."""
    assert any(allows(each, action, data=data) for each in NAMED[role].permissions) is expected


@pytest.mark.parametrize(
    ("scope", "target", "expected"),
    [
        ("/", VM, True),
        (f"/providers/Microsoft.Management/managementGroups/{TENANT}", VM, True),
        ("/providers/Microsoft.Management/managementGroups/other", VM, False),
        (SUBSCRIPTION, VM, True),
        (GROUP.lower(), VM.upper(), True),
        (VM, VM, True),
        (VM, GROUP, False),
        (f"{VM}-no", VM, False),
        (VM[:-1], VM, False),
    ],
)
def test_a_role_counts_at_its_scope_and_below(scope: str, target: str, expected: bool) -> None:
    """Root, management group, subscription, group and resource hold for all below them and for nothing beside them."""
    tables = ControlTables.of([RoleAssignment("a1", scope, READER, "p", "ServicePrincipal")])
    book = RoleBook(tables, TENANT)
    assert book.decide(("p",), "Microsoft.Compute/virtualMachines/read", target, data=False) is expected
    assert not book.decide(("q",), "Microsoft.Compute/virtualMachines/read", target, data=False)


def test_roles_add_up() -> None:
    """What one role takes out, another one may allow."""
    contributor = NAMED["Contributor"].name
    pair = [RoleAssignment("a1", "/", contributor, "p", "User"), RoleAssignment("a2", GROUP, OWNER, "p", "User")]
    book = RoleBook(ControlTables.of(pair), TENANT)
    action = "Microsoft.Authorization/roleAssignments/write"
    assert book.decide(("p",), action, VM, data=False)
    assert not book.decide(("p",), action, SUBSCRIPTION, data=False)


@pytest.mark.parametrize("kept", [1, 100])
def test_what_is_asked_again_is_decided_the_same(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that was asked before says what a new one says, whatever it was asked before and however much of it is kept."""
    monkeypatch.setattr(decisions, "DECISIONS_KEPT", kept)
    tables = ControlTables.of([RoleAssignment("a1", GROUP, READER, "p", "User"), RoleAssignment("a2", VM, OWNER, "q", "User")])
    verbs = ("Microsoft.Compute/virtualMachines/read", "Microsoft.Compute/virtualMachines/write", SECRET)
    questions = [(who, verb, scope) for who in (("p",), ("q",), ("p", "q")) for verb in verbs for scope in (SUBSCRIPTION, VM)]
    asked_before = RoleBook(tables, TENANT)
    for _ in range(2):
        for who, verb, scope in questions:
            for data in (False, True):
                fresh = RoleBook(tables, TENANT).decide(who, verb, scope, data=data)
                assert asked_before.decide(who, verb, scope, data=data) is fresh
