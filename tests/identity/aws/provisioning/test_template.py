"""Templates: what is read, refused, ordered and put in place."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.provisioning.template import StackTemplate, TemplateScope, parse_template, resolve

KINDS = {"T": None}
WORDS = (
    "Resources",
    "A",
    "Type",
    "T",
    "Properties",
    "Ref",
    "Fn::Sub",
    "Fn::GetAtt",
    "Fn::Join",
    "DependsOn",
    "Outputs",
    "Value",
)


def parsed(resources: Any, **more: Any) -> StackTemplate:
    return parse_template(json.dumps({"Resources": resources, **more}), KINDS)


def node(**properties: Any) -> dict[str, Any]:
    return {"Type": "T", "Properties": properties}


def test_resources_come_after_what_they_need() -> None:
    """References of every kind and DependsOn decide the order."""
    template = parsed(
        {
            "D": node(x={"Fn::Sub": "${C.Arn}-${AWS::Region}-${!Kept}"}),
            "C": node(x={"Fn::Join": ["-", ["a", {"Ref": "B"}]]}),
            "B": node(x=[{"y": {"Fn::GetAtt": ["A", "Arn"]}}]),
            "A": node(),
            "E": {"Type": "T", "DependsOn": ["D"]},
        }
    )
    assert template.order() == ("A", "B", "C", "D", "E")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "JSON not well-formed"),
        ("[]", "unsupported structure"),
        ('{"Resources": {}}', "At least one Resources member"),
        ('{"Resources": {"A": {}}}', "must contain a Type member"),
        ('{"Resources": {"A": 7}}', "must contain a Type member"),
        ('{"Resources": {"A-b": {"Type": "T"}}}', "non alphanumeric"),
        ('{"Resources": {"A": {"Type": "U"}}}', r"Unrecognized resource types: \[U\]"),
        ('{"Resources": {"A": {"Type": "T", "Properties": []}}}', "Properties must be an object"),
        ('{"Resources": {"A": {"Type": "T", "DependsOn": 7}}}', "DependsOn"),
        ('{"Resources": {"A": {"Type": "T", "Properties": {"x": {"Ref": "B"}}}}}', r"Unresolved resource dependencies \[B\]"),
        ('{"Resources": {"A": {"Type": "T", "Properties": {"x": {"Ref": "A"}}}}}', r"Circular dependency .* \[A\]"),
        ('{"Resources": {"A": {"Type": "T"}}, "Outputs": {"o": {"Value": {"Ref": "B"}}}}', "Outputs block"),
        ('{"Resources": {"A": {"Type": "T"}}, "Parameters": []}', "Parameters must be an object"),
        ('{"Resources": {"A": {"Type": "T", "Properties": {"x": {"Fn::GetAtt": "A"}}}}}', "Fn::GetAtt"),
        ('{"Resources": {"A": {"Type": "T", "Properties": {"x": {"Fn::Sub": 7}}}}}', "Fn::Sub"),
    ],
)
def test_a_template_that_cannot_be_is_refused(text: str, told: str) -> None:
    """ValidationError in the words of the real service."""
    with pytest.raises(AwsError, match=told) as caught:
        parse_template(text, KINDS)
    assert caught.value.code == "ValidationError"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_no_json_at_all_breaks_the_reader(value: Any) -> None:
    """Whatever JSON comes is a template or an AwsError."""
    for text in (json.dumps(value), json.dumps({"Resources": {"A": {"Type": "T", "Properties": {"x": value}}}})):
        with suppress(AwsError):
            parse_template(text, KINDS)


SCOPE = TemplateScope({"AWS::Region": "r", "p": "v"}, {"A": {"Ref": "a", "Arn": "arn:a"}})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "A"}, "a"),
        ({"Ref": "p"}, "v"),
        ({"Fn::GetAtt": "A.Arn"}, "arn:a"),
        ({"Fn::Join": [":", ["x", {"Ref": "p"}]]}, "x:v"),
        ({"Fn::Sub": "${A}/${A.Arn}/${AWS::Region}/${!p}"}, "a/arn:a/r/${p}"),
        ({"Fn::Sub": ["${q}${p}", {"q": {"Ref": "A"}}]}, "av"),
        ({"x": [{"Ref": "p"}, 7, True]}, {"x": ["v", 7, True]}),
        ({"x": {"Ref": "AWS::NoValue"}, "y": [{"Ref": "AWS::NoValue"}]}, {"y": []}),
    ],
)
def test_references_are_put_in_place(value: Any, expected: Any) -> None:
    """Functions become texts, the rest stays, and what has no value is left away."""
    assert resolve(value, SCOPE) == expected


@pytest.mark.parametrize("value", [{"Fn::GetAtt": ["A", "Color"]}, {"Fn::Join": ["x"]}, {"Fn::Join": 7}])
def test_what_cannot_be_put_in_place_is_refused(value: Any) -> None:
    """ValidationError that names the function."""
    with pytest.raises(AwsError, match="Template error: Fn::"):
        resolve(value, SCOPE)
