"""What every node owes whoever asks it: an answer that can be sent, no exception, an end, and to be as well as before.

One target for each of fuzz.stack.SURFACES. A stack is kept for STACK_CASES cases; after every CANARY_CASES its canaries must be
answered as they were at first. Holds that a case has put are released, since a switch that was thrown may well change a node.
"""

from __future__ import annotations

import logging
import random
import resource
import traceback
from pathlib import Path

from brownout.identity import wire
from brownout.identity.core.messages import BadPayload, Request, Response
from brownout.identity.core.topology import CONTROL_PATH
from fuzz.civil import Hangs, spends_within
from fuzz.shaken import Sample, shaken
from fuzz.stack import FuzzedStack

CANARY_CASES, STACK_CASES = 100, 2_000
LIMIT_S = 5.0  # of the processor
GROWTH_MAX_KB = 400_000  # of one stack's cases
REFUSALS = frozenset({401, 404})
OWN_ANSWERS = frozenset({501, 503, 504})  # above 500 only these are a node's way of saying no


class NodeTarget:
    """The cases of one surface."""

    def __init__(self, surface: str) -> None:
        logging.getLogger("brownout").setLevel(logging.CRITICAL)  # which operations are not built, each time
        self._surface = surface
        self._stack: FuzzedStack | None = None
        self._tried = 0

    def attempt(self, draw: random.Random, work: Path) -> tuple[str, str]:
        """What was asked, and which promise the node broke ("": none)."""
        if self._stack is None or self._tried >= STACK_CASES:
            self._begin()
        stack = self._stack
        assert stack is not None, "a stack has begun"
        self._tried += 1
        sample = shaken(draw, draw.choice(self._samples))
        asked = f"{sample.node}: {sample.method} {sample.path[:300]}"
        try:
            request = _received(sample)
        except (ValueError, UnicodeError):
            return asked, ""  # no server would hand it to a node
        asked = f"{asked} {request.target[:300]} {request.raw_headers!r:.500} {request.payload[:400]!r}"
        broken = _broken(self._surface, stack, sample.node, request)
        if self._surface == "control":
            self._release()
        if not broken and (self._tried % CANARY_CASES == 0 or self._tried == STACK_CASES):
            broken = self._worse()
        if broken:
            self._end()
        return asked, broken

    def _begin(self) -> None:
        self._end()
        self._stack = FuzzedStack()
        self._samples = self._stack.samples(self._surface)
        self._canaries = tuple(canary for canary in self._stack.canaries() if _stays(self._surface, canary))
        self._well = [_said(self._stack, canary) for canary in self._canaries]
        self._began_kb, self._tried = _memory_kb(), 0

    def _end(self) -> None:
        if self._stack is not None:
            self._stack.close()
            self._stack = None

    def _release(self) -> None:
        assert self._stack is not None, "a case was tried"
        for name in self._stack.spec.nodes():
            node = self._stack.node(name)
            for fault_id in tuple(node.holds.shown()):
                self._stack.world.run(node.holds.release(fault_id))

    def _worse(self) -> str:
        """Which node does not answer its canary as it did, or has grown."""
        assert self._stack is not None, "a case was tried"
        for canary, well in zip(self._canaries, self._well, strict=True):
            said = _said(self._stack, canary)
            if said != well:
                return f"{canary.node} answers {canary.path} with {said} instead of {well}"
        grown_kb = _memory_kb() - self._began_kb
        return f"grew by {grown_kb} kB in {self._tried} cases" if grown_kb > GROWTH_MAX_KB else ""


def _stays(surface: str, canary: Sample) -> bool:
    """Whether nothing that the surface allows takes away what the canary asks for: ARM may delete its machine, for one."""
    if surface in ("control", "editions"):
        return "healthz" in canary.path
    return surface != "arm" or "metadata" not in canary.path


def _received(sample: Sample) -> Request:
    """The request as a server hands it to a node; raises ValueError for one that a server refuses by itself."""
    asked = sample.request()
    target = wire.target_of(asked.target.encode("ascii"))
    lines = tuple((name.lower(), value.strip()) for name, value in asked.raw_headers)
    return Request.raw(asked.method, target, lines, asked.payload)


def _broken(surface: str, stack: FuzzedStack, name: str, request: Request) -> str:
    try:
        with spends_within(LIMIT_S):
            response = stack.ask(name, request)
            wire.encode_response(response, head_only=request.method == "HEAD")
    except Hangs:
        return f"{name}: no end within {LIMIT_S:g} s of processor"
    except BadPayload:
        return ""  # which a server answers with 400
    except Exception as error:  # whatever it is: a server would answer 500
        frames = traceback.extract_tb(error.__traceback__)
        own = next((frame for frame in reversed(frames) if "/identity/" in frame.filename), frames[-1])
        return f"{type(error).__name__}: {str(error)[:60]!r} in {own.filename.rpartition('/identity/')[2]}:{own.name}"
    if surface == "strangers" and _is_control(request) and response.status not in REFUSALS:
        return f"{name}: a stranger was answered with {response.status}"
    if response.status >= 500 and response.status not in OWN_ANSWERS:
        return f"{name}: status {response.status} {response.payload[:80]!r}"
    return ""


def _is_control(request: Request) -> bool:
    """Whether it asks for something that needs the stack's token."""
    return request.path.startswith(f"{CONTROL_PATH}/") and request.path != f"{CONTROL_PATH}/healthz"


def _said(stack: FuzzedStack, canary: Sample) -> tuple[int, tuple[str, ...]]:
    """What of an answer stays the same: its status and the names in it."""
    response: Response = stack.ask(canary.node, canary.request())
    return response.status, tuple(sorted(response.body or {}))


def _memory_kb() -> int:
    """The most that this process ever needed: it can only grow."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
