"""`brownout metrics`: the metrics of standing stacks for Prometheus, and what goes with all metrics of Brownout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from brownout.harness.cli.frame import command, heal_first

if TYPE_CHECKING:
    from brownout.harness.telemetry.server import ListenAddress


@command(name="metrics")
@click.option("--stack", default="", help="Only this stack; every one that is up when not given.")
@click.option("--listen", default="9465", show_default=True, metavar="[HOST:]PORT", help="Where on loopback to serve them.")
@click.option("--once", is_flag=True, help="Print them and end.")
@click.option("--dashboard", is_flag=True, help="Print a dashboard for Grafana instead.")
@click.option("--rules", is_flag=True, help="Print alerting rules for Prometheus instead.")
def metrics_command(stack: str, listen: str, once: bool, dashboard: bool, rules: bool) -> int:
    """Serve metrics of the stacks that are up: nodes, builds, key ids and faults in place, until Ctrl-C.

    A run and a load have metrics of their own: `brownout run --metrics PORT`, and /metrics of the load's web UI.
    """
    from brownout.harness.errors import UsageError

    if sum((once, dashboard, rules)) > 1:
        raise UsageError("--once, --dashboard and --rules print different things", hint="give one of them")
    if dashboard or rules:
        from brownout.harness.telemetry import shipped

        click.echo(shipped.dashboard() if dashboard else shipped.rules(), nl=False)
        return 0
    from brownout.harness.operate.stack_metrics import stacks_snapshot
    from brownout.harness.telemetry.prometheus import exposition
    from brownout.harness.telemetry.server import ListenAddress

    address = ListenAddress.parse(listen)
    heal_first()
    first = stacks_snapshot(stack)  # a stack that is not there is told now, and not to every scrape
    if once:
        click.echo(exposition(first)[0], nl=False)
        return 0
    _serve(address, stack)
    return 0


def _serve(address: ListenAddress, stack: str) -> None:
    """Serves until Ctrl-C, SIGTERM or a closed terminal."""
    import asyncio

    from brownout.harness.base.interrupts import interruptible
    from brownout.harness.operate.stack_metrics import stacks_snapshot
    from brownout.harness.telemetry.server import MetricsServer

    async def until_stopped() -> None:
        stop = asyncio.Event()
        with interruptible(asyncio.get_running_loop(), first=stop.set):
            await stop.wait()

    with MetricsServer(address, lambda: stacks_snapshot(stack)) as served:
        click.echo(f"Metrics: {served.address.url} until Ctrl-C", err=True)
        asyncio.run(until_stopped())
