"""Values of the JSON protocol."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.json_params import reader_of
from brownout.identity.aws.protocol.shapes import ShapeTable

SCALARS = ("string", "integer", "long", "float", "double", "boolean", "timestamp", "blob")
INPUT = ShapeTable(
    {
        **{kind.capitalize(): {"type": kind} for kind in SCALARS},
        "Input": {
            "type": "structure",
            "members": {
                **{kind.capitalize(): {"shape": kind.capitalize()} for kind in SCALARS},
                "List": {"shape": "List"},
                "Map": {"shape": "Map"},
                "Inner": {"shape": "Inner"},
            },
        },
        "Inner": {"type": "structure", "members": {"A": {"shape": "String", "locationName": "a"}}},
        "List": {"type": "list", "member": {"shape": "Integer"}},
        "Map": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Inner"}},
    }
)["Input"]


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("String", "é", "é"),
        ("Integer", 7, 7),
        ("Double", 7, 7),
        ("Double", 0.5, 0.5),
        ("Boolean", False, False),
        ("Timestamp", 1893456000.5, 1893456000.5),
        ("Blob", "AP8=", b"\x00\xff"),
        ("List", [1, 2], (1, 2)),
        ("Map", {"k": {"a": "x", "unknown": 1}}, {"k": {"A": "x"}}),
        ("Inner", {}, {}),
    ],
)
def test_a_value_is_read(name: str, given: Any, value: Any) -> None:
    """Each type in the form of JSON that it has; members that the shape lacks are passed over."""
    assert reader_of(INPUT)({name: given}) == {name: value}


def test_null_is_absent() -> None:
    """A member that is null was not given."""
    assert reader_of(INPUT)({"String": None, "List": None}) == {}


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("String", 1, "NUMBER_VALUE can not be converted to a String"),
        ("String", 1.5, "DECIMAL_VALUE can not be converted to a String"),
        ("String", {}, "Start of structure or map found where not expected."),
        ("String", [], "Start of list found where not expected"),
        ("Integer", "1", "STRING_VALUE can not be converted to an Integer"),
        ("Integer", True, "TRUE_VALUE can not be converted to an Integer"),
        ("Integer", 1.0, "DECIMAL_VALUE can not be converted to an Integer"),
        ("Boolean", 0, "NUMBER_VALUE can not be converted to a Boolean"),
        ("Boolean", "true", "STRING_VALUE can not be converted to a Boolean"),
        ("Timestamp", "2030-01-01", "STRING_VALUE can not be converted to a Timestamp"),
        ("Double", False, "FALSE_VALUE can not be converted to a Double"),
        ("Blob", "!", "Invalid base64 encoded value"),
        ("List", "x", "Expected list or null"),
        ("List", [[1]], "Start of list found where not expected"),
        ("List", [None], "NULL_VALUE can not be converted to an Integer"),
        ("Map", [], "Start of list found where not expected"),
        ("Map", 1, "Expected map or null"),
        ("List", {}, "Start of structure or map found where not expected."),
        ("Inner", "x", "Expected null"),
    ],
)
def test_a_value_of_another_type_is_named(name: str, given: Any, message: str) -> None:
    """What came and what was wanted."""
    with pytest.raises(AwsError) as caught:
        reader_of(INPUT)({name: given})
    assert (caught.value.code, caught.value.message) == ("SerializationException", message)
