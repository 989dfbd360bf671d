"""The codec between messages and HTTP: nothing is lost on the way, through any of the four transports."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity import wire
from brownout.identity.core.messages import HeaderLines, Request, Response, encode_json
from brownout.identity.core.surface import Served
from brownout.identity.core.trail import Hop
from support.http_nodes import Echo, ports_to, served
from support.parsed_messages import parsed_answer

TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
PATH = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8), max_size=4)
LINES = st.lists(st.tuples(TOKEN.map(lambda name: f"x-{name}".encode()), VALUE.map(str.encode)), max_size=6)


class Parsed:
    """What an independent parser makes of a request."""

    def __init__(self, message: bytes) -> None:
        self.url, self.payload, self.done = b"", b"", False
        self.lines: list[tuple[bytes, bytes]] = []
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(message)
        self.method = parser.get_method().decode()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.lines.append((name, value))

    def on_body(self, body: bytes) -> None:
        self.payload += body

    def on_message_complete(self) -> None:
        self.done = True

    def request(self) -> Request:
        assert self.done
        return Request.raw(self.method, wire.target_of(self.url), self.lines, self.payload)


@settings(deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE"]),
    path=PATH,
    query=st.lists(st.tuples(TOKEN, VALUE), max_size=4),
    lines=LINES,
    payload=st.binary(max_size=200),
)
def test_a_raw_request_survives_the_round_trip(
    method: str, path: list[str], query: list[tuple[str, str]], lines: list[tuple[bytes, bytes]], payload: bytes
) -> None:
    """Method, target, header lines in their order and payload arrive as they were sent, byte for byte."""
    escaped = Request("GET", "/" + "/".join(path)).target
    fields = "&".join(f"{name}={Request('GET', value).target}" for name, value in query)
    sent = Request.raw(method, f"{escaped}?{fields}" if fields else escaped, lines, payload)
    seen = Parsed(wire.encode_request(sent, "host:1")).request()
    assert (seen.method, seen.target, seen.path) == (sent.method, sent.target, "/" + "/".join(path))
    assert tuple(line for line in seen.raw_headers if line[0] not in (b"host", b"content-length")) == sent.raw_headers
    assert seen.payload == payload


@settings(deadline=None)
@given(
    path=PATH,
    query=st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5), VALUE, max_size=3),
    headers=st.dictionaries(TOKEN.map(lambda name: f"x-{name}"), VALUE, max_size=4),
    body=st.none() | st.dictionaries(st.text(), st.integers(-9, 9) | st.text(), max_size=3),
)
def test_a_request_of_values_survives_the_round_trip(
    path: list[str], query: dict[str, str], headers: dict[str, str], body: dict[str, object] | None
) -> None:
    """Path, query, headers and JSON are at the other end what they were here."""
    sent = Request("POST", "/" + "/".join(path), query, headers, body)
    seen = Parsed(wire.encode_request(sent, "host:1")).request()
    assert (seen.path, seen.query, seen.body) == (sent.path, sent.query, sent.body)
    assert headers.items() <= seen.headers.items()


@settings(deadline=None)
@given(status=st.sampled_from([200, 201, 302, 400, 503, 599]), lines=LINES, payload=st.binary(min_size=1, max_size=200))
def test_a_raw_answer_survives_the_round_trip(status: int, lines: list[tuple[bytes, bytes]], payload: bytes) -> None:
    """Status, header lines and payload of an answer arrive as they were sent, with the length added."""
    seen = parsed_answer(wire.encode_response(Response.raw(status, lines, payload)))
    length = (b"content-length", str(len(payload)).encode())
    assert (seen.status, seen.raw_headers, seen.payload) == (status, (*lines, length), payload)


@settings(deadline=None)
@given(body=st.dictionaries(st.text(), st.text(), min_size=1, max_size=5))
def test_an_object_of_text_has_the_same_bytes_on_the_short_way(body: dict[str, str]) -> None:
    """What the faster encoder makes is what every node and client gets from the other one."""
    try:
        payload = encode_json(body)
    except ValueError:  # half of a surrogate pair
        with pytest.raises(TypeError):
            wire.encode_response(Response(200, body))
        return
    assert wire.encode_response(Response(200, body)).endswith(b"\r\n\r\n" + payload)


TARGETS = st.text(st.sampled_from("/?#ab%2&=;:@[]{}\"'|^`~*\\\u00e9"), max_size=12).map(lambda text: text.encode("latin-1"))


@settings(deadline=None, max_examples=500)
@given(start=st.sampled_from([b"/", b"//", b"http://h/", b"http://h:80", b"", b"*"]), rest=TARGETS)
def test_a_target_is_what_the_parser_says(start: bytes, rest: bytes) -> None:
    """The short way for ordinary targets gives what the library gives, and both refuse the same."""
    url = start + rest
    try:
        parsed = httptools.parse_url(url)
        expected = (parsed.path + (b"?" + parsed.query if parsed.query else b"")).decode("ascii")
    except (httptools.HttpParserInvalidURLError, TypeError, UnicodeDecodeError):
        with pytest.raises(ValueError, match="is no target"):
            wire.target_of(url)
        return
    assert wire.target_of(url) == expected


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\x00b", "\x7f"])
def test_a_header_of_an_answer_cannot_end_its_line(value: str) -> None:
    """A line break or a control character never reaches the wire."""
    with pytest.raises(ValueError, match="line break"):
        wire.encode_response(Response(200, {}, {"x-told": value}))


def test_an_answer_that_is_ready_is_what_its_sealed_form_is_on_the_wire() -> None:
    """With any hop, in any second, to the last request or to one for the head: never what was made for another."""
    answers = [Response(200, {"a": "b"}), Response.raw(403, ((b"content-type", b"text/xml"),), b"<Error/>"), Response(404)]
    hops = [None, Hop("sydney.host", cache="hit"), Hop("sydney.host", cache="miss")]
    cases = [
        (hop, inner, also, last, head)
        for hop in hops
        for inner in ("", "sydney.token.z1;1.0;;;")
        for also in (b"date: 1\r\n", b"date: 2\r\n")
        for last in (False, True)
        for head in (False, True)
    ]
    for response in answers:
        for hop, inner, also, last, head in (*cases, *cases):
            served = Served(response, hop, inner)
            made = wire.encode_ready(served, also, is_last=last, head_only=head)
            sealed = wire.encode_response(served.sealed(), also, is_last=last, head_only=head)
            assert sorted(made.partition(b"\r\n\r\n")[0].splitlines()) == sorted(sealed.partition(b"\r\n\r\n")[0].splitlines())
            assert made.partition(b"\r\n\r\n")[2] == sealed.partition(b"\r\n\r\n")[2]


def test_a_host_that_was_signed_is_kept() -> None:
    """A host header of the request's own is not doubled, and a length of its own is not believed."""
    sent = Request.raw("POST", "/", ((b"Host", b"sts.example"), (b"content-length", b"999")), b"ab")
    seen = Parsed(wire.encode_request(sent, "127.0.0.1:9")).request()
    assert seen.raw_headers == ((b"content-length", b"2"), (b"Host", b"sts.example"))


