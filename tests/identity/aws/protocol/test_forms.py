"""Fields of queries and forms, and the tree that their names spell."""

from __future__ import annotations

import pytest

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.protocol.forms import MAX_FIELDS, MAX_PAYLOAD, fields_of, tree_of
from brownout.identity.core.messages import Request
from support.aws_requests import posted


def code(request: Request) -> str:
    with pytest.raises(AwsError) as caught:
        tree_of(fields_of(request))
    return caught.value.code


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        ("Action=A&Version=1", {"Action": "A", "Version": "1"}),
        ("A=b+c&D=e%20f%2Bg", {"A": "b c", "D": "e f+g"}),
        ("A=%C3%A9%F0%9F%98%80", {"A": "é😀"}),
        ("A=é", {"A": "é"}),
        ("A=&B&=c", {"A": "", "B": "", "": "c"}),
        ("A=b=c", {"A": "b=c"}),
        ("&A=1&&B=2&", {"A": "1", "B": "2"}),
        ("A%2Eb=c", {"A.b": "c"}),
        ("", {}),
    ],
)
def test_a_form_is_read(payload: str, fields: dict[str, str]) -> None:
    """Names and values come without their escapes, empty ones included."""
    assert fields_of(posted(payload)) == fields
    assert fields_of(Request.raw("GET", f"/?{payload}")) == fields


def test_a_query_and_a_form_add_up() -> None:
    """The action may stand in the query of a POST, its parameters in the form."""
    assert fields_of(posted("B=2", target="/?A=1")) == {"A": "1", "B": "2"}


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_a_payload_that_is_no_form_is_not_read(media_type: str) -> None:
    """What another media type announces is no parameter."""
    assert fields_of(posted("Action=A", media_type)) == {}


def test_a_form_needs_no_announcement() -> None:
    """A payload without a media type is taken for a form; a GET has none at all."""
    assert fields_of(posted("Action=A", "")) == {"Action": "A"}
    assert fields_of(posted("Action=A", method="GET")) == {}


@pytest.mark.parametrize("payload", ["A=1&A=2", "A=1&%41=2", "A=1&A=", "A=1&B=3&A=1"])
def test_of_a_name_that_is_given_twice_the_first_value_counts(payload: str) -> None:
    """As in the real service; the query comes before the form."""
    assert fields_of(posted(payload))["A"] == "1"
    assert fields_of(posted(payload.replace("A=1&", ""), target="/?A=1"))["A"] == "1"


@pytest.mark.parametrize("payload", ["A=1&A.member.1=a", "A.member.1=a&A=1", "A.b=1&A.b.c=2", "A.b.c=2&A.b=1"])
def test_a_name_with_two_meanings_is_refused(payload: str) -> None:
    """A parameter is a value or a structure, whichever comes first."""
    assert code(posted(payload)) == "MalformedInput"


@pytest.mark.parametrize("payload", [b"A=%", b"A=%4", b"A=%zz", b"%G1=a", b"A=%ff", b"A=\xff", b"\xc3=1", b"A=%ed%a0%80"])
def test_what_is_not_utf8_or_wrongly_escaped_is_refused(payload: bytes) -> None:
    """Nothing is replaced or guessed."""
    assert code(posted(payload)) == "MalformedQueryString"


def test_a_tree_has_the_words_of_the_names() -> None:
    """Dots part the words, at any depth."""
    fields = {"A": "1", "B.member.1.Key": "k", "B.member.1.Value": "v", "B.member.2.Key": "l", "C.": "x", ".d": "y"}
    assert tree_of(fields) == {
        "A": "1",
        "B": {"member": {"1": {"Key": "k", "Value": "v"}, "2": {"Key": "l"}}},
        "C": {"": "x"},
        "": {"d": "y"},
    }


def test_huge_requests_are_refused() -> None:
    """Too many bytes, too many fields; a name of a hundred thousand words is read and means nothing."""
    assert code(posted(b"A=" + b"x" * MAX_PAYLOAD)) == "RequestEntityTooLarge"
    assert code(posted("&" * MAX_FIELDS)) == "InvalidQueryParameter"
    assert tree_of(fields_of(posted("a." * 100_000 + "=1")))["a"]
