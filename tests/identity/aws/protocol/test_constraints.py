"""Constraints, each in the words of the real services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.constraints import MAX_SHOWN, ShapeCheck, check_of, checked, lower_first
from brownout.identity.aws.protocol.services import service
from brownout.identity.aws.protocol.shapes import Shape, ShapeTable

ROLE = "arn:aws:iam::123456789012:role/app"
SESSION = r"[\w+=,.@-]*"
TAG_KEY = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+"
TAG_KEYS = (
    "satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than"
    f" or equal to 1, Member must satisfy regular expression pattern: {TAG_KEY}]"
)
BASE: Mapping[str, Mapping[str, Any]] = {
    "AssumeRole": {"RoleArn": ROLE, "RoleSessionName": "session"},
    "UpdateAccessKey": {"AccessKeyId": "AKIA" + "A" * 16, "Status": "Active"},
    "CreateUser": {"UserName": "u"},
    "ListUsers": {},
}


def told(name: str, given: Mapping[str, Any]) -> str:
    """The message for an operation's parameters in place of or beside good ones, "" for no violation."""
    made_by = service("sts") if name == "AssumeRole" else service("iam")
    operation = made_by.operation(name)
    assert operation is not None
    params = {key: value for key, value in {**BASE[name], **given}.items() if value is not None}
    return told_of(params, operation.check)


def told_of(params: Mapping[str, Any], check: ShapeCheck | None) -> str:
    try:
        checked(params, check)
    except AwsError as error:
        return error.message
    return ""


def shape_of(model: Mapping[str, Any]) -> Shape:
    """The shape `Input` of a small model."""
    return ShapeTable({"Text": {"type": "string", "min": 2}, **model})["Input"]


LONG = "x" * 65
PATTERN = "satisfy regular expression pattern"
ONE: list[tuple[str, Mapping[str, Any], str, str]] = [
    ("AssumeRole", {"RoleArn": None}, " null at 'roleArn'", "not be null"),
    ("AssumeRole", {"RoleArn": "x"}, " 'x' at 'roleArn'", "have length greater than or equal to 20"),
    (
        "AssumeRole",
        {"RoleSessionName": "x" * 65},
        f" '{'x' * 65}' at 'roleSessionName'",
        "have length less than or equal to 64",
    ),
    ("AssumeRole", {"RoleSessionName": "a b"}, " 'a b' at 'roleSessionName'", f"{PATTERN}: {SESSION}"),
    ("AssumeRole", {"DurationSeconds": 899}, " 899 at 'durationSeconds'", "have value greater than or equal to 900"),
    ("AssumeRole", {"DurationSeconds": 43201}, " 43201 at 'durationSeconds'", "have value less than or equal to 43200"),
    ("AssumeRole", {"TransitiveTagKeys": ("a", "x!")}, " '[a, x!]' at 'transitiveTagKeys'", TAG_KEYS),
    ("AssumeRole", {"Tags": ({"Key": "a", "Value": ""}, {"Key": "c"})}, " null at 'tags.2.member.value'", "not be null"),
    ("AssumeRole", {"Tags": ({"Key": "a!", "Value": ""},)}, " 'a!' at 'tags.1.member.key'", f"{PATTERN}: {TAG_KEY}"),
    ("UpdateAccessKey", {"Status": "active"}, " at 'status'", "satisfy enum value set: [Active, Inactive, Expired]"),
    ("UpdateAccessKey", {"Status": None}, " at 'status'", "not be null"),
    ("ListUsers", {"MaxItems": 0}, " at 'maxItems'", "have value greater than or equal to 1"),
    ("CreateUser", {"Tags": ({"Key": "a", "Value": "\u2014"},)}, " at 'tags.1.member.value'", f"{PATTERN}: {TAG_KEY[:-1]}*"),
]


@pytest.mark.parametrize(("name", "given", "place", "words"), ONE)
def test_a_violation_is_told_in_the_services_words(name: str, given: Mapping[str, Any], place: str, words: str) -> None:
    """Value, place and constraint of one violation, for each kind of constraint. IAM does not show the value."""
    assert told(name, given) == f"1 validation error detected: Value{place} failed to satisfy constraint: Member must {words}"


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("AssumeRole", {"DurationSeconds": 900, "RoleSessionName": "ab"}),
        ("AssumeRole", {"DurationSeconds": 43200, "RoleSessionName": "x" * 64, "TransitiveTagKeys": ("ä" * 128,)}),
        ("ListUsers", {"MaxItems": 1000}),
        ("CreateUser", {"Tags": tuple({"Key": f"k{number}", "Value": ""} for number in range(50))}),
    ],
)
def test_values_at_the_bounds_are_good(name: str, given: Mapping[str, Any]) -> None:
    """Bounds are part of what they bound."""
    assert told(name, given) == ""


def test_every_violation_is_told_in_the_models_order() -> None:
    """Several parameters, and several constraints of one, are one message that counts them."""
    message = told("AssumeRole", {"RoleArn": None, "RoleSessionName": "!", "DurationSeconds": 1})
    assert message.startswith("4 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: ")
    assert [part.split(" at ")[0] for part in message.split(": ", 1)[1].split("; ")] == [
        "Value null",
        "Value '!'",
        "Value '!'",
        "Value 1",
    ]
    assert message.index("Member must have length") < message.index("Member must satisfy regular")


