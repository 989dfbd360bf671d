"""Records whose JSON form is made from their fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from brownout.identity import formed
from brownout.identity.formed import FormedRecord, make_forms


@dataclass(frozen=True, slots=True)
class Inner(FormedRecord):
    """A record within a record."""

    text: str


@dataclass(frozen=True, slots=True)
class Outer(FormedRecord):
    """A record with a field of each kind."""

    raw: bytes
    inner: Inner | None
    many: tuple[Inner, ...]
    named: Mapping[str, int]
    late: float = 0.5


WHOLE = Outer(b"\x00\xff", Inner("a"), (Inner("b"), Inner("c")), {"n": 1}, 2.0)


def test_a_record_is_the_same_after_its_way_through_json() -> None:
    """Every kind of field comes back as what it was."""
    assert Outer.from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE


def test_forms_made_ahead_are_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """No annotation is read once the forms of all kinds have been made, so processes forked then share them."""
    make_forms()
    monkeypatch.delattr(formed, "get_type_hints")
    assert Outer.from_json(WHOLE.to_json()) == WHOLE


def test_a_field_that_a_writer_did_not_know_has_its_default() -> None:
    """Records outlive versions: what is missing is default where there is one, and what is unknown is ignored."""
    raw = {name: value for name, value in WHOLE.to_json().items() if name != "late"} | {"newer": 1}
    assert Outer.from_json(raw).late == 0.5
    with pytest.raises(KeyError):
        Outer.from_json({"late": 1})
