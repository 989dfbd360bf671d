"""Documents that are read, and the words in which IAM refuses others. Any text gives a document or that error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brownout.identity.aws.policy.document import ACTIONS_REMEMBERED, PolicyKind
from brownout.identity.aws.policy.parse import parse_document
from support.aws_policies import allow, deny, document, policy_text, refusal, request

SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
OLD = "Policy document must be version 2012-10-17 or greater."
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
REGEX = "Resource vendor must be fully qualified and cannot contain regexes."
PATHS = (
    'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/,'
    " server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/."
)
BUCKET = "arn:aws:s3:::bucket"
KINDS: tuple[PolicyKind, ...] = ("identity", "managed", "boundary", "session", "resource", "trust")


def whole(statement: Any = None, **more: Any) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": allow(resource=BUCKET) if statement is None else statement, **more}
    )


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "This is no JSON",
            "[]",
            "null",
            '"x"',
            "1",
            "{}",
            "NaN",
            '{"Statement": [NaN]}',
            "[" * 100_000,
            '{"a":' * 100_000,
        ),
        *(whole(Extra=1), whole(Id=[]), whole(Id={}), whole(Id=None), whole(version="2012-10-17")),
        *(whole([]), whole("x"), whole(["x"]), whole([[]]), whole([None]), json.dumps({"Version": "2012-10-17"})),
        *(json.dumps({"Version": version, "Statement": allow()}) for version in ("2013-10-17", "", None, 2012, ["2012-10-17"])),
        *(whole({**allow(), name: 1}) for name in ("Extra", "action", "Sid", "Condition", "Resource", "Action")),
        *(whole({**allow(), "Effect": effect}) for effect in ("", "Permit", 1, None, ["Allow"])),
        *(whole({**allow(), "Action": action}) for action in ({}, [[]], [{}], None, ["s3:Get", 1])),
        *(whole({**allow(), "Resource": resource}) for resource in ({"a": BUCKET}, [BUCKET, {}], None)),
        *(whole({**allow(), name: value}) for name in ("NotAction", "NotResource") for value in ("s3:*", [])),
        *(whole({**allow(), "Condition": condition}) for condition in ([], "a", {"a": "b"}, [{"StringEquals": {"a": "b"}}])),
        *(whole({**allow(), "Condition": {"StringEquals": value}}) for value in ("b", [], None, {"a": {}}, {"a": None})),
        *(whole({**allow(), "Condition": {name: {"a": "1"}}}) for name in ("x", "ForAnyValue::StringEquals", "NullIfExists")),
        *(whole({**allow(), "Condition": {"NumericEquals": {"a": value}}}) for value in ([[]], [None], {})),
        '{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}',
        whole().replace('"Effect": "Allow"', '"Effect": "Allow", "Effect": "Allow"'),
        whole({**allow(), "Principal": {"Person": "me"}}),
        whole({**allow(), "Condition": {"NumericEquals": {"a": "X"}}}).replace('"X"', "1e999"),
        whole({**allow(), "Condition": {"NumericEquals": {"a": "X"}}}).replace('"X"', "9" * 5000),
    ],
    ids=lambda text: ascii(text)[:50],
)
def test_what_the_grammar_does_not_know(text: str) -> None:
    """No JSON, unknown elements, wrong types, two of a pair, names that stand twice: a syntax error."""
    assert refusal(text) == SYNTAX


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({**allow(), "Effect": "allow"}, LEGACY),
        ({**allow(), "Effect": "denY"}, LEGACY),
        ({**allow(), "Condition": {"DateGreaterThan": {"a": "tomorrow"}}}, LEGACY),
        ({**allow(), "Condition": {"ForAnyValue:DateLessThanIfExists": {"a": ["2030", "234-13"]}}}, LEGACY),
        ({"Effect": "Allow", "Condition": {"DateGreaterThan": {"a": "tomorrow"}}}, LEGACY),
        (allow(resource="arn:aws:s3::bucket"), LEGACY),
        ({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3::bucket"}, LEGACY),
        (allow(resource="arn:aws::bucket"), LEGACY),
        (allow(resource="arn:aws::::bucket"), LEGACY),
        (allow(resource=[BUCKET, "arn:aws:s3::bucket"]), LEGACY),
        ({"Effect": "Allow", "Resource": "arn:aws:s3::bucket"}, LEGACY),
        ([allow(Sid="a"), allow(resource="arn:aws:s3::bucket", Sid="a")], LEGACY),
        ([allow(Sid="a"), deny(Sid="a")], "Statement IDs (SID) in a single policy must be unique."),
        ([allow(Sid="a"), {"Sid": "a", "Effect": "Allow"}], "Statement IDs (SID) in a single policy must be unique."),
        ({"Effect": "Allow", "Resource": BUCKET}, "Policy statement must contain actions."),
        ({"Effect": "Allow"}, "Policy statement must contain actions."),
        (allow([]), "Policy statement must contain actions."),
        ([{"Effect": "Deny"}, allow()], "Policy statement must contain actions."),
        ({"Effect": "Allow", "Action": "s3:*"}, "Policy statement must contain resources."),
        ({"Effect": "Allow", "NotAction": "bad"}, "Policy statement must contain resources."),
        (allow(resource=[]), "Policy statement must contain resources."),
        (allow(resource="bucket"), 'Resource bucket must be in ARN format or "*".'),
        (allow(resource=""), 'Resource  must be in ARN format or "*".'),
        (allow(resource=[BUCKET, "bucket"]), 'Resource bucket must be in ARN format or "*".'),
        ([allow(resource="one"), allow("bad", "two")], 'Resource one must be in ARN format or "*".'),
        (allow(resource="a:b"), 'Partition "b" is not valid for resource "arn:b:*:*:*:*".'),
        (allow(resource="a:b:"), 'Partition "b" is not valid for resource "arn:b:*:*:*:*".'),
        (allow(resource="a:b:c"), 'Partition "b" is not valid for resource "arn:b:c:*:*:*".'),
        (allow(resource="a:b:c:d:e:f:g"), 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g".'),
        (allow(resource="aws:s3:::bucket"), 'Partition "s3" is not valid for resource "arn:s3:::bucket:*".'),
        (allow(resource="arn:aws-cn:s3:::b"), 'Partition "aws-cn" is not valid for resource "arn:aws-cn:s3:::b".'),
        (allow(resource=["arn:x:s3:::b", "arn:x:s3::b"]), 'Partition "x" is not valid for resource "arn:x:s3:::b".'),
        (allow(resource="arn:aws"), REGEX),
        (allow(resource="arn:aws:*:*:*:*x*"), REGEX),
        (allow(resource="arn:aws:s?:::b"), REGEX),
        (allow(resource="arn:aws:iam:::bucket"), PATHS),
        (allow(resource="arn:aws:iam::1:people/x"), PATHS),
        (
            allow(resource="arn:aws:iam:us-east-1::x"),
            "IAM resource arn:aws:iam:us-east-1::x cannot contain region information.",
        ),
        (allow(resource="arn:aws:s3:eu-west-1::b"), "Resource arn:aws:s3:eu-west-1::b can not contain region information."),
        (allow("invalid"), VENDOR),
        (allow(""), VENDOR),
        ({"Effect": "Allow", "NotAction": "", "Resource": BUCKET}, VENDOR),
        (allow(["s3:*", "s3*"]), VENDOR),
        (allow("a a:Get"), "Vendor a a is not valid"),
        (allow("s3*:Get"), "Vendor s3* is not valid"),
        (allow("s3:List:Bucket"), "Actions/Condition can contain only one colon."),
        ([allow("s3:Get"), allow("s:3:Get")], "Actions/Condition can contain only one colon."),
        (allow(Principal="*"), "Policy document should not specify a principal."),
        (allow(NotPrincipal={"AWS": "*"}), "Policy document should not specify a principal."),
    ],
)
def test_what_iam_says(statement: Any, message: str) -> None:
    """Each fault in IAM's words; of several the first in IAM's order."""
    assert refusal(whole(statement)) == message
    assert refusal(whole(statement), "identity") == message


@pytest.mark.parametrize(
    "statement",
    [
        allow(),
        [allow(), deny()],
        allow("iam: any thing "),
        allow(["s3:*", "*"], [BUCKET, "*"]),
        allow("s3-x.y:Get"),
        allow(resource="arn:aws:anything"),
        allow(resource="arn:aws:nosuch:eu-west-1::x"),
        allow(resource="arn:*:s3:::b"),
        allow(resource="arn:aws:s3:eu-west-1:123456789012:accesspoint/x"),
        allow(resource=["arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:*", "arn:aws:iam::1:root"]),
        {"Effect": "Deny", "NotAction": ["s3:Get*"], "NotResource": "*"},
        [allow(Sid="a"), allow(Sid="b"), allow(Sid=""), allow(Sid=""), allow()],
        allow(Condition={}),
        allow(Condition={"DateGreaterThan": {}}),
        allow(Condition={"DateGreaterThan": {"a": []}}),
        allow(Condition={"anything": {}}),
        allow(Condition={"StringEquals": {"a": ["x", 1, 2.5, True]}, "ForAnyValue:StringLikeIfExists": {"b": "*"}}),
        allow(Condition={"DateLessThan": {"a": "01T"}, "DateEquals": {"b": "-292275054"}}),
        allow(Condition={"DateLessThan": {"a": "2016-12-13t2:00:00.593194+23"}}),
    ],
)
def test_what_is_a_document(statement: Any) -> None:
    """Documents that IAM takes, some of them odd."""
    assert refusal(whole(statement)) == ""
    assert refusal(whole(statement), "session") == ""


@pytest.mark.parametrize(
    ("kind", "message"), [("managed", OLD), ("boundary", OLD), ("identity", ""), ("session", ""), ("trust", "Unknown field x")]
)
def test_managed_policies_need_the_newer_version(kind: PolicyKind, message: str) -> None:
    """Managed policies of the older version are refused, after syntax and before anything else."""
    for version in ("", "2008-10-17"):
        text = policy_text(allow() if kind != "trust" else {"x": 1}, version=version)
        assert refusal(text, kind) == message
    assert refusal(policy_text({**allow(), "Effect": "allow"}, version=""), "managed") == OLD
    assert refusal(policy_text({**allow(), "Extra": 1}, version=""), "managed") == SYNTAX


def test_documents_are_remembered() -> None:
    """The same text of the same kind is the same object."""
    text = whole()
    assert parse_document(text, "identity") is parse_document(text, "identity")
    assert parse_document(text, "identity") is not parse_document(text, "managed")


def test_a_document_says_what_was_written() -> None:
    """Text, version, id and the statements' ids and effects are there as written."""
    text = whole([allow(Sid="first"), deny()], Id="mine")
    found = parse_document(text, "identity")
    assert (found.text, found.version, found.id, found.kind) == (text, "2012-10-17", "mine", "identity")
    assert [(each.index, each.sid, each.effect) for each in found.statements] == [(0, "first", "Allow"), (1, "", "Deny")]


