"""The kernel: virtual time, order, and no failure that goes unheard."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.worlds.simulation.kernel import NS_PER_S, Deadlock, Future, Kernel, Timer


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel(1000.0)
    yield made
    made.close()


class Broken(Exception):
    """What the tests' coroutines fail with."""


async def fail(kernel: Kernel, after_s: float = 0.0) -> None:
    await kernel.sleep(after_s)
    raise Broken


def test_time_moves_only_by_sleeping(kernel: Kernel) -> None:
    """A day of sleep is a day of virtual time, exactly."""

    async def story() -> list[float]:
        seen = [kernel.now_s()]
        await kernel.sleep(86400)
        seen.append(kernel.now_s())
        await kernel.sleep_until(2000)  # long past
        return [*seen, kernel.now_s()]

    assert kernel.run(story()) == [1000.0, 87400.0, 87400.0]


@pytest.mark.parametrize("duration_s", [0.0, -5.0])
def test_sleeping_for_nothing_lets_the_others_go_first(kernel: Kernel, duration_s: float) -> None:
    """A sleep of zero or less gives way once and takes no time."""
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    async def story() -> float:
        kernel.spawn(other())
        await kernel.sleep(duration_s)
        order.append("story")
        return kernel.now_s()

    assert kernel.run(story()) == 1000.0
    assert order == ["other", "story"]


@given(st.lists(st.integers(0, 5), max_size=30))
def test_callbacks_run_by_time_and_ties_in_the_order_of_scheduling(delays: list[int]) -> None:
    """Order is (time, order of scheduling), whatever the delays."""
    kernel, seen = Kernel(), []
    for index, delay in enumerate(delays):
        kernel.after(delay, lambda index=index: seen.append(index))  # type: ignore[misc]
    kernel.run(kernel.sleep(10))
    assert seen == [index for _, index in sorted((delay, index) for index, delay in enumerate(delays))]


@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(-1, 3), max_size=4)), max_size=8))
def test_what_callbacks_schedule_takes_its_place_in_the_same_order(program: list[tuple[int, list[int]]]) -> None:
    """Order is (time, order of scheduling) also for what callbacks schedule in their turn, at once (-1) or for later."""
    kernel, seen, scheduled = Kernel(), [], []

    def schedule(delay: int, then: list[int]) -> None:
        number = len(scheduled)
        scheduled.append(kernel.now_ns + max(0, delay) * NS_PER_S)
        callback = partial(run, number, then)
        kernel.soon(callback) if delay < 0 else kernel.after(delay, callback)

    def run(number: int, then: list[int]) -> None:
        assert kernel.now_ns == scheduled[number]
        seen.append(number)
        for delay in then:
            schedule(delay, [])

    for delay, then in program:
        schedule(delay, then)
    kernel.run(kernel.sleep(10))
    assert seen == sorted(range(len(scheduled)), key=lambda number: (scheduled[number], number))


@given(st.lists(st.lists(st.integers(0, 2), max_size=4), max_size=6))
def test_who_sleeps_wakes_in_the_order_of_the_futures_that_are_slept_on(naps: list[list[int]]) -> None:
    """A timer that wakes its sleeper itself gives the order of one that has the kernel call it back."""

    def order(ring: Callable[[Timer], None]) -> list[tuple[int, int]]:
        kernel, seen = Kernel(), list[tuple[int, int]]()

        async def sleeper(number: int, times: list[int]) -> None:
            for nap, delay in enumerate(times):
                await kernel.sleep(delay)
                seen.append((number, nap))
                kernel.soon(partial(seen.append, (-number, nap)))
                kernel.after(delay, partial(seen.append, (number, -nap)))

        async def story() -> None:
            for number, times in enumerate(naps, 1):
                kernel.spawn(sleeper(number, times))
            await kernel.sleep(20)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Timer, "ring", ring)
            kernel.run(story())
        return seen

    assert order(Timer.ring) == order(lambda timer: timer.resolve(None))


def test_what_is_scheduled_for_the_past_happens_now(kernel: Kernel) -> None:
    """Time never goes backwards."""
    seen: list[float] = []
    kernel.at(5, lambda: seen.append(kernel.now_s()))
    kernel.run(kernel.sleep(1))
    assert seen == [1000.0]


def test_waiting_for_what_can_never_happen_is_a_deadlock(kernel: Kernel) -> None:
    """`run` says so instead of hanging."""

    async def story() -> None:
        await Future[None](kernel)

    with pytest.raises(Deadlock):
        kernel.run(story())


