"""Values of the query protocol, scalar by scalar and list by list."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.forms import fields_of, tree_of
from brownout.identity.aws.protocol.query_params import reader_of
from brownout.identity.aws.protocol.services import service
from support.aws_forms import EVERY_FORM, ORACLE, VALUES
from support.aws_requests import query_call, refused, sent

INPUT = EVERY_FORM
STS, IAM = service("sts"), service("iam")


@pytest.mark.parametrize("name", VALUES)
def test_every_form_of_the_protocol_is_read_as_botocore_sends_it(name: str) -> None:
    """Scalars, lists, maps; named, flattened, nested. `ShapeTable` gives each its names on the wire."""
    read = reader_of(INPUT)(tree_of(fields_of(sent(ORACLE, "Do", {name: VALUES[name]}))))
    expected = {name: VALUES[name]}
    assert plain(read) == expected


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return {key: plain(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Integer", "+7", 7),
        ("Integer", "-2147483648", -(2**31)),
        ("Integer", "007", 7),
        ("Long", "9223372036854775807", 2**63 - 1),
        ("Float", "1e3", 1000.0),
        ("Boolean", "1", True),
        ("Boolean", "0", False),
        ("Timestamp", "2030-01-01T00:00:00.5Z", 1893456000.5),
        ("Timestamp", "2030-01-01T02:00:00+02:00", 1893456000.0),
        ("Timestamp", "2030-01-01", 1893456000.0),
        ("Blob", "", b""),
        ("String", "", ""),
    ],
)
def test_a_scalar_has_every_spelling_that_is_sound(name: str, text: str, value: object) -> None:
    """Signs, leading zeros, digits for booleans, offsets of times."""
    assert reader_of(INPUT)({name: text}) == {name: value}


INTEGER, BOOLEAN, TIME = (
    "missing value for decimal type",
    "boolean must follow xsd1.1 definition",
    "timestamp must follow ISO8601",
)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Integer", "", INTEGER),
        *(("Integer", text, "") for text in ("x", "1.0", "1e3", " 1", "1_0", "١", "2147483648", "9" * 5000, "0x1")),
        *(("Long", text, "") for text in ("9223372036854775808", "-")),
        ("Double", "", INTEGER),
        *(("Double", text, "") for text in ("nan", "inf", "x")),
        ("Boolean", "", "missing value for boolean type"),
        *(("Boolean", text, BOOLEAN) for text in ("True", "FALSE", "yes", "2", " true")),
        *(("Timestamp", text, TIME) for text in ("", "now", "2030-13-01T00:00:00Z", "99999-01-01T00:00:00Z")),
        *(("Blob", text, "") for text in ("a", "a===", "é", "!!!!")),
    ],
)
def test_what_is_no_value_of_its_type_is_malformed(name: str, text: str, message: str) -> None:
    """Nothing is guessed and nothing overflows; the words are those of the real services where they say any."""
    with pytest.raises(AwsError) as caught:
        reader_of(INPUT)({name: text})
    assert (caught.value.code, caught.value.status, caught.value.message) == ("MalformedInput", 400, message)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Tags": "x"}, "Unexpected list element termination"),
        ({"Tags.1.Key": "a"}, "Unexpected list element termination"),
        ({"Tags.member": "x"}, "Unexpected list element termination"),
        ({"Tags.entry.1.Key": "a"}, "Unexpected list element termination"),
        ({"Tags.member.1.Key": "a", "Tags.other.1.Key": "b"}, "Unexpected list element termination"),
        ({"Tags.member.0.Key": "a"}, "0 is not a valid index"),
        ({"Tags.member.01.Key": "a"}, "Value found where not expected"),
        ({"Tags.member.x.Key": "a"}, "Start of list found where not expected"),
        ({"Tags.member.-1.Key": "a"}, "Start of list found where not expected"),
        ({"Tags.member.١.Key": "a"}, "Start of list found where not expected"),
        ({"Tags.member..Key": "a"}, "Start of list found where not expected"),
        ({"Tags.member.214748370.Key": "a"}, "Index 214748370 is illegal"),
        ({f"Tags.member.{'9' * 9999}.Key": "a"}, f"Index {'9' * 9999} is illegal"),
        ({"Tags.member.1500.Key": "a"}, "Excessively sparse input would skip 1,499 list elements"),
        ({"Tags.member.1.Key": "a", "Tags.member.12.Key": "b"}, "Excessively sparse input would skip 11 list elements"),
        ({"Tags.member.1": "a"}, "Unexpected complex element termination"),
        ({"Tags.member.1.Key.member.1": "a"}, "Start of structure or map found where not expected."),
        ({"RoleArn.member.1": "a"}, "Start of structure or map found where not expected."),
    ],
)
def test_a_malformed_list_or_structure_is_refused(params: dict[str, str], message: str) -> None:
    """Numbers begin with one and have no other form; a list is no value and a value no list."""
    error = refused(STS, query_call(STS, "AssumeRole", params))
    assert (error.code, error.message) == ("MalformedInput", message)


@pytest.mark.parametrize("params", [{"Map": "x"}, {"Map.entry.1": "x"}, {"Map.entry.1.value": "1"}, {"Map.entry.k.key": "k"}])
def test_a_malformed_map_is_refused(params: dict[str, str]) -> None:
    """An entry is numbered and has a key."""
    with pytest.raises(AwsError) as caught:
        reader_of(INPUT)(tree_of(params))
    assert caught.value.code == "MalformedInput"


def test_of_several_malformed_parameters_the_first_of_the_model_is_named() -> None:
    """In whatever order they come."""
    given = {"DurationSeconds": "x", "Tags.member.1": "a", "RoleArn.member.1": "a"}
    for params in (given, dict(reversed(given.items()))):
        error = refused(STS, query_call(STS, "AssumeRole", params))
        assert (error.code, error.message) == ("MalformedInput", "Start of structure or map found where not expected.")


def test_a_list_is_in_the_order_of_its_numbers() -> None:
    """Ten comes after nine."""
    given = {f"Names.Name.{number}": str(number) for number in (10, 2, 9, 1, 3, 4, 8, 7, 6, 5, 11)}
    assert reader_of(INPUT)(tree_of(given)) == {"Names": tuple(map(str, range(1, 12)))}


def test_what_a_list_leaves_out_is_empty() -> None:
    """Up to ten elements in one place, which constraints may then refuse."""
    given = {"Names.Name.3": "c", "Names.Name.13": "m", "Rows.member.2.a": "x"}
    read = reader_of(INPUT)(tree_of(given))
    assert read == {"Names": ("", "", "c", *[""] * 9, "m"), "Rows": ({}, {"A": "x"})}
    error = refused(IAM, query_call(IAM, "CreateUser", {"UserName": "u", "Tags.member.2.Key": "k", "Tags.member.2.Value": "v"}))
    assert error.message.startswith("2 validation errors detected: Value at 'tags.1.member.key' failed to satisfy constraint: ")


@pytest.mark.parametrize("given", [{"Names": ""}, {"Names.Name": ""}, {"Flat": ""}])
def test_an_empty_value_is_an_empty_list(given: dict[str, str]) -> None:
    """As botocore sends one."""
    (name,) = reader_of(INPUT)(tree_of(given)).items()
    assert name[1] == ()
