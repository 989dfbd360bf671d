"""Records of the account go through their JSON form and come back the same."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from brownout.identity.aws.records.delegation import Approver, PolicyParameter
from brownout.identity.aws.records.kinds import KINDS
from brownout.identity.aws.records.policies import PolicyVersion
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.published import PUBLISHED, PublishedKey, PublishedLogin
from brownout.identity.aws.records.record import AccountRecord
from brownout.identity.aws.records.settings import AccountSettings, PasswordPolicy, SealingKey

ALL_KINDS = sorted({*KINDS, *PUBLISHED}, key=lambda kind: kind.KIND)
SAMPLES: dict[str, Any] = {
    "str": "text",
    "float": 1.5,
    "int": 3,
    "bool": True,
    "bytes": b"\x00\xff",
    "Mapping[str, float]": {"k": 2.5},
    "Mapping[str, bytes]": {"ap-southeast-2": b"key"},
    "Mapping[str, str]": {"one": "1", "b": "two"},
    "tuple[str, ...]": ("a", "b"),
    "tuple[PolicyVersion, ...]": (PolicyVersion("v1", "{}", 2.5), PolicyVersion("v2", "[]", 3.0)),
    "tuple[PolicyParameter, ...]": (PolicyParameter("one", ("a", "b"), is_list=True), PolicyParameter("two", ("c",))),
    "Approver | None": Approver("arn", "role", "arn:p", "AROA", "s", ("{}",), ("arn:q",), ("scope",), {"k": "v"}, "me"),
    "PublishedKey": PublishedKey("AKIA", "u", 1, {"r": b"k"}),
    "PublishedLogin": PublishedLogin("U", b"s", b"d", 1),
    "PasswordPolicy | None": PasswordPolicy(minimum_length=9),
}


def sample(kind: type[AccountRecord]) -> AccountRecord:
    """A record whose every field has another value than its default."""
    return kind(**{field.name: SAMPLES[str(field.type)] for field in fields(kind)})


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: str(kind.KIND))
def test_a_record_comes_back_from_its_json_form(kind: type[AccountRecord]) -> None:
    """Every kind of record survives JSON text with every field set, and has a key."""
    made = sample(kind)
    assert kind.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert isinstance(made.table_key, str)


def test_unknown_fields_are_ignored_and_missing_ones_have_defaults() -> None:
    """Records of newer and of older writers can be read."""
    raw = {"name": "Bob", "user_id": "AIDA", "arn": "a", "created_s": 1, "invented": [1]}
    assert User.from_json(raw) == User("Bob", "AIDA", "a", 1.0)


@pytest.mark.parametrize("raw", [{}, {"name": "x"}, {"name": "x", "user_id": "i", "arn": "a", "created_s": "never"}])
def test_what_is_no_record_is_refused(raw: dict[str, Any]) -> None:
    """A missing field or a value of the wrong form raises one of the documented exceptions."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        User.from_json(raw)


def test_nothing_may_stand_for_a_record() -> None:
    """A field that may be empty comes back empty."""
    assert AccountSettings.from_json(AccountSettings().to_json()).password_policy is None


def test_secret_material_is_not_printed() -> None:
    """The text of a record that holds a key does not show it."""
    assert "hush" not in repr(SealingKey("k", b"hush", 0, 1, 2))


def test_kinds_have_names_of_their_own() -> None:
    """No two kinds share a name, for the name is where they stand on the disk."""
    assert len({kind.KIND for kind in ALL_KINDS}) == len(ALL_KINDS)
