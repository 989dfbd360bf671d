"""Errors as answers: the status and the problem document of each of the project's errors."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from brownout.harness.errors import (
    AbilityMissing,
    BrownoutError,
    Halted,
    LeftUnsafe,
    NotProven,
    StackGone,
    UsageError,
    WorldError,
)
from brownout.harness.injection.ledger import Fenced
from brownout.harness.operate.fault_api.messages import ProblemDocument
from brownout.identity.core.messages import Response

PROBLEM_TYPE = "application/problem+json"
OWN_FIELDS = ("kind", "fault", "ability", "world", "worlds")


class HttpError(UsageError):
    """A request that is refused as such; `status` is the answer's, `headers` it has too."""

    def __init__(self, status: int, message: str, *, hint: str = "", **headers: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class NoSuchFault(UsageError):
    """The stack never had a fault of that name."""


class FaultNameTaken(UsageError):
    """Another fault of that name is in place, or this one is being undone."""


class Withdrawn(BrownoutError):
    """The fault was deleted before its bite was seen; it is undone."""

    exit_code = 3


STATUSES: tuple[tuple[type[BrownoutError], int], ...] = (  # the first that fits
    (NoSuchFault, 404),
    (FaultNameTaken, 409),
    (Withdrawn, 409),
    (NotProven, 409),
    (Fenced, 409),
    (StackGone, 410),
    (AbilityMissing, 422),
    (Halted, 423),
    (UsageError, 400),
    (LeftUnsafe, 500),
    (WorldError, 502),
    (BrownoutError, 500),
)


def problem_of(error: BrownoutError) -> ProblemDocument:
    """The problem document of an error, with its fields."""
    own: dict[str, Any] = {name: value for name in OWN_FIELDS if (value := getattr(error, name, None)) is not None}
    status = error.status if isinstance(error, HttpError) else _status(error)
    word = HTTPStatus(status).phrase if isinstance(error, HttpError) else type(error).__name__
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", word).lower().replace(" ", "-")
    return ProblemDocument(
        type=f"urn:brownout:problem:{name}",
        title=name.replace("-", " "),
        status=status,
        detail=error.message,
        hint=error.hint,
        exit_code=error.exit_code,
        **own,
    )


def answer_of(error: BrownoutError) -> Response:
    """The answer that tells an error."""
    problem, headers = problem_of(error), error.headers if isinstance(error, HttpError) else {}
    body = problem.model_dump(mode="json", exclude_none=True)
    return Response(problem.status, body, {**headers, "content-type": PROBLEM_TYPE})


def _status(error: BrownoutError) -> int:
    return next(status for kind, status in STATUSES if isinstance(error, kind))
