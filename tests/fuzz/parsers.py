"""Functions that read what others wrote: each returns, or raises what its contract names, and never anything else."""

from __future__ import annotations

import base64
import json
import random
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from brownout.harness.base.durations import parse_clock_s, parse_duration_s
from brownout.harness.injection.stack_entry import ENTRY_FILE, read_entry
from brownout.harness.record import credentials
from brownout.identity import wire
from brownout.identity.aws import saml_metadata
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.sts.saml import read_response
from brownout.identity.azure.entra import assertions
from brownout.identity.azure.entra.aadsts import EntraError
from brownout.identity.core import trail
from brownout.identity.core.messages import BadPayload, Request, Response
from fuzz.civil import Hangs, spends_within
from fuzz.nasty import JSON_VALUES, WORDS
from fuzz.shaken import XMLS
from fuzz.values import DOCUMENT
from support.saml_documents import metadata
from support.saml_responses import SamlLogin

LIMIT_S = 5.0  # of the processor
NOW_S = 1_735_689_600.0


class Parser(NamedTuple):
    """`read` takes a text that was changed from one of `samples`; `allowed` are the exceptions that its contract names."""

    samples: tuple[str, ...]
    read: Callable[[str], Any]
    allowed: tuple[type[Exception], ...] = ()


def _entry(text: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ENTRY_FILE).write_bytes(text.encode("utf-8", "surrogatepass"))
        return read_entry(Path(folder))


def _message(text: str) -> Any:
    """A request's parsed forms: none of them raises for what a client can send."""
    raw = text.encode("utf-8", "surrogatepass")
    request = Request.raw(
        "POST", "/x?" + text.encode("ascii", "ignore").decode(), ((b"content-type", raw[:40]), (b"host", raw)), raw
    )
    return request.path, request.query, request.words, request.headers, request.body, request.form, request.media_type


def _answer(text: str) -> Any:
    answer = wire.response_from(
        200,
        ((b"content-type", b"application/json"), (b"x-brownout-trail", text.encode("utf-8", "replace"))),
        text.encode("utf-8", "replace"),
    )
    return answer.body, trail.parse(trail.of(answer)), Response(answer.status, answer.body).payload


_ENTRY = '{"id": "s", "world": "processes", "run_owned": true, "owner": {"pid": 5, "started": "x"}, "standing": true}'
_JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJhIiwic3ViIjoiYSIsImF1ZCI6ImIiLCJleHAiOjJ9.AAAA"
_KINDS = ("identity", "managed", "boundary", "session", "resource", "trust")

PARSERS: dict[str, Parser] = {
    "duration": Parser(("1h30m", "500ms", "10s", "1.5m", "24h", "0s"), parse_duration_s, (ValueError,)),
    "clock": Parser(("23:59:59", "00:00", "47:59"), parse_clock_s, (ValueError,)),
    "credentials": Parser(
        ("given:oid-1:name::aud:1:2:k1 shown:a:b:c:d:1.5:2.5:k", "wanted:::::::"), credentials.parse, (ValueError,)
    ),
    "target": Parser(
        ("/a/b?c=d", "http://h:1/p?q", "//x", "*"), lambda text: wire.target_of(text.encode("utf-8", "replace")), (ValueError,)
    ),
    "message": Parser(('{"a": [1, {"b": null}]}', "a=b&c=%20&a=2", "x" * 50), _message, (BadPayload,)),
    "answer": Parser(
        ('{"a": "b"}', "sydney.host;1.0;k;manual;hit>sydney.store;;;;;7", "[]"), _answer, (BadPayload, ValueError)
    ),
    "stack entry": Parser((_ENTRY,), _entry),
    "metadata": Parser((metadata(),), saml_metadata.parse_metadata, (saml_metadata.BadMetadata,)),
    "saml": Parser(
        (SamlLogin(NOW_S).signed().decode(), SamlLogin(NOW_S).signed("response").decode(), SamlLogin(NOW_S).xml().decode()),
        lambda text: read_response(_base64(text), saml_metadata.parse_metadata(metadata()), NOW_S),
        (AwsError,),
    ),
    "assertion": Parser((_JWT,), assertions.read, (EntraError,)),
    **{
        f"{kind} policy": Parser((json.dumps(DOCUMENT),), lambda text, kind=kind: parse_document(text, kind), (AwsError,))
        for kind in _KINDS
    },
}
_NAMES = tuple(PARSERS)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def attempt(draw: random.Random, work: Path) -> tuple[str, str]:
    """What was read by which parser, and the exception that none of its users expects; "" for none."""
    name = draw.choice(_NAMES)
    parser = PARSERS[name]
    text = _changed(draw, draw.choice(parser.samples))
    try:
        with spends_within(LIMIT_S):
            parser.read(text)
    except Hangs:
        return f"{name}: {text[:500]!r}", f"{name}: no end within {LIMIT_S:g} s of processor"
    except parser.allowed:
        pass
    except Exception as error:  # whatever it is
        frames = traceback.extract_tb(error.__traceback__)
        return (
            f"{name}: {text[:500]!r}",
            f"{name}: {type(error).__name__} in {Path(frames[-1].filename).name}:{frames[-1].name}",
        )
    return f"{name}: {text[:500]!r}", ""


def _changed(draw: random.Random, text: str) -> str:
    for _ in range(draw.choice((1, 1, 2, 4))):
        at, until = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
        match draw.randrange(8):
            case 0:
                text = text[:at]
            case 1:
                text = text[:at] + text[until:]
            case 2:
                text = text[:until] + text[at:]
            case 3:
                text = text[:at] + draw.choice((*WORDS, *JSON_VALUES)) + text[at:]
            case 4:
                text = text[:at] + draw.choice((*WORDS, *JSON_VALUES)) + text[until:]
            case 5:
                text = (
                    text[:at] + draw.choice("\0\n\t\x7f\x85\u2028\ud800\uffff\U0001f998:;.,/%&=<>\"'{}[]-+eE0") + text[at + 1 :]
                )
            case 6:
                text = text[:at] + draw.choice(XMLS).decode("latin-1") + text[until:]
            case _:
                text = draw.choice((*WORDS, *JSON_VALUES))
    return text