@pytest.mark.parametrize("foreign", ["asyncio", "another kernel", "plain"])
def test_awaiting_what_is_not_of_the_kernel_fails_where_it_stands(kernel: Kernel, foreign: str) -> None:
    """A foreign awaitable raises TypeError at the await, which can be handled there."""

    class Plain:
        def __await__(self) -> Iterator[int]:
            yield 7

    async def story() -> str:
        awaitables: dict[str, Any] = {"another kernel": Future[None](Kernel()), "plain": Plain()}
        try:
            await (asyncio.sleep(0) if foreign == "asyncio" else awaitables[foreign])
        except TypeError as wrong:
            return str(wrong)
        return ""

    assert "not of its kernel" in kernel.run(story())


def test_a_failure_reaches_whoever_awaits(kernel: Kernel) -> None:
    """A spawned coroutine's failure is raised at the await, and there only."""

    async def story() -> str:
        try:
            await kernel.spawn(fail(kernel, 1))
        except Broken:
            return "handled"
        return ""

    assert kernel.run(story()) == "handled"


def test_a_failure_that_nobody_awaits_ends_the_run(kernel: Kernel) -> None:
    """A failure of a coroutine that no other awaits is raised by `run`, at the virtual time at which it occurred."""

    async def story() -> None:
        kernel.spawn(fail(kernel, 3))
        await kernel.sleep(1000)

    with pytest.raises(Broken):
        kernel.run(story())
    assert kernel.now_s() == 1003.0


def test_the_run_that_is_ended_takes_its_things_down(kernel: Kernel) -> None:
    """The failure is thrown into the running coroutine, whose `finally` may still await."""
    seen: list[str] = []

    async def story() -> None:
        kernel.spawn(fail(kernel, 1))
        try:
            await kernel.sleep(1000)
        finally:
            await kernel.sleep(5)
            seen.append(f"down at {kernel.now_s():.0f}")

    with pytest.raises(Broken):
        kernel.run(story())
    assert seen == ["down at 1006"]


def test_a_handled_failure_lets_the_run_go_on_in_step(kernel: Kernel) -> None:
    """After an interruption the coroutine is not woken by what it awaited before."""

    async def story() -> list[float]:
        kernel.spawn(fail(kernel, 1))
        seen = []
        try:
            await kernel.sleep(10)
        except Broken:
            seen.append(kernel.now_s())
        await kernel.sleep(30)  # the first sleep ends in the middle of this one
        return [*seen, kernel.now_s()]

    assert kernel.run(story()) == [1001.0, 1031.0]


def test_a_coroutine_that_is_begun_runs_as_far_as_its_first_wait(kernel: Kernel) -> None:
    """`begin` takes the first step at once; what is left goes on by the clock."""
    seen: list[str] = []

    async def beat() -> None:
        seen.append("first step")
        await kernel.sleep(5)
        seen.append(f"second step at {kernel.now_s():.0f}")

    def callback() -> None:
        kernel.begin(beat())
        seen.append("callback")

    kernel.after(1, callback)
    kernel.run(kernel.sleep(10))
    assert seen == ["first step", "callback", "second step at 1006"]


@pytest.mark.parametrize("waits", [False, True])
def test_what_is_begun_gives_its_result_in_the_step_in_which_it_ends(kernel: Kernel, waits: bool) -> None:
    """`then` has the result before anything else that is due at that instant."""
    seen: list[str] = []

    async def made() -> str:
        if waits:
            await kernel.sleep(5)
        kernel.soon(lambda: seen.append("what was due later"))
        return "result"

    kernel.begin(made(), seen.append)
    kernel.run(kernel.sleep(10))
    assert seen == ["result", "what was due later"]


@pytest.mark.parametrize("waits", [False, True])
def test_what_is_started_gives_its_end_as_a_future(kernel: Kernel, waits: bool) -> None:
    """`started` takes the first step in the middle of the caller's; results and failures are the future's."""
    seen: list[str] = []

    async def made() -> str:
        seen.append("first step")
        if waits:
            await kernel.sleep(5)
        return "end"

    async def story() -> str:
        ends = kernel.started(made())
        broken = kernel.started(fail(kernel, 5.0)) if waits else kernel.started(_broken())
        seen.append("caller")
        assert ends.done is not waits
        with pytest.raises(Broken):
            await broken
        return await ends

    assert kernel.run(story()) == "end"
    assert seen == ["first step", "caller"]


async def _broken() -> None:
    raise Broken


@pytest.mark.parametrize("after_s", [None, 1.0])
def test_a_failure_of_what_was_begun_ends_the_run(kernel: Kernel, after_s: float | None) -> None:
    """In its first step or in a later one."""

    async def broken() -> None:
        if after_s is not None:
            await kernel.sleep(after_s)
        raise Broken

    kernel.after(2, lambda: kernel.begin(broken()))
    with pytest.raises(Broken):
        kernel.run(kernel.sleep(10))
    assert kernel.now_s() == 1002.0 + (after_s or 0.0)