def test_a_list_that_is_too_long_is_shown_as_the_services_show_it() -> None:
    """A structure in a list is quoted by its name and members."""
    model = {
        "Input": {"type": "structure", "members": {"Tags": {"shape": "Tags"}}},
        "Tags": {"type": "list", "max": 1, "member": {"shape": "Tag"}},
        "Tag": {"type": "structure", "members": {"Key": {"shape": "Any"}, "On": {"shape": "Flag"}, "Data": {"shape": "Data"}}},
        "Any": {"type": "string"},
        "Flag": {"type": "boolean"},
        "Data": {"type": "blob"},
    }
    params = {"Tags": ({"Key": "a", "On": True}, {"On": False, "Data": b"xyz"})}
    assert told_of(params, check_of(shape_of(model))) == (
        "1 validation error detected: Value '[Tag(key=a, on=true), Tag(on=false, data=3 bytes)]' at 'tags' failed to satisfy"
        " constraint: Member must have length less than or equal to 1"
    )


def test_maps_are_judged_by_keys_values_and_entries() -> None:
    """Keys and scalar values are judged with the map, a structure in a map has a place of its own."""
    model = {
        "Input": {"type": "structure", "members": {"Plain": {"shape": "Plain"}, "Deep": {"shape": "Deep"}}},
        "Plain": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}, "max": 1},
        "Deep": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Entry"}},
        "Entry": {"type": "structure", "members": {"Name": {"shape": "Text"}}, "required": ["Name"]},
    }
    check = check_of(shape_of(model))
    least = "Member must have length greater than or equal to 2"
    assert told_of({"Plain": {"k": "vv"}}, check).endswith(
        f"Value '{{k=vv}}' at 'plain' failed to satisfy constraint: Map keys must satisfy constraint: [{least}]"
    )
    assert told_of({"Plain": {"kk": "v"}}, check).endswith(f"Map value must satisfy constraint: [{least}]")
    assert told_of({"Plain": {"kk": "vv", "ll": "ww"}}, check).endswith("Member must have length less than or equal to 1")
    assert told_of({"Deep": {"kk": {}}}, check).endswith(
        "Value null at 'deep.kk.member.name' failed to satisfy constraint: Member must not be null"
    )
    assert told_of({"Plain": {"kk": "vv"}, "Deep": {"kk": {"Name": "nn"}}}, check) == ""


def test_violations_are_validation_errors() -> None:
    """The code and the status are those of the query protocol, whatever was violated."""
    with pytest.raises(AwsError) as caught:
        checked(
            {}, check_of(shape_of({"Input": {"type": "structure", "members": {"T": {"shape": "Text"}}, "required": ["T"]}}))
        )
    assert (caught.value.code, caught.value.status) == ("ValidationError", 400)


def test_lists_of_lists_have_places_too() -> None:
    """An element that is a list is judged by itself."""
    model = {
        "Input": {"type": "structure", "members": {"Rows": {"shape": "Rows"}}},
        "Rows": {"type": "list", "member": {"shape": "Row"}},
        "Row": {"type": "list", "member": {"shape": "Text"}, "min": 1},
    }
    check = check_of(shape_of(model))
    assert told_of({"Rows": (("aa",), ())}, check).startswith(
        "1 validation error detected: Value '[]' at 'rows.2.member' failed"
    )


def test_a_shape_without_constraints_has_no_check() -> None:
    """What allows everything costs nothing."""
    model = {
        "Input": {"type": "structure", "members": {"A": {"shape": "Any"}, "B": {"shape": "Many"}, "C": {"shape": "Map"}}},
        "Any": {"type": "string"},
        "Many": {"type": "list", "member": {"shape": "Any"}},
        "Map": {"type": "map", "key": {"shape": "Any"}, "value": {"shape": "Any"}},
    }
    assert check_of(shape_of(model)) is None


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("made_by", "name", "member", "value"),
    [
        ("iam", "CreateLoginProfile", "Password", SECRET * 10),
        ("iam", "UploadServerCertificate", "PrivateKey", SECRET + "€"),
        ("sts", "AssumeRoleWithWebIdentity", "WebIdentityToken", SECRET * 2000),
        ("sts", "AssumeRoleWithSAML", "SAMLAssertion", SECRET * 10_000),
        ("secretsmanager", "CreateSecret", "SecretString", SECRET * 10_000),
        ("secretsmanager", "CreateSecret", "SecretBinary", SECRET.encode() * 10_000),
    ],
)
def test_a_sensitive_value_is_not_echoed(made_by: str, name: str, member: str, value: str | bytes) -> None:
    """A message names the place of a secret that breaks a constraint, and shows nothing of it."""
    operation = service(made_by).operation(name)
    assert operation is not None
    message = told_of({member: value}, operation.check)
    assert f"Value at '{lower_first(member)}' failed to satisfy constraint: Member must" in message
    assert SECRET[:7] not in message


def test_a_secret_inside_a_list_or_structure_is_not_echoed() -> None:
    """What holds a sensitive value is sensitive."""
    model = {
        "Input": {"type": "structure", "members": {"Keys": {"shape": "Keys"}, "Pairs": {"shape": "Pairs"}}},
        "Keys": {"type": "list", "max": 0, "member": {"shape": "Secret"}},
        "Pairs": {"type": "list", "max": 0, "member": {"shape": "Pair"}},
        "Pair": {"type": "structure", "members": {"Name": {"shape": "Text"}, "Secret": {"shape": "Secret"}}},
        "Secret": {"type": "string", "sensitive": True},
    }
    message = told_of({"Keys": (SECRET,), "Pairs": ({"Name": "nn", "Secret": SECRET},)}, check_of(shape_of(model)))
    assert message.startswith("2 validation errors detected: Value at 'keys' failed")
    assert SECRET not in message


def test_a_very_long_value_is_cut() -> None:
    """The message of a value as long as a request is no longer than a few pages."""
    message = told("AssumeRole", {"RoleArn": "x" * 5_000_000})
    assert len(message) < MAX_SHOWN + 500
    assert "xxx...' at 'roleArn'" in message
