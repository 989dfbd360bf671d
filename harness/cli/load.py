"""`brownout load`: load on a standing stack, with Locust's web UI, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from brownout.harness.cli.frame import command, heal_first
from brownout.harness.cli.shell.complete import experiment_names, stack_names
from brownout.harness.cli.types import PORT, RATE_PER_S, SEED, NumberType

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from brownout.harness.load.dashboard_view import View
    from brownout.harness.operate.loads.load_session import LoadEnd

T = TypeVar("T")
EXPECTED = ("pass", "breach", "inconclusive")


@command(name="load")
@click.argument("experiment", default="", shell_complete=experiment_names)
@click.option("--stack", default="", shell_complete=stack_names, help="The stack's id; the only one that is up when not given.")
@click.option("--rate", type=RATE_PER_S, help="Requests per second, all cohorts. [default: 50]")
@click.option("--scale-rate", type=RATE_PER_S, help="Instead: times what EXPERIMENT says.")
@click.option("--set", "settings", multiple=True, metavar="COHORT=RATE", help="Requests per second of one cohort; 0 for none.")
@click.option("--workers", type=NumberType(1, 64, whole=True), default=1, show_default=True, help="Processes that send.")
@click.option("--master-port", type=PORT, help="Let workers join on this port of loopback.")
@click.option("--for", "length", default="", help="How long, such as 10m; until Ctrl-C when not given.")
@click.option("--dashboard-port", type=PORT, default=8089, show_default=True)
@click.option("--headless", is_flag=True, help="Without the web UI.")
@click.option("--seed", type=SEED, default=1, show_default=True)
@click.option("--expect", type=click.Choice(EXPECTED), default=None, help="Exit 0 when the load met this.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.option("--feed", default="", metavar="URL", help="Start no load: tell the dashboard at URL about the stack's faults.")
def load_command(
    experiment: str,
    stack: str,
    rate: float | None,
    scale_rate: float | None,
    settings: tuple[str, ...],
    workers: int,
    master_port: int | None,
    length: str,
    dashboard_port: int,
    headless: bool,
    seed: int,
    expect: str | None,
    as_json: bool,
    feed: str,
) -> int:
    """Put load on a standing stack, by the cohorts of EXPERIMENT or by clients of every kind, and watch it.

    Locust's web UI shows the load, a strip under its charts the faults in place and the objectives, and its page /faults
    both in time. Ctrl-C ends the load and prints the results by cohort. Rates are per real second.

    Exit codes: 0, or 3 when requests are missing in the figures, because a worker was lost. With --expect: 0 when the
    objectives came out so, 1 when pass or breach came out instead, 3 when nothing can be said: also where the generator did
    not keep up.
    """
    from brownout.harness.base.durations import parse_duration_s
    from brownout.harness.errors import UsageError
    from brownout.harness.experiment.loader import find, load
    from brownout.harness.operate.loads.load_session import LoadOptions, run

    if rate is not None and scale_rate is not None:
        raise UsageError("--rate and --scale-rate are two ways to say one thing", hint="give one of them")
    if scale_rate is not None and not experiment:
        raise UsageError("--scale-rate needs an EXPERIMENT whose rates it scales", hint="or say --rate")
    try:
        for_s = parse_duration_s(length) if length else None
    except ValueError as wrong:
        raise UsageError(f"--for: {wrong}") from wrong
    if for_s == 0:
        raise UsageError("--for is more than nothing", hint="such as --for 10m")
    heal_first()
    if feed:
        return _feed(feed, stack, for_s)
    options = LoadOptions(
        experiment=load(find(experiment)) if experiment else None,
        stack=stack,
        total_per_s=rate,
        scale=scale_rate,
        rates=dict(map(_setting, settings)),
        workers=workers,
        master_port=master_port,
        for_s=for_s,
        dashboard_port=None if headless else dashboard_port,
        seed=seed,
    )
    ended = _until_interrupted(lambda stop: run(options, stop, _say))
    _show(ended, as_json=as_json)
    return _exit_code(ended, expect or "")


def _exit_code(ended: LoadEnd, expect: str) -> int:
    from brownout.harness.judge.evaluate import exit_code

    if not expect:
        return exit_code("inconclusive" if ended.missing() else "pass", "")
    verdict = ended.verdict()
    if verdict != expect:
        _say(f"expected {expect}, met {verdict}")
    return exit_code(verdict, expect)


def _setting(text: str) -> tuple[str, float]:
    from brownout.harness.base.plain import parse_number
    from brownout.harness.errors import UsageError

    name, equals, value = text.partition("=")
    try:
        rate_per_s = parse_number(value)
        problem = "" if 0 <= rate_per_s <= RATE_PER_S.most else f"it is from 0 to {RATE_PER_S.most:g} per second"
    except ValueError as wrong:
        problem = str(wrong) if equals else "there is no ="
    if problem:
        raise UsageError(f"--set {text}: {problem}", hint="write COHORT=RATE, such as --set sydney-machines=20")
    return name, rate_per_s


def _feed(url: str, stack: str, for_s: float | None) -> int:
    from brownout.harness.operate.loads.fault_feed import feed

    _say(_until_interrupted(lambda stop: feed(url, stack, stop, _say, for_s=for_s)))
    return 0


def _until_interrupted(begin: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """What `begin` makes of an event that Ctrl-C, SIGTERM and a closed terminal set."""
    import asyncio

    from brownout.harness.base.interrupts import interruptible

    async def begun() -> T:
        stop = asyncio.Event()
        with interruptible(asyncio.get_running_loop(), first=stop.set):
            return await begin(stop)

    return asyncio.run(begun())


def _say(text: str) -> None:
    click.echo(text, err=True)


def _show(ended: LoadEnd, *, as_json: bool) -> None:
    if as_json:
        click.echo(ended.view.to_json().decode() if ended.view is not None else "{}")
        return
    click.echo(f"load ended: {ended.why}")
    if ended.view is not None:
        click.echo(_table(ended.view))
    for problem in ended.doubts():
        click.echo(f"problem: {problem}")


def _table(view: View) -> str:
    lines = [f"  {'cohort':<24}{'asked':>9}{'good':>10}{'refused':>9}{'unknown':>9}{'p50 ms':>9}{'p99 ms':>9}"]
    for total in view.totals:
        share = "–" if total.good_share is None else f"{total.good_share:.2%}"
        p50, p99 = ("–" if value is None else f"{value:.1f}" for value in (total.p50_ms, total.p99_ms))
        counts = f"{total.planned:>9,}{share:>10}{total.refused:>9,}{total.unknown:>9,}"
        lines.append(f"  {total.name:<24}{counts}{p50:>9}{p99:>9}")
    for objective in view.objectives:
        share = "–" if not objective.total else f"{1 - objective.bad / objective.total:.2%}"
        lines.append(f"  {objective.name}: {objective.state} ({share} good, target {objective.target:.2%})")
    health = view.health
    lines.append(f"  generator: {health.issued:,} of {health.planned:,} sent, lag p99 {health.lag_p99_ms:.1f} ms")
    return "\n".join(lines)