def test_many_waiters_are_woken_in_order(kernel: Kernel) -> None:
    """Everybody who awaits a future gets its value, in the order in which they came."""
    future: Future[str] = Future(kernel)
    seen: list[str] = []

    async def wait(name: str) -> None:
        seen.append(name + await future)

    async def story() -> None:
        ends = [kernel.spawn(wait(name)) for name in "abc"]
        await kernel.sleep(1)
        future.resolve("!")
        for end in ends:
            await end

    kernel.run(story())
    assert seen == ["a!", "b!", "c!"]


def test_the_first_end_of_a_future_counts(kernel: Kernel) -> None:
    """Later values and failures are ignored."""
    future: Future[int] = Future(kernel)
    future.resolve(1)
    future.resolve(2)
    future.fail(Broken())
    assert (future.done, future.result()) == (True, 1)


def test_closing_ends_what_is_under_way(kernel: Kernel) -> None:
    """Coroutines that never ended are closed, in the order in which they were started."""
    seen: list[str] = []

    async def wait(name: str) -> None:
        try:
            await kernel.sleep(1000)
        finally:
            seen.append(name)

    async def story() -> None:
        for name in "abc":
            kernel.spawn(wait(name))
        await kernel.sleep(1)

    kernel.run(story())
    kernel.close()
    assert seen == ["a", "b", "c"]


def test_closing_ends_a_coroutine_that_awaits_on_its_way_out(kernel: Kernel) -> None:
    """As one that takes down what it started: each of its awaits is refused, and closing neither fails nor waits."""
    seen: list[str] = []

    async def wait() -> None:
        try:
            await kernel.sleep(1000)
        finally:
            try:
                await kernel.sleep(1)
            finally:
                await kernel.sleep(1)
                seen.append("not reached")

    kernel.spawn(wait())
    kernel.run(kernel.sleep(1))
    kernel.close()
    kernel.close()
    assert seen == []
    assert kernel.now_s() == 1001.0


def test_run_is_not_re_entrant(kernel: Kernel) -> None:
    """A coroutine that calls `run` itself gets an error that says so."""

    async def story() -> None:
        inner: Coroutine[Any, Any, None] = kernel.sleep(1)
        try:
            kernel.run(inner)
        finally:
            inner.close()

    with pytest.raises(AssertionError, match="re-entrant"):
        kernel.run(story())


def test_a_kernel_runs_again_where_it_stopped(kernel: Kernel) -> None:
    """Time and what is under way go on from run to run."""
    seen: list[float] = []

    async def beat() -> None:
        while True:
            await kernel.sleep(10)
            seen.append(kernel.now_s())

    async def start() -> None:
        kernel.spawn(beat())

    kernel.run(start())
    kernel.run(kernel.sleep(15))
    kernel.run(kernel.sleep(10))
    assert seen == [1010.0, 1020.0]


def test_a_failure_is_freed_with_its_last_reference(kernel: Kernel) -> None:
    """A future whose failure was awaited is part of no reference cycle: an outage has a failed call for each request."""

    def failing() -> Future[None]:
        future: Future[None] = Future(kernel)
        future.fail(Broken())
        return future

    async def story() -> weakref.ref[Broken]:
        try:
            await failing()
        except Broken as failed:
            return weakref.ref(failed)
        raise AssertionError("it was awaited and did not raise")

    gc.disable()
    try:
        assert kernel.run(story())() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_place_is_before_what_was_scheduled_after_it_however_late_it_is_taken(kernel: Kernel, taken: int) -> None:
    """A callback that is put later than others of its instant still runs where `after` would have had it."""
    heard: list[str] = []

    async def story() -> None:
        place = kernel.place(3.0)
        kernel.after(3.0, lambda: heard.append("later"))
        for second in range(3):
            if second == taken:
                kernel.put(place, lambda: heard.append("place"))
            await kernel.sleep(1.0)
        await kernel.sleep(1.0)

    kernel.run(story())
    assert heard == ["place", "later"]


def test_a_place_that_is_not_in_the_future_is_due_now(kernel: Kernel) -> None:
    """A time-out of nothing is put at once, after what is due already."""
    heard: list[str] = []

    async def story() -> None:
        kernel.soon(lambda: heard.append("first"))
        kernel.put(kernel.place(0.0), lambda: heard.append("place"))
        await kernel.sleep(0.0)

    kernel.run(story())
    assert heard == ["first", "place"]
