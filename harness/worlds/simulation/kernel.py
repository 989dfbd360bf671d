"""A coroutine kernel on virtual time: a heap of timers, a queue of what is due now, and nothing else.

Laws. Time is integer nanoseconds and moves only to the next timer, once the queue is empty. Callbacks run in the order of
(instant, scheduling), so equal inputs give equal runs, byte for byte. Coroutines await only Futures of this kernel (directly
or through `sleep`); awaiting anything else is an error at once rather than a hang. A coroutine's failure that nothing awaits
is thrown into the coroutine that `run` was given, so that the whole run ends in order instead of going on without a part.

The standard library's event loop is not used: on virtual time it needs its private interfaces, and it is five times slower.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Callback = Callable[[], None]
TimerPlace = tuple[int, int]  # a callback's instant, and its order among those that were scheduled
NS_PER_S = 1_000_000_000
_AWAITS_ON_THE_WAY_OUT_MAX = 1000


class Deadlock(Exception):
    """Nothing is scheduled and the awaited coroutine is not done, so it can never end."""


class Future(Generic[T]):
    """A value that is not there yet. The first `resolve` or `fail` counts, later ones are ignored."""

    __slots__ = ("_callbacks", "_error", "_value", "done", "kernel")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: tuple[Callback, ...] = ()

    @property
    def awaited(self) -> bool:
        """True while a coroutine or a callback waits for it."""
        return bool(self._callbacks)

    def resolve(self, value: T) -> None:
        if self.done:
            return
        self.done, self._value = True, value
        for callback in self._callbacks:
            self.kernel.soon(callback)
        self._callbacks = ()

    def fail(self, error: BaseException) -> None:
        if not self.done:
            self._error = error
            no_value: Any = None
            self.resolve(no_value)

    def when_done(self, callback: Callback) -> None:
        if self.done:
            self.kernel.soon(callback)
        else:
            self._callbacks = (*self._callbacks, callback)

    def result(self) -> T:
        """The value; raises the error that the future failed with. Only to be called when done."""
        assert self.done
        error = self._error
        if error is None:
            return self._value  # type: ignore[no-any-return]  # Any, because it is None until there is a value
        try:
            raise error
        finally:  # the error's traceback has this frame: with the future in it, each failed call would be a reference cycle
            del self, error

    def ended(self) -> Any:
        """The value, or the error itself where the future failed. Only to be called when done."""
        assert self.done
        return self._value if self._error is None else self._error

    def __await__(self) -> Generator[Future[T], None, T]:
        if not self.done:
            yield self
        try:
            return self.result()
        finally:
            del self  # as in `result`


class Timer(Future[None]):
    """Done when its time comes."""

    __slots__ = ()

    def ring(self) -> None:
        """What the kernel calls back at its instant, as a whole callback."""
        kernel = self.kernel
        if self.done or len(self._callbacks) != 1 or kernel.is_anything_due():
            self.resolve(None)
            return
        self.done = True  # the one that waits would be called back next, so it is now
        (callback,) = self._callbacks
        self._callbacks = ()
        callback()


class Kernel:
    """Runs coroutines on virtual time."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.now_ns = round(start_s * NS_PER_S)
        self._timers: list[tuple[int, int, Callback]] = []  # of later instants only
        self._due: deque[Callback] = deque()
        self.soon: Callable[[Callback], None] = self._due.append
        """Calls back at this instant, after what was already scheduled for it."""
        self._scheduled = 0
        self._tasks: dict[_Task[Any], None] = {}  # in the order of their start, so that closing is the same in every run
        self._main: _Task[Any] | None = None

    def now_s(self) -> float:
        return self.now_ns / NS_PER_S

    def is_anything_due(self) -> bool:
        """Whether other callbacks come at this instant."""
        return bool(self._due)

    def at(self, instant_ns: int, callback: Callback) -> None:
        """Calls back at an instant, or now if that is past."""
        if instant_ns > self.now_ns:
            self._scheduled += 1
            heapq.heappush(self._timers, (instant_ns, self._scheduled, callback))
        else:
            self._due.append(callback)

    def after(self, delay_s: float, callback: Callback) -> int:
        """Calls back after a while, counted from now; returns the instant."""
        instant_ns = self.now_ns + round(delay_s * NS_PER_S)
        if instant_ns > self.now_ns:
            self._scheduled += 1
            heapq.heappush(self._timers, (instant_ns, self._scheduled, callback))
        else:
            self._due.append(callback)
        return instant_ns

    def place(self, delay_s: float) -> TimerPlace:
        """The place that `after` would give a callback now, for one that may not be needed in the end (see `put`)."""
        self._scheduled += 1
        return self.now_ns + round(delay_s * NS_PER_S), self._scheduled

    def put(self, place: TimerPlace, callback: Callback) -> None:
        """Calls back in that place, as if it had been scheduled when the place was given. Its instant must not be past."""
        instant_ns, order = place
        if instant_ns > self.now_ns:
            heapq.heappush(self._timers, (instant_ns, order, callback))
        else:
            self._due.append(callback)

    def timer(self, duration_s: float) -> Timer:
        """A future that is done after a while, counted from now."""
        timer = Timer(self)
        self.after(duration_s, timer.ring)
        return timer

    async def sleep(self, duration_s: float) -> None:
        await self.timer(duration_s)

    async def sleep_until(self, at_s: float) -> None:
        await self.timer(at_s - self.now_s())

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Starts a coroutine at this instant; its end is the future's. A failure that nothing awaits surfaces in `run`."""
        return self._start(coroutine)

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> _Task[T]:
        task = _Task(self, coroutine)
        self._tasks[task] = None
        self._due.append(task.step)
        return task

    def started(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """`spawn`, but runs the coroutine at once as far as its first wait: in the middle of the caller's step."""
        ended: Future[T] = Future(self)
        try:
            awaited = coroutine.send(None)
        except StopIteration as stop:
            ended.resolve(stop.value)
        except Exception as failure:
            ended.fail(failure)
        else:
            task = _Task(self, coroutine)
            self._tasks[task] = None
            task.wait_for(awaited)
            return task
        return ended

    def begin(self, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None] | None = None) -> None:
        """Runs a coroutine at once as far as its first wait; from there on it runs like a spawned one.

        Called in a coroutine, it runs the other one in the middle of the caller's step. `then` is given its result, in the
        step in which it ends.
        """
        try:
            awaited = coroutine.send(None)
        except StopIteration as stop:
            if then is not None:
                then(stop.value)
            return
        except Exception as failure:
            self.surface(failure)
            return
        task = _Task(self, coroutine, then)
        self._tasks[task] = None
        task.wait_for(awaited)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs until `coroutine` is done and returns its result.

        Raises Deadlock when it never can be done, and the failure of any other coroutine that nothing awaits.
        """
        assert self._main is None, "run is not re-entrant"
        main = self._start(coroutine)
        self._main = main
        due, timers, pop = self._due, self._timers, heapq.heappop
        try:
            while not main.done:
                if due:
                    due.popleft()()
                    continue
                if not timers:
                    raise Deadlock("nothing is scheduled any more")
                now_ns, _, callback = pop(timers)
                self.now_ns = now_ns
                # All timers of this instant become due before the first of them runs, so that what they schedule for the
                # same instant comes after them.
                while timers and timers[0][0] == now_ns:
                    due.append(pop(timers)[2])
                callback()
        finally:
            self._main = None
        return main.result()

    def close(self) -> None:
        """Ends every coroutine that is still under way."""
        for task in list(self._tasks):
            task.close()
        self._tasks.clear()
        self._timers.clear()
        self._due.clear()

    def ended(self, task: _Task[Any], error: Exception | None) -> None:
        """Removes a task that has ended; surfaces its error if no coroutine awaits it."""
        self._tasks.pop(task, None)
        if error is not None and task is not self._main and not task.awaited:
            self.surface(error)

    def surface(self, error: Exception) -> None:
        """Throws a failure that nothing awaits into the coroutine that is being run."""
        if self._main is not None:
            self._main.interrupt(error)


class _Task(Future[T]):
    """A coroutine under way, and the future of its result."""

    __slots__ = ("_awaiting", "_coroutine", "_then")

    def __init__(self, kernel: Kernel, coroutine: Coroutine[Any, Any, T], then: Callable[[T], None] | None = None) -> None:
        super().__init__(kernel)
        self._coroutine, self._then = coroutine, then
        self._awaiting: Future[Any] | None = None

    def step(self) -> None:
        awaiting = self._awaiting
        if self.done or (awaiting is not None and not awaiting.done):
            return  # a late wake-up by the future that it awaited before an interrupt; it awaits another one now
        self._resume(None)

    def interrupt(self, error: Exception) -> None:
        """Raises `error` in the coroutine where it waits now, at this instant."""
        self.kernel.soon(lambda: None if self.done else self._resume(error))

    def _resume(self, error: Exception | None) -> None:
        try:
            awaited = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration as stop:
            if self._then is not None:
                self._then(stop.value)
            self.kernel.ended(self, None)
            self.resolve(stop.value)
        except Exception as failure:  # it belongs to the coroutine that awaits this one's end
            self.kernel.ended(self, failure)
            self.fail(failure)
        else:
            self.wait_for(awaited)

    def wait_for(self, awaited: Any) -> None:
        """Resumes the coroutine when the future that it awaits is done. Awaiting anything else raises TypeError in it."""
        if getattr(awaited, "kernel", None) is self.kernel:
            self._awaiting = awaited
            awaited.when_done(self.step)
        else:
            self._resume(TypeError(f"a coroutine of the simulation awaited {awaited!r}, which is not of its kernel"))

    def close(self) -> None:
        """Ends the coroutine. What it awaits on its way out is refused, one after the other: nothing answers any more."""
        for _ in range(_AWAITS_ON_THE_WAY_OUT_MAX):
            try:
                self._coroutine.close()
            except RuntimeError as error:
                if str(error) != "coroutine ignored GeneratorExit":
                    raise
            else:
                return
