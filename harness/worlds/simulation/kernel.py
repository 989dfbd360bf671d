"""A coroutine kernel on virtual time: a heap of (nanoseconds, sequence, callback), nothing else.

Laws. Time is integer nanoseconds and moves only from event to event. Ties are broken by sequence number, so equal inputs
give equal runs, byte for byte. Coroutines await only Futures of this kernel (directly or through `sleep`); awaiting
anything else is an error at once rather than a hang. A failure that nobody awaits when it happens is thrown into the
coroutine that `run` was given, so that it takes everything down in order instead of going on without a part. No asyncio
here: its loop is five times slower and needs private interfaces to run on virtual time
(docs/reference/statistics.md#virtual-time).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
NS_PER_S = 1_000_000_000
_PENDING = object()


class Deadlock(Exception):
    """Nothing is scheduled and the awaited coroutine is not done: it waits for something that cannot happen."""


class Future(Generic[T]):
    """A value that will be there. The first `resolve` or `fail` counts, later ones are ignored."""

    __slots__ = ("_callbacks", "_error", "_kernel", "_value")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._value: Any = _PENDING
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], None]] = []

    @property
    def done(self) -> bool:
        return self._value is not _PENDING or self._error is not None

    @property
    def awaited(self) -> bool:
        """True while somebody waits for it."""
        return bool(self._callbacks)

    def belongs_to(self, kernel: Kernel) -> bool:
        return self._kernel is kernel

    def resolve(self, value: T) -> None:
        if not self.done:
            self._value = value
            self._wake()

    def fail(self, error: BaseException) -> None:
        if not self.done:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        for callback in self._callbacks:
            self._kernel.soon(callback)
        self._callbacks.clear()

    def when_done(self, callback: Callable[[], None]) -> None:
        if self.done:
            self._kernel.soon(callback)
        else:
            self._callbacks.append(callback)

    def result(self) -> T:
        """The value; raises what it failed with. Only to be called when done."""
        if self._error is not None:
            raise self._error
        assert self._value is not _PENDING
        return self._value  # type: ignore[no-any-return]  # Any holds the sentinel too

    def __await__(self) -> Generator[Future[T], None, T]:
        if not self.done:
            yield self
        return self.result()


class Kernel:
    """Runs coroutines on virtual time."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.now_ns = round(start_s * NS_PER_S)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._tasks: dict[_Task, None] = {}  # in the order of their start, so that closing is the same in every run
        self._main: _Task | None = None

    def now_s(self) -> float:
        return self.now_ns / NS_PER_S

    def at(self, instant_ns: int, callback: Callable[[], None]) -> None:
        """Calls back at an instant, or now if that is past."""
        self._sequence += 1
        heapq.heappush(self._heap, (instant_ns if instant_ns > self.now_ns else self.now_ns, self._sequence, callback))

    def soon(self, callback: Callable[[], None]) -> None:
        """Calls back at this instant, after what was already scheduled for it."""
        self._sequence += 1
        heapq.heappush(self._heap, (self.now_ns, self._sequence, callback))

    def after(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.at(self.now_ns + max(0, round(delay_s * NS_PER_S)), callback)

    async def sleep(self, duration_s: float) -> None:
        future: Future[None] = Future(self)
        self.after(duration_s, lambda: future.resolve(None))
        await future

    async def sleep_until(self, at_s: float) -> None:
        await self.sleep(at_s - self.now_s())

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts a coroutine at this instant; its end is the future's. A failure that nobody awaits surfaces in `run`."""
        return self._start(coroutine).end

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> _Task:
        task = _Task(self, coroutine)
        self._tasks[task] = None
        self.soon(task.step)
        return task

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs until `coroutine` is done and returns its result.

        Raises Deadlock when it never can be done, and what another coroutine failed with while nobody awaited that.
        """
        assert self._main is None, "run is not re-entrant"
        main = self._main = self._start(coroutine)
        heap = self._heap
        try:
            while not main.end.done:
                if not heap:
                    raise Deadlock("nothing is scheduled any more")
                self.now_ns, _, callback = heapq.heappop(heap)
                callback()
        finally:
            self._main = None
        result: T = main.end.result()
        return result

    def close(self) -> None:
        """Ends every coroutine that is still under way."""
        for task in list(self._tasks):
            task.close()
        self._tasks.clear()
        self._heap.clear()

    def ended(self, task: _Task, error: Exception | None) -> None:
        """Takes note of a task's end; a failure that nobody awaits is thrown into the coroutine that is being run."""
        self._tasks.pop(task, None)
        if error is not None and task is not self._main and not task.end.awaited and self._main is not None:
            self._main.interrupt(error)


class _Task:
    """A coroutine under way."""

    __slots__ = ("_awaiting", "_coroutine", "_kernel", "end")

    def __init__(self, kernel: Kernel, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._kernel, self._coroutine = kernel, coroutine
        self._awaiting: Future[Any] | None = None
        self.end: Future[Any] = Future(kernel)

    def step(self) -> None:
        awaiting = self._awaiting
        if self.end.done or (awaiting is not None and not awaiting.done):
            return  # woken by what it awaited before it was interrupted
        self._resume(None)

    def interrupt(self, error: Exception) -> None:
        """Has the coroutine fail with `error` where it stands, at this instant."""
        self._kernel.soon(lambda: None if self.end.done else self._resume(error))

    def _resume(self, error: Exception | None) -> None:
        try:
            awaited = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
            while not (isinstance(awaited, Future) and awaited.belongs_to(self._kernel)):
                wrong = f"a coroutine of the simulation awaited {awaited!r}, which is not of its kernel"
                awaited = self._coroutine.throw(TypeError(wrong))
        except StopIteration as stop:
            self._kernel.ended(self, None)
            self.end.resolve(stop.value)
        except Exception as failure:  # whatever it raised belongs to whoever awaits it
            self._kernel.ended(self, failure)
            self.end.fail(failure)
        else:
            self._awaiting = awaited
            awaited.when_done(self.step)

    def close(self) -> None:
        self._coroutine.close()