@pytest.mark.parametrize("request_", [Request("GET", "/", headers={"a": "b\r\nc: d"}), Request.raw("GET", "/\nx")])
def test_what_would_change_the_shape_of_a_message_is_refused(request_: Request) -> None:
    """A line break in a header or target never reaches the wire."""
    with pytest.raises(ValueError, match="line break"):
        wire.encode_request(request_, "host")


XML = b'<?xml version="1.0"?><Response xmlns="https://sts"><Result>\xc3\xa9</Result></Response>'
FORM = b"Action=AssumeRole&Tags.member.1.Value=b+c&Tags.member.1.Value=d%20e"
PAYLOADS: tuple[tuple[str, bytes], ...] = (
    ("text/xml", XML),
    ("text/plain; charset=utf-8", b"AQAEAK=="),
    ("application/x-www-form-urlencoded; charset=utf-8", FORM),
    ("application/octet-stream", bytes(range(256))),
    ("application/json", b'{ "spaces" : "stay" }'),
)
TARGET = "/a%2Fb/%7Ename/c+d?X-Amz-Date=1&x=%20y&x=z&flag&empty="
COOKIES = ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))
Transport = Callable[[int, Request, Path], Awaitable[Response]]


def sent_request(media_type: str, payload: bytes) -> Request:
    lines = ((b"x-amz-date", b"20260101T000000Z"), (b"x-twice", b"one"), (b"x-twice", b"two"))
    return Request.raw("POST", TARGET, (*lines, (b"content-type", media_type.encode())), payload)


