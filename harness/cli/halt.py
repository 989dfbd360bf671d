"""`brownout halt`: the brake for everything at once."""

from __future__ import annotations

import click

from brownout.harness.cli.frame import command
from brownout.harness.cli.types import DurationType


@command(name="halt")
@click.option("--reason", default="", help="Why; a user who is refused a fault reads it.")
@click.option("--within", "within_s", type=DurationType(), default="60s", show_default=True, help="How long to wait.")
@click.option("--lift", is_flag=True, help="End the halt: faults, runs and loads are allowed again.")
def halt_command(reason: str, within_s: float, lift: bool) -> int:
    """Stop everything: revert every fault, end runs and loads, and allow no new ones until `brownout halt --lift`.

    The halt is the file HALT in the state folder, which anything may write: `touch` is enough. Simulations go on, because they
    touch nothing. Exit codes: 0 nothing is in place and nothing goes on, 4 a run or a load has not ended in time, 5 a fault is
    still in place.
    """
    from brownout.harness.errors import UsageError

    if lift and reason:
        raise UsageError("--lift ends a halt and takes no --reason", hint="lift it, or halt again with another reason")
    if lift:
        _lift()
        return 0
    from brownout.harness.operate.halting import halt_all

    halt_all(reason, within_s=within_s, say=click.echo)
    click.echo("nothing is in place; no fault, no run in a live world and no load begins until `brownout halt --lift`")
    return 0


def _lift() -> None:
    from brownout.harness.base.halt import lift
    from brownout.harness.base.statedir import existing_state_dir

    state = existing_state_dir()
    lifted = None if state is None else lift(state)
    click.echo("nothing was halted" if lifted is None else f"lifted: {lifted}")
