"""The command line's frame: the group, how errors end, and what every command does first (heal leftovers)."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import click

from brownout import __version__
from brownout.harness.base.interrupts import INTERRUPTED
from brownout.harness.cli.output import Output, whole_streams
from brownout.harness.errors import BrownoutError, StateFolderError, readable

P = ParamSpec("P")
YOUNG_MAX = 500_000  # new objects before the garbage collector looks at them; Python's own is 700


class _Commands(click.Group):
    """The commands, with streams that exist and can be written for every one of them, `--help` and wrong usage too.

    What click says of a wrong word can be printed, whatever the word was.
    """

    def main(self, *args: Any, **settings: Any) -> Any:
        with whole_streams() as out:
            try:
                return super().main(*args, **settings)
            except SystemExit as ended:
                if not _tell_loss(out) or ended.code:
                    raise
                sys.exit(BrownoutError.exit_code)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """What the installed command calls, in a process that ends with it."""
        try:
            return super().__call__(*args, **settings)
        finally:
            gc.freeze()  # what is left goes with the process: looking through a run's record took half a second

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as wrong:
            wrong.message = readable(wrong.message)  # type: ignore[misc]  # Click declares it final, and shows it after this
            raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="brownout")
def main() -> None:
    """Break an emulated cloud identity service the way real ones broke, and measure whether its clients stayed available."""


def command(*, measures: bool = False, **settings: Any) -> Callable[[Callable[P, int | None]], click.Command]:
    """A subcommand whose function returns an exit code; BrownoutErrors end it with their message, hint and code.

    SIGTERM acts as Ctrl-C, so that a command reverts what it began before it ends. The exit code of a command that `measures`
    stays the measurement's when its output is lost; that of another is then a failure's.
    """

    def decorate(function: Callable[P, int | None]) -> click.Command:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            code = _code(lambda: function(*args, **kwargs))
            if isinstance(sys.stdout, Output) and _tell_loss(sys.stdout):
                code = code or (0 if measures else BrownoutError.exit_code)
            sys.exit(code)

        return main.command(**settings)(guarded)

    return decorate


def _tell_loss(out: Output) -> bool:
    lost = out.take_loss()
    if lost:
        click.echo(f"brownout: the output could not be written: {lost}", err=True)
    return bool(lost)


def _code(run: Callable[[], int | None]) -> int:
    """The exit code of a command, its error told."""
    try:
        with _collecting_rarely(), _sigterm_interrupts():
            return run() or 0
    except BrownoutError as error:
        tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        _hear_no_more()
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception:  # a traceback's own exit code is a breach's, and a bug of ours is none
        traceback.print_exc()
        return BrownoutError.exit_code


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    """Has the garbage collector look less often: a run makes few reference cycles, and the looks cost a tenth of it."""
    usual = gc.get_threshold()
    gc.set_threshold(YOUNG_MAX, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        _hear_no_more()
        raise
    finally:
        if signal.getsignal(signal.SIGTERM) is signal.default_int_handler:
            signal.signal(signal.SIGTERM, before)


def _hear_no_more() -> None:
    """Nothing is left to interrupt: another signal must not change the exit code of a command that is just leaving."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def tell(error: BrownoutError) -> None:
    """Prints an error and its hint to stderr."""
    click.echo(f"brownout: {error.message}", err=True)
    if error.hint:
        click.echo(f"  -> {error.hint}", err=True)


def heal_first(stack_id: str = "", *, needs_state: bool = True) -> frozenset[str]:
    """Reverts what earlier commands left in place and prints it.

    A command that `needs_state` raises StateFolderError where there can be no state folder; another goes on without one.

    What could not be undone is printed too, and keeps no command from its work on other stacks: the ids of the stacks
    concerned are returned. Raises LeftUnsafe when `stack_id` is one of them, or is "*" and there is any.
    """
    from brownout.harness.injection.standing import anything_stands

    try:
        if not anything_stands():
            return frozenset()  # without what undoes: it takes longer to import than all of this

        from brownout.harness.operate.heal import ASIDE_TIMEOUT_S, undo_leftovers

        found = undo_leftovers(limit_s=ASIDE_TIMEOUT_S)
    except StateFolderError:
        if needs_state:
            raise
        return frozenset()
    for line in found.lines:
        click.echo(line, err=True)
    if found.unsafe is None:
        return frozenset()
    if stack_id == "*" or stack_id in found.unsafe_stacks:
        raise found.unsafe
    tell(found.unsafe)
    return found.unsafe_stacks