async def by_ports(port: int, request: Request, folder: Path) -> Response:
    async with ports_to(folder, port) as ports:
        return await ports.call("sydney.store", request, timeout_s=5)


async def by_world(port: int, request: Request, folder: Path) -> Response:
    world = ProcessesWorld(build_stack(seed=1), folder=folder, epoch_s=0.0, rate=1.0, toxiproxy_binary=folder)
    try:
        return await world.send(f"http://127.0.0.1:{port}", request, 5.0)
    finally:
        await world.close()


LOAD_CLIENT = """
import json, sys
from brownout.identity.core.messages import Request
from brownout.suites.load.transport import Transport
url, target, lines, payload = json.loads(sys.argv[1])
lines = tuple((name.encode(), value.encode()) for name, value in lines)
transport = Transport({"client->x": url})
got = transport.send("x", Request.raw("POST", target, lines, bytes.fromhex(payload)), timeout_s=5)
transport.close()
found = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in got.raw_headers]
print(json.dumps([got.status, found, got.payload.hex()]))
"""


async def by_load(port: int, request: Request, folder: Path) -> Response:
    """In a process of its own, as the load is: its greenlets do not go together with asyncio."""
    lines = [(name.decode(), value.decode()) for name, value in request.raw_headers]
    told = json.dumps([f"http://127.0.0.1:{port}", request.target, lines, request.payload.hex()])
    command = (sys.executable, "-c", LOAD_CLIENT, told)
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, timeout=30)
    status, found, payload = json.loads(ended.stdout)
    got: HeaderLines = tuple((name.encode(), value.encode()) for name, value in found)
    return Response.raw(status, got, bytes.fromhex(payload))


@pytest.mark.parametrize("transport", [by_ports, by_world, by_load])
@pytest.mark.parametrize(("media_type", "payload"), PAYLOADS, ids=[kind for kind, _ in PAYLOADS])
def test_any_message_passes_every_transport(transport: Transport, media_type: str, payload: bytes, tmp_path: Path) -> None:
    """XML, text, forms, binary data and JSON arrive as they were sent, there and back, with doubled headers and fields."""
    node = Echo(Response.raw(203, (*COOKIES, (b"content-type", media_type.encode())), payload))
    sent = sent_request(media_type, payload)

    async def exchange() -> Response:
        async with served(node) as port:
            return await transport(port, sent, tmp_path)

    answer = asyncio.run(exchange())
    (seen,) = node.seen
    assert (seen.method, seen.target, seen.payload) == ("POST", TARGET, payload)
    assert seen.query_fields == (("X-Amz-Date", "1"), ("x", " y"), ("x", "z"), ("flag", ""), ("empty", ""))
    assert set(sent.raw_headers) <= set(seen.raw_headers)
    assert [value for name, value in seen.raw_headers if name == b"x-twice"] == [b"one", b"two"]
    assert (answer.status, answer.payload) == (203, payload)
    assert answer.headers["content-type"] == media_type
    assert tuple(line for line in answer.raw_headers if line[0] == b"set-cookie") == COOKIES
