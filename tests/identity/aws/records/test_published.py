"""A region's account goes through its JSON form, and inside one process it is the same object."""

from __future__ import annotations

import json

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.records.published import PUBLISHED, PublishedAccount, PublishedKey
from brownout.identity.aws.records.seed import account_of, initial_account
from brownout.identity.core.messages import encode_json

STACK = build_stack(seed=3)


def published() -> PublishedAccount:
    tables = initial_account(STACK).with_changes(
        {PublishedKey: {"AKIA": PublishedKey("AKIA", "admin", 100, {"us-east-1": bytes(range(64))})}}
    )
    return PublishedAccount(account_of(STACK), "sydney", 7, ("line",), tables.only(PUBLISHED))


def test_an_account_comes_back_from_its_json_form() -> None:
    """What is read from the JSON text has the same records, version and lines."""
    before = published()
    after = PublishedAccount.from_json(json.loads(encode_json(before.to_json())))
    assert (after.account_id, after.region, after.version, after.lines) == (before.account_id, "sydney", 7, ("line",))
    for kind in PUBLISHED:
        assert after.tables.table(kind) == before.tables.table(kind)
    assert after.settings == before.settings
    assert after.users["admin"].name == "admin"


def test_inside_one_process_the_account_itself_travels() -> None:
    """Reading a form that was not encoded costs nothing: it gives the very account."""
    before = published()
    assert PublishedAccount.from_json(before.to_json()) is before


def test_a_form_is_a_mapping() -> None:
    """The form can be looked into like any other JSON object, which changes nothing about it."""
    form = published().to_json()
    assert form["version"] == 7
    assert set(form) == {"account_id", "region", "version", "lines", "records"}
    assert len(form) == 5


def test_what_authentication_asks_for_is_found() -> None:
    """Keys are found by id, users by name in any case, and nothing by another name."""
    account = published()
    key = account.access_key("AKIA")
    assert key is not None
    assert key.region_keys["us-east-1"]
    user = account.user("ADMIN")
    assert user is not None
    assert user.name == "admin"
    assert (account.access_key("AKIB"), account.sealing_key("k"), account.user("nobody")) == (None, None, None)


def test_kinds_without_records_are_empty() -> None:
    """Every table of an account can be asked for, whether or not it has rows."""
    account = published()
    for table in (account.groups, account.policies, account.saml_providers, account.logins, account.mfa_devices):
        assert len(table) == 0
    assert len(account.mfa_seeds) == len(account.sealing_keys) == 0
    assert account.roles["app"].trust
    assert account.instance_profiles["web"].role_name == "web"
    assert len(account.oidc_providers) == len(account.access_keys) == 1
