"""Commands of a game day by hand: faults, inject, heal."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from brownout.harness.base.interrupts import INTERRUPTED
from brownout.harness.cli.frame import command, heal_first, tell
from brownout.harness.cli.shell.complete import fault_ids, fault_names, stack_names, targets
from brownout.harness.cli.types import DurationType, clock

if TYPE_CHECKING:
    from brownout.harness.errors import BrownoutError
    from brownout.harness.fault import Fault
    from brownout.harness.injection.ledger_records import StackRecord
    from brownout.harness.injection.notices import Notice
    from brownout.harness.operate.inject import InjectResult, Remaining

INCONCLUSIVE, UNSAFE = 3, 5


@command(name="faults")
@click.argument("kind", required=False, shell_complete=fault_names)
def faults_command(kind: str | None) -> int:
    """List the faults that `inject` knows, with their options; with KIND, the details of that fault."""
    from brownout.harness.experiment import plugins
    from brownout.harness.operate.fault_args import usage

    if kind is None:
        for each in plugins.faults().values():
            click.echo(usage(each))
        for error in plugins.broken_faults().values():
            tell(error)
        return 0
    click.echo("\n".join(_explained(plugins.fault_class(kind))))
    return 0


def _explained(kind: type[Fault]) -> list[str]:
    from brownout.harness.operate.fault_args import field_lines, usage

    lines = [(kind.__doc__ or "").strip(), "", f"brownout inject {usage(kind)}", ""]
    lines += [f"  {line}" for line in field_lines(kind)]
    return [*lines, "", f"family {kind.family}; needs {', '.join(sorted(kind.needs))}"]


@command(name="inject", measures=True)
@click.argument("fault", shell_complete=fault_names)
@click.option(
    "--target",
    default=None,
    shell_complete=targets,
    help="What it is done to: a link, a node, REGION or REGION.ZONE; see `brownout faults`.",
)
@click.option("--with", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the fault; may be repeated.")
@click.option("--for", "hold_s", type=DurationType(), default=None, help="Hold it so long, then revert it (such as 30s).")
@click.option("--stack", default="", shell_complete=stack_names, help="The stack, where several are up.")
@click.option("--keep", is_flag=True, help="Keep it in place also when it is not seen to bite.")
@click.option(
    "--at-once", "at_once", multiple=True, metavar="faults=N", help="How much may be broken at once, also nodes_down=SHARE."
)
@click.option("--json", "as_json", is_flag=True, help="Print what became of it as one JSON object to stdout.")
def inject_command(
    fault: str,
    target: str | None,
    settings: tuple[str, ...],
    hold_s: float | None,
    stack: str,
    keep: bool,
    at_once: tuple[str, ...],
    as_json: bool,
) -> int:
    """Put FAULT on a standing stack and wait until it bites.

    With --for the fault is held for that long and then reverted; Ctrl-C reverts it sooner. Without --for it stays until
    `brownout heal`, for one hour at most. Exit codes: 0 it bit and was in force as long as asked, 3 it did not bite, the
    system refused it, or something else undid it, 5 it could not be reverted, 130 interrupted and reverted.
    """
    from brownout.harness.errors import UsageError
    from brownout.harness.operate.fault_args import spoken_fault, spoken_radius
    from brownout.harness.operate.inject import LONGEST_S, InjectRequest, inject
    from brownout.harness.operate.stacks import resolve_stack

    if hold_s is not None and not 0 < hold_s <= LONGEST_S:
        raise UsageError("--for is more than nothing and at most one hour", hint="such as --for 30s")
    wanted, allowed = spoken_fault(fault, target, settings), spoken_radius(at_once)
    unsafe = heal_first()
    row = resolve_stack(stack, for_="break")
    if row.id in unsafe:  # told above
        return UNSAFE
    teller = _Teller(wanted, row, hold_s, to_stderr=as_json)
    ended = inject(row, InjectRequest(wanted, hold_s, keep, allowed), teller.hear)
    code = teller.tell_end(ended)
    if as_json:
        teller.print_json(_plain(wanted, row, ended, code))
    return code


@dataclass(slots=True)
class _Teller:
    """Prints a line for each event and, on a terminal, how long the fault is still held."""

    fault: Fault
    row: StackRecord
    hold_s: float | None
    to_stderr: bool
    _counting: bool = False

    def _say(self, text: str) -> None:
        """Prints a line, if it can be printed: what happens to the fault does not depend on it."""
        if self._counting:
            click.echo("\r\x1b[K", nl=False, err=True)
            self._counting = False
        click.echo(text, err=self.to_stderr)

    def print_json(self, found: dict[str, Any]) -> None:
        """Prints the result to stdout."""
        click.echo(json.dumps(found))

    def hear(self, event: Notice | Remaining) -> None:
        from brownout.harness.injection.notices import ActFailed, BiteSeen, ForeignHolds, InPlace, Intended
        from brownout.harness.operate.inject import Remaining

        match event:
            case Intended(record=record, describe=describe):
                self._say(f"{record.id}: {describe}")
            case ForeignHolds(holds=holds):
                self._say(f"  another program holds {', '.join(holds)}; that is left alone")
            case InPlace(settles_s=settles_s) if settles_s:
                self._say(f"  applied; its effect may take {settles_s:.0f} s to show, Ctrl-C reverts it now")
            case BiteSeen(evidence=evidence):
                self._say(f"  bites: {evidence}{self._held_for()}")
            case ActFailed(evidence=evidence):
                self._say(f"  failed: {evidence}")
            case Remaining(left_s=left_s) if sys.stderr.isatty():
                click.echo(f"\r\x1b[K  {left_s:.0f} s left", nl=False, err=True)
                self._counting = True

    def _held_for(self) -> str:
        return "" if self.hold_s is None else f"; held for {self.hold_s:g} s, Ctrl-C reverts it now"

    def _of_hold(self, ended: InjectResult) -> str:
        return "" if self.hold_s is None else f", {ended.held_s:.1f} s after its bite ({self.hold_s:g} s were asked for)"

    def tell_end(self, ended: InjectResult) -> int:
        """Prints how the injection ended and returns the exit code."""
        if ended.ended == "defended":
            self._say(f"  defended: the system refused it: {ended.evidence}")
            return INCONCLUSIVE
        if ended.bite_ms is not None:
            self._say(f"  time to bite: {ended.bite_ms:.0f} ms")
        elif ended.ended not in ("interrupted", "halted"):
            self._say(f"  inconclusive, did not bite within {ended.waited_s:.1f} s: {ended.evidence}")
        if ended.ended == "halted":
            self._say(f"  everything was halted{self._of_hold(ended)}; `brownout halt --lift` allows faults again")
        elif ended.ended == "elsewhere":
            self._say(f"  reverted by another process{self._of_hold(ended)}")
        elif ended.lost is not None:
            seen, found = clock(ended.lost.seen_wall_s), ended.lost.evidence
            self._say(f"  lost: something else undid it{self._of_hold(ended)}; last seen in force at {seen}: {found}")
        if ended.until_s is not None:
            self._say(f"  it stays until `brownout heal`, and no longer than until {clock(ended.until_s)}")
        return self._tell_heal(ended)

    def _tell_heal(self, ended: InjectResult) -> int:
        heal = ended.heal
        if heal is not None and heal.state == "stuck":
            self._say(f"  could not be reverted: {heal.evidence}; `brownout heal` tries again")
            return UNSAFE
        if heal is not None and heal.took_s is not None:
            self._say(f"  healed: {heal.evidence}")
            self._say(f"  time to heal: {1000 * heal.took_s:.0f} ms")
        elif heal is not None and heal.state == "reverted":
            self._say("  reverted; whether it is healed shows when the other faults are gone")
        if ended.ended == "interrupted":
            return INTERRUPTED
        whole = ended.state == "bitten" and ended.lost is None and ended.ended not in ("elsewhere", "halted")
        return 0 if whole else INCONCLUSIVE


def _plain(fault: Fault, row: StackRecord, ended: InjectResult, code: int) -> dict[str, Any]:
    heal = ended.heal
    heal_ms = None if heal is None or heal.took_s is None else round(1000 * heal.took_s, 1)
    return {
        "stack": row.id,
        "fault_id": ended.fault_id,
        "kind": fault.kind,
        "describe": fault.describe(),
        "state": ended.state,
        "evidence": ended.evidence,
        "ended": ended.ended,
        "lost": None if ended.lost is None else ended.lost.evidence,
        "bite_ms": ended.bite_ms,
        "foreign": list(ended.foreign),
        "until": None if ended.until_s is None else datetime.fromtimestamp(ended.until_s, UTC).isoformat(timespec="seconds"),
        "heal": None if heal is None else {"state": heal.state, "evidence": heal.evidence, "heal_ms": heal_ms},
        "exit_code": code,
    }


@command(name="heal")
@click.argument("fault_id", required=False, default="", shell_complete=fault_ids)
@click.option("--stack", default="", shell_complete=stack_names, help="Only what is on this stack.")
def heal_command(fault_id: str, stack: str) -> int:
    """Revert the faults that were injected by hand (all, or FAULT_ID) and what earlier commands left in place.

    Exit codes: 0 nothing is in place any more, 3 the same, and a fault had not been in force all the time, 5 a fault could not
    be reverted.
    """
    from brownout.harness.errors import LeftUnsafe
    from brownout.harness.injection.recovery import require_whole
    from brownout.harness.injection.standing import anything_stands
    from brownout.harness.operate.heal import heal_by_hand, healed_lines, undo_leftovers
    from brownout.harness.operate.orphans import orphan_lines

    lines = list(orphan_lines())
    if not anything_stands():
        click.echo("\n".join(lines) or "nothing to heal")
        return 0
    leftovers = undo_leftovers()
    lines += leftovers.lines
    problems: list[BrownoutError] = [] if leftovers.unsafe is None else [leftovers.unsafe]
    healed = heal_by_hand(fault_id, stack)
    lines += [line for found in healed for line in healed_lines(found)]
    try:
        require_whole(healed)
    except LeftUnsafe as unsafe:
        problems = [unsafe]
    for line in lines or (() if problems else ("nothing to heal",)):
        click.echo(line)
    for problem in problems:
        tell(problem)
    if problems:
        return UNSAFE
    return INCONCLUSIVE if any(found.lost for found in healed) else 0
