"""Shapes as models state them."""

from __future__ import annotations

import pytest

from brownout.identity.aws.protocol.shapes import ShapeTable
from support.aws_forms import MODEL


def test_a_shape_that_contains_itself_is_refused() -> None:
    """Shapes are finite trees, which is asserted and not assumed."""
    shapes = ShapeTable({"A": {"type": "list", "member": {"shape": "B"}}, "B": {"type": "list", "member": {"shape": "A"}}})
    with pytest.raises(AssertionError, match="contains itself"):
        shapes["A"]


def test_a_shape_is_made_once() -> None:
    """Two members of one shape share it."""
    shapes = ShapeTable(MODEL)
    assert shapes["Names"].element is shapes["String"]
    with pytest.raises(KeyError):
        shapes["Nothing"]


def test_names_on_the_wire_are_those_of_the_model() -> None:
    """A member's own name, the one that the model gives instead, and that of a flattened list's elements."""
    wires = {member.name: member.wire for member in ShapeTable(MODEL)["Input"].members}
    assert (wires["String"], wires["Renamed"], wires["Flat"], wires["FlatNamed"]) == ("String", "other-name", "Flat", "Item")


def test_values_may_be_hidden() -> None:
    """Of shapes that the model calls sensitive, or of all."""
    model = {"Plain": {"type": "string"}, "Secret": {"type": "string", "sensitive": True}}
    some, all_of_them = ShapeTable(model), ShapeTable(model, hides_values=True)
    assert [some[name].hidden for name in model] == [False, True]
    assert [all_of_them[name].hidden for name in model] == [True, True]