def test_a_document_remembers_so_many_actions() -> None:
    """Asking for ever new actions does not grow a document without bound, and answers stay right."""
    found = document(allow("s3:Get*"))
    for number in range(3 * ACTIONS_REMEMBERED):
        assert len(found.statements_for(f"s3:get{number}")) == 1
        assert len(found.statements_for(f"s3:put{number}")) == 0
    assert len(found._by_action) <= ACTIONS_REMEMBERED


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["*", "s3:*", "Allow", BUCKET]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
GOOD: dict[str, Any] = {
    "Effect": st.sampled_from(["Allow", "Deny"]),
    "Action": st.sampled_from(["*", "sts:AssumeRole", ["s3:Get*"]]),
    "Resource": st.sampled_from(["*", BUCKET, [BUCKET]]),
    "Principal": st.sampled_from(["*", {"AWS": "123456789012"}, {"Service": "ec2.amazonaws.com"}]),
    "Condition": st.dictionaries(
        st.sampled_from(["StringEquals", "ForAnyValue:DateLessThan", "Null", "IpAddressIfExists", "x"]),
        st.dictionaries(st.text(max_size=5), JSON, max_size=2),
        max_size=2,
    ),
}
STATEMENTS = st.dictionaries(st.sampled_from(NAMES), st.none(), max_size=7).flatmap(
    lambda chosen: st.fixed_dictionaries({name: GOOD.get(name, JSON) | JSON for name in chosen})
)
POLICIES = st.fixed_dictionaries(
    {"Statement": STATEMENTS | st.lists(STATEMENTS, max_size=3) | JSON},
    optional={"Version": st.sampled_from(["2012-10-17", "2008-10-17"]) | JSON, "Id": JSON},
)


@settings(deadline=None, max_examples=150)
@given(POLICIES | JSON, st.sampled_from(KINDS))
def test_any_json_is_a_document_or_malformed(raw: Any, kind: PolicyKind) -> None:
    """Whatever the JSON, the text parses or is MalformedPolicyDocument; what parses answers any request."""
    text = json.dumps(raw)
    if not refusal(text, kind):
        parse_document(text, kind).applying("s3:getobject", request())


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(KINDS))
def test_any_text_is_a_document_or_malformed(text: str, kind: PolicyKind) -> None:
    """Text that is no JSON is malformed."""
    refusal(text, kind)


@settings(deadline=None, max_examples=120)
@given(st.sampled_from([whole(), whole([deny(Sid="a"), allow()])]), st.integers(0, 400), st.text(max_size=3))
def test_any_damage_is_a_document_or_malformed(text: str, place: int, put: str) -> None:
    """A few characters in place of others."""
    refusal(text[:place] + put + text[place + len(put) :])
