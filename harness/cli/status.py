"""`brownout status`: the stacks that are up, once or again and again."""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from brownout.harness.cli.frame import command, heal_first, tell
from brownout.harness.cli.output import reader_gone
from brownout.harness.cli.shell.complete import stack_names
from brownout.harness.cli.types import DurationType

if TYPE_CHECKING:
    from rich.console import Console

    from brownout.harness.errors import BrownoutError
    from brownout.harness.operate.loads.good_share import Probes
    from brownout.harness.operate.status import StackView

PLAIN_WIDTH = 100


@command(name="status")
@click.option("--watch", is_flag=True, help="Keep showing it; q or Ctrl-C ends.")
@click.option("--interval", "interval_s", type=DurationType(), default="2s", show_default=True, help="How often, with --watch.")
@click.option("--stack", default="", shell_complete=stack_names, help="Only this stack.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object; with --watch one per line.")
def status_command(watch: bool, interval_s: float, stack: str, as_json: bool) -> int:
    """Show the stacks that are up: nodes, builds, key ids, faults in place, and the share of good requests."""
    from brownout.harness.errors import BrownoutError, LeftUnsafe, UsageError
    from brownout.harness.operate.loads.good_share import Probes
    from brownout.harness.operate.orphans import orphan_lines

    if interval_s <= 0:
        raise UsageError("--interval is more than nothing", hint="such as --interval 2s")
    unsafe: BrownoutError | None = None
    try:
        heal_first("*")
    except LeftUnsafe as left:  # the state of things is wanted most when something is wrong
        unsafe = left
    for line in orphan_lines():
        click.echo(line, err=True)
    probes = Probes()
    broken = False
    if not watch:
        views = _views(stack, probes)
        broken = any(view.state != "dead" and view.problem for view in views)
        _show(views, as_json=as_json)
    elif sys.stdout.isatty() and not as_json:
        _watch_live(stack, probes, interval_s)
    else:
        _watch_plain(stack, probes, interval_s, as_json=as_json)
    if unsafe is not None:
        tell(unsafe)
        return unsafe.exit_code
    return BrownoutError.exit_code if broken else 0


def _views(stack: str, probes: Probes) -> tuple[StackView, ...]:
    import asyncio

    from brownout.harness.operate.stacks import resolve_stack, stacks
    from brownout.harness.operate.status import overview

    async def all_views() -> tuple[StackView, ...]:
        return tuple(await asyncio.gather(*(overview(row, probes) for row in rows)))

    rows = [resolve_stack(stack, for_="look")] if stack else stacks()
    return asyncio.run(all_views())


def _show(views: tuple[StackView, ...], *, as_json: bool) -> None:
    halted = _halted()
    if as_json:
        click.echo(json.dumps({"halted": halted or None, "stacks": [_plain(view) for view in views]}))
        return
    if halted:
        click.echo(halted)
    from brownout.harness.cli.status_text import render

    console = _console()
    with console.capture() as drawn:
        console.print(render(views))
    click.echo("\n".join(line.rstrip() for line in drawn.get().splitlines()))


def _halted() -> str:
    """The halt in force and what ends it, in a line; "" where nothing is halted."""
    from brownout.harness.base.halt import read_halt
    from brownout.harness.base.statedir import existing_state_dir

    state = existing_state_dir()
    halt = None if state is None else read_halt(state)
    return "" if halt is None else f"{halt} (`brownout halt --lift` ends it)"


def _plain(view: StackView) -> dict[str, Any]:
    """A view as JSON data: times as text, shares computed."""
    plain = asdict(view)
    for fault in plain["faults"]:
        fault["since"], fault["until"] = (_iso(fault.pop(name)) for name in ("since_s", "until_s"))
    for good, counted in zip(plain["good"], view.good, strict=True):
        good["share"] = counted.share
    return plain


def _iso(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="seconds")


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def _watch_plain(stack: str, probes: Probes, interval_s: float, *, as_json: bool) -> None:
    """A block each time, until Ctrl-C."""
    try:
        while True:
            if not as_json:
                click.echo(datetime.now().astimezone().strftime("%H:%M:%S"))
            _show(_views(stack, probes), as_json=as_json)
            sys.stdout.flush()
            if reader_gone():
                return
            time.sleep(interval_s)
    except KeyboardInterrupt:
        return


def _watch_live(stack: str, probes: Probes, interval_s: float) -> None:
    """The terminal's whole page, redrawn, until q or Ctrl-C."""
    from rich.live import Live

    from brownout.harness.cli.status_text import render

    with _keys() as keys, Live(console=_console(), screen=True, auto_refresh=False) as live:
        try:
            while True:
                views = _views(stack, probes)
                told = datetime.now().astimezone().strftime(f"%H:%M:%S  every {interval_s:g} s, q ends")
                live.update(render(views, head="  ".join(filter(None, [told, _halted()]))), refresh=True)
                if _quits(keys, interval_s):
                    return
        except KeyboardInterrupt:
            return


@contextmanager
def _keys() -> Iterator[int | None]:
    """Standard input, each key as it is pressed; None where it is no terminal."""
    if not sys.stdin.isatty():
        yield None
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _quits(keys: int | None, within_s: float) -> bool:
    """Waits; True when q was pressed meanwhile."""
    end_s = time.monotonic() + within_s
    while (left_s := end_s - time.monotonic()) > 0:
        if keys is None:
            time.sleep(left_s)
        elif select.select([keys], [], [], left_s)[0]:
            pressed = os.read(keys, 64)
            if not pressed or b"q" in pressed.lower():
                return True
    return False
