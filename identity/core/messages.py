"""What nodes say to each other and to clients: HTTP-shaped values, and the three ways in which a call can fail.

One shape serves the vendors' surfaces, the calls between nodes and the control plane, so that a socket server or the
simulation only moves values and never decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

EMPTY: Mapping[str, str] = {}

Failure = Literal["refused", "reset", "timeout"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request: header names in lower case, the body a parsed JSON object (a form post arrives as one too)."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: header names in lower case, the body a JSON object or nothing."""

    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class CallFailed(Exception):
    """A call had no answer.

    `refused` certainly did not happen; `reset` and `timeout` may or may not have happened.
    """

    def __init__(self, failure: Failure, target: str) -> None:
        super().__init__(f"{failure} calling {target}")
        self.failure: Failure = failure
        self.target = target
