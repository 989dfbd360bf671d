"""Permission to change a carrier: asked again right before each single change of an apply.

Theory. A process that is stopped in the middle of an apply (a suspended laptop, SIGSTOP) wakes with the rest of its changes
ahead of it, while a guardian has long reverted what it had done. So a check at the begin of an apply is not enough: whatever
changes a carrier asks right before, in the thread that makes the change. An undo runs without any such check, as it must work
in every process at any time.

The check is a context variable because it concerns the task that applies, and the threads it starts, and nothing else: worlds
know neither leases nor ledgers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Permit = Callable[[], None]


def _always() -> None:
    """Nothing is checked outside of an apply."""


_check: ContextVar[Permit] = ContextVar("permission", default=_always)


@contextmanager
def permitted_by(check: Permit) -> Iterator[None]:
    """Within the block, and in threads that it starts through asyncio, each change asks `check`, which raises to refuse."""
    before = _check.set(check)
    try:
        yield
    finally:
        _check.reset(before)


def require_permission() -> None:
    """Raises what the current check raises."""
    _check.get()()
