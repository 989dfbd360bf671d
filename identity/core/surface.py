"""How a vendor's wire is hung onto a role, and what a role's operations return.

A role (brownout.identity.core.nodes) keeps state and offers operations in neutral words. A *surface* translates one
vendor's wire for one role: it takes the requests that are its own, calls the role and renders what comes back. Which
surfaces a role has is decided in brownout.identity.roles alone, so a vendor is added without a change of a role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from brownout.identity.core.messages import Request, Response
from brownout.identity.core.records import CachedToken
from brownout.identity.core.topology import CONTROL_PATH
from brownout.identity.core.trail import Hop

OWN = f"{CONTROL_PATH}/"  # where a node's own pages begin, which no surface has

Code = Literal["not-found", "not-assignable", "unready", "unreachable", "unavailable", "unpublished", "overloaded"]

# What each code means, as the status that it has between nodes.
STATUS: Mapping[Code, int] = {
    "not-found": 404,  # the identity does not exist, or may not be used from here
    "not-assignable": 400,  # an identity that is to be assigned does not exist
    "unready": 503,  # this node has no replica yet
    "unreachable": 503,  # a node that is needed does not answer
    "unavailable": 500,  # a node that is needed answers and cannot do its part
    "unpublished": 503,  # the store has the change, the directory did not take it
    "overloaded": 503,  # a node that is needed has more to do than it can (docs/reference/overload.md)
}
_CODES: Mapping[str, Code] = {code: code for code in STATUS}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an operation of a role did not succeed, in neutral words. Surfaces render it as their vendor does."""

    code: Code
    message: str
    retry_after_s: float = 0.0  # when the caller may try again, 0 where it is not said

    @property
    def is_outage(self) -> bool:
        """True when the service is at fault and the caller may try again."""
        return STATUS[self.code] >= 500

    def to_response(self) -> Response:
        """The failure as nodes tell it to each other."""
        return with_retry_after(error(STATUS[self.code], self.code, self.message), self.retry_after_s)

    @classmethod
    def from_response(cls, response: Response) -> Failure:
        """The failure that another node answered with; `unavailable` for an answer that is none of ours."""
        found = (response.body or {}).get("error")
        told = found if isinstance(found, Mapping) else {}
        code = _CODES.get(str(told.get("code")), "unavailable")
        return cls(code, str(told.get("message", response.status)), retry_after_of(response))


class Served(NamedTuple):
    """An answer, this node's part in it, and the trail of the answer that it was made from.

    Without a hop the answer shows no trail, as those of pages that only other nodes read.
    """

    response: Response
    hop: Hop | None = None
    inner: str = ""

    @property
    def trail(self) -> str:
        """The trail of the answer, "" for one that shows none."""
        return "" if self.hop is None else trail_text(self.hop, self.inner)

    def sealed(self) -> Response:
        """The answer with its trail, ready to be sent."""
        return self.response if self.hop is None else self.response.sealed(trail_text(self.hop, self.inner))


@lru_cache(maxsize=1024)  # there are few ways through a stack, and every answer asks for one
def trail_text(hop: Hop, inner: str) -> str:
    """The trail of an answer that a node made from another one, whose trail is `inner`."""
    text = str(hop)
    return f"{text}>{inner}" if inner and text else text


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was asked for, or why there is none; this node's hop says whether its cache helped."""

    hop: Hop
    inner: str = ""
    token: CachedToken | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        assert (self.token is None) != (self.failure is None), "a token or a failure, and not both"


class Surface(Protocol):
    """One vendor's wire for one role."""

    def takes(self, request: Request) -> bool:
        """True for a request of this surface's own. The first surface of a role that takes a request serves it."""
        ...

    async def serve(self, request: Request) -> Served:
        """The answer to a request that it takes; raises BadPayload for one whose payload cannot be read."""
        ...


class AnswersAtOnce(Protocol):
    """A surface that has some answers ready, so that a server need not begin a coroutine for them."""

    def at_once(self, request: Request) -> Served | None:
        """What `serve` would answer to a request that it takes, where that waits for nothing; None leaves it to `serve`.

        Such an answer was made from no other node's, so that no trail is in it.
        Where it is None, nothing has been counted or changed. It raises no BadPayload. With a capacity nothing is ready.
        """
        ...


