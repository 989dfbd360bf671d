"""Calls between front ends and the directory survive JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.identity.aws.control.calls import IamAnswer, IamCall
from brownout.identity.aws.errors import no_such_entity
from support.aws_directories import caller

VALUE: dict[str, Any] = {
    "text": "t",
    "number": 3,
    "time": 1.5,
    "flag": True,
    "bytes": b"\x00\xff",
    "list": [{"inner": b"x"}, "y"],
    "map": {"k": {"v": 1}},
}


def through(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_a_call_comes_through() -> None:
    """Every type of parameter, and the caller, are what they were."""
    call = IamCall("CreateUser", VALUE, caller(), "request-1")
    assert IamCall.from_json(through(call.to_json())) == call


@pytest.mark.parametrize("result", [VALUE, {}, None])
def test_a_result_comes_through(result: Any) -> None:
    """Results with and without members, with bytes anywhere in them."""
    answer = IamAnswer(result, version=7)
    assert IamAnswer.from_json(through(answer.to_json())) == answer


def test_an_error_comes_through() -> None:
    """Code, status and message are what they were."""
    found = IamAnswer.from_json(through(IamAnswer(error=no_such_entity("no Bob"), version=3).to_json()))
    assert found.error is not None
    assert (found.error.code, found.error.status, found.error.message) == ("NoSuchEntity", 404, "no Bob")
    assert (found.result, found.version) == (None, 3)


@pytest.mark.parametrize("raw", [{}, {"action": "x"}, {"action": "x", "params": {}, "caller": {}, "request_id": ""}])
def test_what_is_no_call_is_refused(raw: dict[str, Any]) -> None:
    """Missing parts raise one of the documented exceptions."""
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        IamCall.from_json(raw)
