"""The fields of a query-protocol request, as they stand in a query or a form, and the tree that their names spell.

`Tags.member.1.Key=a` and `RoleName=r` become `{"Tags": {"member": {"1": {"Key": "a"}}}, "RoleName": "r"}`. Of a name that is
given twice the first value counts; a name that is both a value and the beginning of longer names is refused.
Wire facts: docs/reference/aws-wire.md#query-requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import cast
from urllib.parse import unquote_to_bytes

from brownout.identity.aws.errors import AwsError, request_entity_too_large
from brownout.identity.core.messages import FORM_TYPE, Request

FormNode = str | Mapping[str, "FormNode"]
FormTree = dict[str, FormNode]
MAX_PAYLOAD = (
    40 * 1024 * 1024
)  # bytes: IAM takes SAML metadata of ten million characters, each of up to three bytes and more escaped
MAX_FIELDS = 10_000
KNOWN_TEXT_MAX = 256  # characters of a value that is remembered without its escapes
MAX_DEPTH = 16  # words in one name
_AS_SDKS_WRITE = f"{FORM_TYPE}; charset=utf-8".encode()
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def fields_of(request: Request) -> dict[str, str]:
    """The fields of a request's query and, for a POST of a form, of its payload.

    Raises RequestEntityTooLarge, MalformedQueryString for wrong escapes and for what is not UTF-8, InvalidQueryParameter for
    too many fields.
    """
    found: dict[str, str] = {}
    query = request.target.partition("?")[2]
    if query:
        _add_fields(query, found)
    if request.method == "POST" and is_form(request):
        payload = payload_of(request)
        if payload:
            _add_fields(_decoded(payload), found)
    return found


def is_form(request: Request) -> bool:
    """True where the payload is read as a form: also one of which the client does not say what it is."""
    return request.raw_by_name.get(b"content-type") == _AS_SDKS_WRITE or request.media_type in ("", FORM_TYPE)


def form_fields(payload: bytes) -> dict[str, str]:
    """The fields of a form alone; raises as `fields_of` does."""
    found: dict[str, str] = {}
    if payload:
        _add_fields(_decoded(payload), found)
    return found


def payload_of(request: Request) -> bytes:
    """The payload; raises RequestEntityTooLarge."""
    if len(request.payload) > MAX_PAYLOAD:
        raise request_entity_too_large()
    return request.payload


def tree_of(fields: Mapping[str, str]) -> FormTree:
    """The fields by the words of their names; raises MalformedInput for names that contradict each other."""
    if "." not in "".join(fields):
        return dict(fields)  # no name is part of another
    tree: FormTree = {}
    for name, value in fields.items():
        if "." in name:
            _plant(tree, name, value)
        elif name in tree:
            raise _contradiction()
        else:
            tree[name] = value
    return tree


def _plant(tree: FormTree, name: str, value: str) -> None:
    *way, last = name.split(".", MAX_DEPTH)
    here = tree
    for word in way:
        below = here.setdefault(word, {})
        if isinstance(below, str):
            raise _contradiction()
        here = cast(FormTree, below)  # the trees below are ours too
    if last in here:
        raise _contradiction()
    here[last] = value


def _contradiction() -> AwsError:
    return AwsError.of("MalformedInput", "Value found where not expected")


def _add_fields(text: str, found: dict[str, str]) -> None:
    if text.count("&") >= MAX_FIELDS:
        raise AwsError.of("InvalidQueryParameter", f"The request has more than {MAX_FIELDS} parameters.")
    is_plain = "%" not in text and "+" not in text
    for pair in text.split("&"):
        name, given, value = pair.partition("=")
        if not name and not given:
            continue  # nothing between two ampersands
        if not is_plain and ("%" in pair or "+" in pair):
            name, value = _plain(name), _plain_value(value)
        found.setdefault(name, value)


def _plain_value(text: str) -> str:
    if "%" not in text and "+" not in text:
        return text
    return _known_plain(text) if len(text) <= KNOWN_TEXT_MAX else _plain(text)


def _plain(text: str) -> str:
    """A name or value without its escapes."""
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    if _ESCAPE.search(text):
        raise _malformed()
    return _decoded(unquote_to_bytes(text))


_known_plain = lru_cache(maxsize=1024)(_plain)  # clients name the same roles again and again


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _malformed() from None


def _malformed() -> AwsError:
    return AwsError.of("MalformedQueryString", "The query string contains a syntax error.")
