"""Conditions, operator by operator: what matches, what a negation does, and what missing and multiple values mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brownout.identity.aws.policy.conditions import OPERATORS, OperatorName, clause, split_operator

Values = tuple[str, ...]
KEY = "aws:Some"
KEYS = {"aws:username": ("eve",), "aws:principaltag/team": ("red",), "aws:tagkeys": ("x", "y")}

# Of each positive operator: a value of the request, the values of the policy, whether one matches.
CASES: dict[str, list[tuple[str, Values, bool]]] = {
    "StringEquals": [
        ("a", ("a",), True),
        ("a", ("A",), False),
        ("a", ("b",), False),
        ("a", ("b", "a"), True),
        ("a", (), False),
        ("", ("",), True),
        ("", ("a",), False),
        ("abc", ("a*",), False),
        ("a*", ("a*",), True),
        ("a?", ("a?",), True),
        ("eve", ("${aws:username}",), True),
        ("Eve", ("${aws:username}",), False),
        ("eve/x", ("${aws:username}/x",), True),
        ("x", ("${aws:nothing}",), False),
        ("x", ("${aws:nothing, 'x'}",), True),
        ("*", ("${*}",), True),
        ("é", ("é",), True),
    ],
    "StringEqualsIgnoreCase": [
        ("a", ("A",), True),
        ("ABC", ("abc",), True),
        ("a", ("b",), False),
        ("a", ("b", "A"), True),
        ("a", (), False),
        ("EVE", ("${aws:username}",), True),
        ("EVE-X", ("${aws:username}-x",), True),
        ("x", ("${aws:nothing}",), False),
        ("X", ("${aws:nothing, 'x'}",), True),
        ("abc", ("A*",), False),
        ("", ("",), True),
    ],
    "StringLike": [
        ("abc", ("a*",), True),
        ("abc", ("A*",), False),
        ("abc", ("a?c",), True),
        ("abc", ("a?",), False),
        ("abc", ("*",), True),
        ("", ("*",), True),
        ("", ("?",), False),
        ("abc", ("x*", "*c"), True),
        ("abc", ("abc",), True),
        ("a/b:c", ("a*c",), True),
        ("eve-1", ("${aws:username}-*",), True),
        ("x-1", ("${aws:username}-*",), False),
        ("x-1", ("${aws:nothing}*",), False),
        ("a*c", ("a${*}c",), True),
        ("abc", ("a${*}c",), False),
        ("abc", (), False),
    ],
    "NumericEquals": [
        ("10", ("10",), True),
        ("10.0", ("10",), True),
        ("10", ("11", "10"), True),
        ("10", ("11",), False),
        ("ten", ("10",), False),
        ("10", ("ten",), False),
        ("9007199254740993", ("9007199254740992",), False),
        ("1e1", ("10",), True),
        ("-1", ("-1",), True),
        ("10", ("${aws:nothing, '10'}",), False),
    ],
    "NumericLessThan": [
        ("9", ("10",), True),
        ("10", ("10",), False),
        ("11", ("10",), False),
        ("11", ("10", "12"), True),
        ("9.99", ("10",), True),
        ("x", ("10",), False),
        ("-1", ("0",), True),
    ],
    "NumericLessThanEquals": [("10", ("10",), True), ("10.01", ("10",), False), ("9", ("10",), True), ("", ("10",), False)],
    "NumericGreaterThan": [("11", ("10",), True), ("10", ("10",), False), ("9", ("10", "8"), True), ("x", ("0",), False)],
    "NumericGreaterThanEquals": [("10", ("10",), True), ("9.99", ("10",), False), ("11", ("10",), True), ("x", ("0",), False)],
    "DateEquals": [
        ("2030-01-01T00:00:00Z", ("2030-01-01T00:00:00Z",), True),
        ("2030-01-01T00:00:00Z", ("2030-01-01",), True),
        ("2030-01-01T00:00:00Z", ("1893456000",), True),
        ("1893456000", ("2030-01-01T00:00:00Z",), True),
        ("2030-01-01T00:00:00Z", ("2029-12-31T23:00:00-01:00",), True),
        ("2030-01-01T00:00:01Z", ("2030-01-01T00:00:00Z",), False),
        ("never", ("2030-01-01",), False),
    ],
    "DateLessThan": [
        ("2029-12-31T23:59:59Z", ("2030-01-01T00:00:00Z",), True),
        ("2030-01-01T00:00:00Z", ("2030-01-01T00:00:00Z",), False),
        ("2030-01-02", ("2030-01-01", "2030-01-03"), True),
        ("1893455999", ("2030-01-01T00:00:00Z",), True),
        ("2029", ("2030",), True),
        ("x", ("2030",), False),
    ],
    "DateLessThanEquals": [("2030-01-01", ("2030-01-01T00:00:00Z",), True), ("2030-01-02", ("2030-01-01",), False)],
    "DateGreaterThan": [("2030-01-02", ("2030-01-01",), True), ("2030-01-01", ("2030-01-01",), False), ("x", ("2030",), False)],
    "DateGreaterThanEquals": [("2030-01-01", ("2030-01-01",), True), ("2029-12-31", ("2030-01-01",), False)],
    "Bool": [
        ("true", ("true",), True),
        ("TRUE", ("true",), True),
        ("true", ("True",), True),
        ("false", ("false",), True),
        ("true", ("false",), False),
        ("false", ("true",), False),
        ("true", ("false", "true"), True),
        ("1", ("true",), False),
        ("", ("false",), False),
    ],
    "BinaryEquals": [
        ("QUJD", ("QUJD",), True),
        ("QUJD", ("QUJE",), False),
        ("QUJD", ("QUJE", "QUJD"), True),
        ("ABC", ("ABC",), False),
        ("", ("",), True),
    ],
    "IpAddress": [
        ("203.0.113.9", ("203.0.113.0/24",), True),
        ("203.0.114.9", ("203.0.113.0/24",), False),
        ("203.0.113.9", ("203.0.113.9",), True),
        ("203.0.113.9", ("10.0.0.0/8", "203.0.113.9/32"), True),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("2001:DB8:0:0:0:0:0:1", ("2001:db8::1",), True),
        ("2001:db8::1", ("0.0.0.0/0",), False),
        ("10.0.0.1", ("::/0",), False),
        ("10.0.0.1", ("0.0.0.0/0",), True),
        ("vpce-1", ("0.0.0.0/0",), False),
        ("10.0.0.1", ("nonsense",), False),
        ("10.0.0.1", (), False),
    ],
    "ArnLike": [
        ("arn:aws:iam::1:user/a", ("arn:aws:iam::1:user/a",), True),
        ("arn:aws:iam::1:user/a", ("arn:aws:iam::1:user/*",), True),
        ("arn:aws:iam::1:user/a", ("arn:aws:iam::?:user/a",), True),
        ("arn:aws:iam::12:user/a", ("arn:aws:iam::?:user/a",), False),
        ("arn:aws:iam::1:user/a", ("arn:*:iam::1:user/a",), True),
        ("arn:aws:iam::1:user/a", ("arn:aws:iam:*:*:user/a",), True),
        ("arn:aws:iam::1:user/a", ("arn:aws:iam::1:user/A",), False),
        ("arn:aws:iam::1:user/a:b", ("arn:aws:iam::1:user/*",), True),
        ("arn:aws:iam::1:user/a", ("arn:aws:*",), False),
        ("arn:aws:iam::1:user/a", ("arn:aws:i*:user/a",), False),
        ("arn:aws:iam::1:user/a", ("*",), True),
        ("arn:aws:iam::1:user/a", ("*:*:*:*:*:*",), True),
        ("arn:aws:iam::1:user/a", ("arn:aws:s3:::b", "arn:aws:iam::1:*"), True),
        ("no-arn", ("*",), False),
        ("no-arn", ("no-arn",), False),
        ("arn:aws:iam::1:user/eve", ("arn:aws:iam::1:user/${aws:username}",), True),
        ("arn:aws:iam::1:user/bob", ("arn:aws:iam::1:user/${aws:username}",), False),
        ("arn:aws:iam::1:user/x", ("arn:aws:iam::1:user/${aws:nothing}",), False),
        ("arn:aws:iam::1:user/x", ("arn:aws:iam::1:user/${aws:nothing, 'x'}",), True),
        ("arn:aws:iam::1:user/*", ("arn:aws:iam::1:user/${*}",), True),
        ("arn:aws:iam::1:user/x", ("arn:aws:iam::1:user/${*}",), False),
        ("arn:aws:s3:::red/k", ("arn:aws:s3:::${aws:PrincipalTag/team}/*",), True),
    ],
}
CASES["ArnEquals"] = CASES["ArnLike"]
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def holds(operator: str, policy: Values, found: Values | None, *, variables: bool = True) -> bool:
    """The clause holds for a request whose key has these values, None for no key."""
    name = split_operator(operator)
    assert name is not None, operator
    keys = {**KEYS, KEY.lower(): found} if found is not None else dict(KEYS)
    return clause(name, KEY, policy, variables=variables).holds(keys)


def all_cases() -> Iterator[tuple[str, str, Values, bool]]:
    for operator, cases in CASES.items():
        yield from ((operator, *case) for case in cases)
    for operator, positive in NEGATED.items():
        for value, policy, expected in CASES[positive]:
            is_known = not any("${aws:nothing}" in text for text in policy)
            yield operator, value, policy, is_known and not expected


@pytest.mark.parametrize("operator", ["StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "ArnNotLike"])
def test_a_negation_needs_all_variables(operator: str) -> None:
    """While a variable has no value, a negated operator fails for a key that is there; an absent key still makes it hold."""
    arn = "arn:aws:iam::1:user/"
    for policy in ((f"{arn}${{aws:nothing}}",), ("arn:aws:iam::1:role/x", f"{arn}${{aws:nothing}}")):
        assert not holds(operator, policy, (f"{arn}x",))
        assert not holds(f"ForAnyValue:{operator}", policy, (f"{arn}x", f"{arn}y"))
        assert not holds(f"ForAllValues:{operator}", policy, (f"{arn}x",))
        assert holds(operator, policy, None)
        assert holds(f"ForAllValues:{operator}", policy, None)


def test_every_operator_has_cases() -> None:
    """The tables cover all operators that exist."""
    assert set(CASES) | set(NEGATED) == set(OPERATORS)


@pytest.mark.parametrize(("operator", "value", "policy", "expected"), list(all_cases()))
def test_an_operator_compares_one_value(operator: str, value: str, policy: Values, expected: bool) -> None:
    """Plain, with IfExists and with both set forms: one value is compared alike. Nothing but empty text is an empty set."""
    assert holds(operator, policy, (value,)) is expected
    assert holds(f"{operator}IfExists", policy, (value,)) is expected
    assert holds(f"ForAnyValue:{operator}", policy, (value,)) is (expected and value != "")
    assert holds(f"ForAllValues:{operator}", policy, (value,)) is (expected or value == "")


@pytest.mark.parametrize("operator", [*CASES, *NEGATED])
def test_a_missing_key(operator: str) -> None:
    """Plain operators fail and negated ones hold; IfExists holds; every value holds, some value does not."""
    for found in (None, ()):
        assert holds(operator, ("1",), found) is (operator in NEGATED)
        assert holds(f"{operator}IfExists", ("1",), found)
        assert holds(f"ForAllValues:{operator}", ("1",), found)
        assert holds(f"ForAllValues:{operator}IfExists", ("1",), found)
        assert not holds(f"ForAnyValue:{operator}", ("1",), found)
        assert not holds(f"ForAnyValue:{operator}IfExists", ("1",), found)


@pytest.mark.parametrize(
    ("operator", "policy", "found", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "b"), ("a",), True),
        ("ForAllValues:StringEquals", ("a", "b"), ("a", "c"), False),
        ("ForAllValues:StringEquals", ("a",), ("", ""), True),
        ("ForAllValues:StringEquals", ("a",), ("", "a"), False),
        ("ForAllValues:StringNotEquals", ("a", "b"), ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("a", "b"), ("c", "a"), False),
        ("ForAnyValue:StringEquals", ("a", "b"), ("x", "b"), True),
        ("ForAnyValue:StringEquals", ("a", "b"), ("x", "y"), False),
        ("ForAnyValue:StringNotEquals", ("a", "b"), ("a", "c"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), ("a", "b"), False),
        ("ForAnyValue:StringLike", ("key-*",), ("x", "key-1"), True),
        ("ForAllValues:StringLike", ("key-*",), ("key-1", "key-2"), True),
        ("ForAnyValue:StringNotLikeIfExists", ("Owner:*",), ("Owner:x", "State:y"), True),
        ("ForAnyValue:NumericLessThan", ("5",), ("9", "4"), True),
        ("ForAllValues:NumericLessThan", ("5",), ("9", "4"), False),
        ("ForAnyValue:ArnLike", ("arn:aws:s3:::a*",), ("arn:aws:s3:::b", "arn:aws:s3:::ab"), True),
        ("StringEquals", ("a",), ("x", "a"), True),
        ("StringEquals", ("a",), ("x", "y"), False),
        ("StringNotEquals", ("a",), ("x", "a"), False),
        ("StringNotEquals", ("a",), ("x", "y"), True),
    ],
)
def test_keys_with_many_values(operator: str, policy: Values, found: Values, expected: bool) -> None:
    """The set forms ask for every or some value; without them some value must match, and none of a negated operator."""
    assert holds(operator, policy, found) is expected


@pytest.mark.parametrize(
    ("policy", "found", "expected"),
    [
        (("true",), None, True),
        (("true",), (), True),
        (("true",), ("x",), False),
        (("TRUE",), None, True),
        (("false",), None, False),
        (("false",), ("x",), True),
        (("false",), ("",), True),
        (("true", "false"), None, True),
        (("true", "false"), ("x",), True),
        (("maybe",), None, False),
        (("maybe",), ("x",), False),
        ((), None, False),
    ],
)
def test_null_asks_whether_the_key_is_absent(policy: Values, found: Values | None, expected: bool) -> None:
    """True wants it absent, false wants it there, in a set form too."""
    assert holds("Null", policy, found) is expected
    assert holds("ForAllValues:Null", policy, found) is expected


@pytest.mark.parametrize("operator", [*CASES, *NEGATED])
def test_older_documents_have_no_variables(operator: str) -> None:
    """Without variables a value that looks like one is plain text."""
    text = "${aws:username}"
    plain = operator in ("StringEquals", "StringEqualsIgnoreCase", "StringLike")
    assert holds(operator, (text,), (text,), variables=False) is (plain or (operator in NEGATED and "String" not in operator))
    assert holds(operator, (text,), ("eve",), variables=False) is (operator in NEGATED)


@pytest.mark.parametrize("operator", [name for name in (*CASES, *NEGATED) if not name.startswith(("String", "Arn"))])
def test_only_text_and_arns_have_variables(operator: str) -> None:
    """Numbers, dates, booleans, binary data and addresses do not look variables up."""
    name = split_operator(operator)
    assert name is not None
    assert clause(name, KEY, ("${aws:username}",), variables=True).variables == ()


@pytest.mark.parametrize("operator", [name for name in (*CASES, *NEGATED) if name.startswith(("String", "Arn"))])
def test_variables_are_known(operator: str) -> None:
    """A clause names the variables that it looks up."""
    name = split_operator(operator)
    assert name is not None
    value = "arn:aws:iam::1:user/${aws:UserName}${aws:userid, 'x'}"
    assert [each.name for each in clause(name, KEY, (value,), variables=True).variables] == ["aws:UserName", "aws:userid"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("StringEquals", OperatorName("", "StringEquals", if_exists=False)),
        ("BoolIfExists", OperatorName("", "Bool", if_exists=True)),
        ("ForAnyValue:StringLike", OperatorName("ForAnyValue", "StringLike", if_exists=False)),
        ("ForAllValues:ArnLikeIfExists", OperatorName("ForAllValues", "ArnLike", if_exists=True)),
        ("Null", OperatorName("", "Null", if_exists=False)),
        ("NullIfExists", None),
        ("stringequals", None),
        ("StringEqualsifexists", None),
        ("StringEqualsIfExistsIfExists", None),
        ("ForAnyValue::StringEquals", None),
        ("ForSomeValue:StringEquals", None),
        ("foranyvalue:StringEquals", None),
        (":StringEquals", None),
        ("BoolNotEquals", None),
        ("IfExists", None),
        ("", None),
    ],
)
def test_names_of_operators(text: str, expected: OperatorName | None) -> None:
    """A set form, an operator and IfExists, in this order and in this case."""
    assert split_operator(text) == expected


def test_names_of_keys_do_not_depend_on_case() -> None:
    """The key is looked up in lower case and named as it was written."""
    name = split_operator("StringEquals")
    assert name is not None
    found = clause(name, "AWS:UserName", ("eve",), variables=True)
    assert (found.name, found.holds({"aws:username": ("eve",)})) == ("AWS:UserName", True)