def _at_once_of(surface: Surface) -> Callable[[Request], Served | None] | None:
    """How it is asked for an answer that it has ready (AnswersAtOnce); None for a surface that has none."""
    at_once: Callable[[Request], Served | None] | None = getattr(surface, "at_once", None)
    return at_once


class ReadyAnswers:
    """The answers that a node's surfaces have ready, for a server that would otherwise begin a coroutine to ask the node."""

    def __init__(self, surfaces: Iterable[Surface]) -> None:
        each_ready = tuple((each.takes, _at_once_of(each)) for each in surfaces)
        self._ready = each_ready if any(at_once is not None for _, at_once in each_ready) else ()
        self._repeated: dict[str, tuple[Request, Served]] = {}  # of the control plane, by path

    def repeat(self, request: Request, served: Served) -> None:
        """The very same request of the stack's own, should it come to the same path next, is answered so and changes nothing.

        It is for what is published again and again. One that was received over a wire is never the same again.
        """
        assert request.path.startswith(OWN), "what clients are answered is the surfaces' business"
        if "raw_headers" not in request.__dict__:  # it was made in this process
            self._repeated[request.path] = request, served

    def repeat_nothing(self) -> None:
        """Each request is looked into again."""
        self._repeated.clear()

    def find(self, request: Request) -> Served | None:
        """What the node would answer, where that is ready; None, with nothing changed, where it is not."""
        path = request.path
        if path.startswith(OWN):
            known = self._repeated.get(path)
            return known[1] if known is not None and known[0] is request else None
        for takes, at_once in self._ready:
            if takes(request):
                return None if at_once is None else at_once(request)
        return None


@runtime_checkable
class RefusesOversized(Protocol):
    """A surface that has words of its own for a payload that is too large to be read."""

    def too_large(self, request: Request, text: str) -> Response:
        """The answer to a request of this surface's, which comes without its payload; `text` says what the limit is."""
        ...


@runtime_checkable
class TakesLarge(Protocol):
    """A surface whose requests may have a larger payload than is usual."""

    payload_limit_bytes: int


def too_large(surfaces: Iterable[Surface], request: Request, text: str) -> Response:
    """The answer to a request whose payload is too large, in the words of the surface that would have served it."""
    surface = next((each for each in surfaces if each.takes(request)), None)
    if isinstance(surface, RefusesOversized):
        return surface.too_large(request, text)
    return error(413, "RequestEntityTooLarge", text)


class Overloaded(NamedTuple):
    """Why a node does not take a request now. `retry_after_s` is 0 where it does not say."""

    status: int
    message: str
    retry_after_s: float = 0.0


@runtime_checkable
class RefusesWhenBusy(Protocol):
    """A surface that has words of its own for a request that its node has no capacity for."""

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        """The answer to a request of this surface's that was not looked into."""
        ...


def overloaded(surfaces: Iterable[Surface], request: Request, refusal: Overloaded) -> Response:
    """The answer to a request that the node has no capacity for, in the words of the surface that would have served it."""
    surface = next((each for each in surfaces if each.takes(request)), None)
    if isinstance(surface, RefusesWhenBusy):
        answer = surface.busy(request, refusal)
    else:
        answer = error(refusal.status, "overloaded", refusal.message)
    return with_retry_after(answer, refusal.retry_after_s)


def with_retry_after(response: Response, retry_after_s: float) -> Response:
    """The answer with the header `Retry-After` in whole seconds; as it is where that is 0."""
    return response.with_headers({"retry-after": str(ceil(retry_after_s))}) if retry_after_s else response


def retry_after_of(response: Response) -> float:
    """The seconds in `Retry-After`, 0 without the header or where it holds a date."""
    given = response.headers.get("retry-after", "")
    return float(given) if given.isdigit() else 0.0


def error(status: int, code: str, message: str) -> Response:
    """An error as nodes and control planes of the stack show it to each other and to the harness."""
    return Response(status, {"error": {"code": code, "message": message}})
