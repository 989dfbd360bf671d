"""Messages: two forms of each, and what one says of the other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brownout.identity.core.messages import BadPayload, Request, Response, decode_json, encode_json

FORM = ((b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8"),)
XML = ((b"content-type", b"text/xml"),)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_request_of_values_knows_its_raw_form() -> None:
    """Path and query are escaped, the JSON is compact and says what it is."""
    made = Request("PUT", "/a b/c", {"id": "/x?y&z"}, {"x-thing": "1"}, {"n": 1})
    assert made.target == "/a%20b/c?id=%2Fx%3Fy%26z"
    assert made.payload == b'{"n":1}'
    assert made.raw_headers == ((b"x-thing", b"1"), (b"content-type", b"application/json"))
    assert made.media_type == "application/json"


def test_a_raw_request_knows_its_values() -> None:
    """The target is kept as it was sent, and read as path, fields in their order and values by name."""
    raw = Request.raw("GET", "/a%20b?x=1&empty=&x=%2F+2", ((b"X-Thing", b"A"), (b"x-thing", b"B")))
    assert (raw.path, raw.target) == ("/a b", "/a%20b?x=1&empty=&x=%2F+2")
    assert raw.query_fields == (("x", "1"), ("empty", ""), ("x", "/ 2"))
    assert raw.query == {"x": "/ 2", "empty": ""}
    assert raw.headers == {"x-thing": "A, B"}
    assert raw.body is None


def test_a_form_keeps_doubled_fields() -> None:
    """A form is read as fields in their order; as an object the last field of a name wins."""
    raw = Request.raw("POST", "/", FORM, b"Action=Go&a.member.1=x+y&Action=Stop&empty=")
    assert raw.form == (("Action", "Go"), ("a.member.1", "x y"), ("Action", "Stop"), ("empty", ""))
    assert raw.body == {"Action": "Stop", "a.member.1": "x y", "empty": ""}


def test_xml_is_a_payload_and_no_object() -> None:
    """XML is there as bytes with its type. As an answer it has no JSON; a request says that it has none."""
    assert Response.raw(200, XML, b"<a/>").body is None
    asked = Request.raw("POST", "/", XML, b"<a/>")
    assert (asked.payload, asked.media_type, asked.form) == (b"<a/>", "text/xml", ())
    with pytest.raises(BadPayload, match="not valid JSON"):
        _ = asked.body


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[1]",
        b'{"a": NaN}',
        b'{"a": 1e400}',
        b'{"a": -1e999}',
        b'{"a": 1' + b"0" * 400 + b"}",
        b'{"a": "\\ud800"}',
        b"\xff",
        b'{"a":' * 100_000,
        b'"text"',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_json_object_is_refused(payload: bytes) -> None:
    """Broken JSON, JSON of another kind and text that could not be written again are all refused alike."""
    with pytest.raises(ValueError, match="The request content"):
        decode_json(payload)


def test_an_integer_that_could_not_be_stored_is_a_float() -> None:
    """An integer beyond 64 bits comes as the nearest float."""
    assert decode_json(b'{"a": 123456789012345678901234567890}') == {"a": 1.2345678901234568e29}


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON_VALUES))
def test_json_survives_the_round_trip(value: dict[str, object]) -> None:
    """What is encoded is decoded again, and is what any other reader of JSON sees."""
    encoded = encode_json(value)
    assert decode_json(encoded) == value == json.loads(encoded)


def test_nan_cannot_be_sent() -> None:
    """A number that JSON does not have is an error where it is sent, not where it arrives."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        _ = Response(200, {"a": float("nan")}).payload


def test_a_header_replaces_all_of_its_name_and_leaves_others_doubled() -> None:
    """Setting a header of a raw message touches no other line."""
    raw = Response.raw(200, ((b"Set-Cookie", b"a"), (b"X-Old", b"1"), (b"set-cookie", b"b"), (b"x-old", b"2")), b"text")
    changed = raw.with_headers({"x-old": "3"})
    assert changed.raw_headers == ((b"Set-Cookie", b"a"), (b"set-cookie", b"b"), (b"x-old", b"3"))
    assert (changed.headers["x-old"], changed.payload) == ("3", b"text")
    assert raw.headers["x-old"] == "1, 2"


def test_a_message_of_values_is_not_encoded_unless_somebody_asks() -> None:
    """Adding headers and reading values leaves the payload unencoded; it is encoded once, for all copies."""
    made = Request("POST", "/x", body={"a": 1})
    copy = made.with_headers({"authorization": "b"})
    assert copy.body is made.body
    assert "payload" not in vars(copy)
    payload = copy.payload
    assert copy.with_headers({"x": "y"}).payload is payload


def test_equality_is_that_of_the_wire() -> None:
    """Two messages are equal when the same bytes would be sent."""
    assert Request("GET", "/a b", {"x": "1"}) == Request.raw("GET", "/a%20b?x=1")
    assert Response(200, {"a": 1}) != Response(201, {"a": 1})
    assert Response(200) != Request("GET", "/")


def test_one_header_is_what_all_headers_say() -> None:
    """Of a message of values and of one that was received, with a doubled name too, and with other headers in their place."""
    received = Request.raw("GET", "/", ((b"Host", b"a"), (b"x-b", b"\xe4")))
    doubled = Request.raw("GET", "/", ((b"x-b", b"1"), (b"X-B", b"2")))
    for message in (Request("GET", "/", headers={"host": "a"}), received, received.with_headers({"host": "b"}), doubled):
        for name in ("host", "x-b", "x-none"):
            found = message.header(name)
            assert found == message.headers.get(name, "")
            assert found == message.header(name)


def test_a_trail_is_added_to_lines_that_are_known_to_be_good() -> None:
    """Lines that their maker has put together stay, and the trail's is checked as any other."""
    answer = Response.raw(200, ((b"x-a", b"1"),), b"x")
    answer.header_block = b"x-a: 1\r\n"
    assert answer.sealed("host;;;;hit").header_block == b"x-a: 1\r\nx-brownout-trail: host;;;;hit\r\n"
    with pytest.raises(ValueError, match="line break"):
        answer.sealed("host\r\nx-b: 2")


def test_an_answer_that_is_given_again_is_sealed_once() -> None:
    """The same trail gives the same answer; another trail, and other headers, give another, with lines of its own."""
    answer = Response(200, {"a": "b"}, {"server": "s"})
    sealed = answer.sealed("host;;;;hit")
    assert sealed is answer.sealed("host;;;;hit")
    assert sealed.header_block.endswith(b"x-brownout-trail: host;;;;hit\r\ncontent-type: application/json; charset=utf-8\r\n")
    assert answer.sealed("host;;;;miss").headers["x-brownout-trail"] == "host;;;;miss"
    other = sealed.with_headers({"server": "t"})
    lines = sealed.header_block.replace(b"server: s", b"server: t").splitlines()
    assert sorted(other.header_block.splitlines()) == sorted(lines)
    assert answer.with_headers({"server": "t"}).sealed("host;;;;miss").headers["server"] == "t"
