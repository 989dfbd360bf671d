"""`brownout doctor --stack`: whether a standing stack's containers are isolated, tested from inside each container."""

from __future__ import annotations

from brownout.harness.doctor.findings import Check
from brownout.harness.errors import UsageError
from brownout.harness.operate.stacks import resolve_stack
from brownout.harness.worlds.catalog import COMPOSE


def stack_checks(stack_id: str) -> tuple[Check, ...]:
    """One check per finding, or one with the number of attempts; raises UsageError for a stack of another world."""
    row = resolve_stack(stack_id, for_="break")
    if row.world != COMPOSE:
        raise UsageError(
            f"stack {row.id} is not made of containers", hint="`brownout up --world compose` brings one up that is"
        )
    from brownout.harness.worlds.compose.topology.check import check_topology

    found = check_topology(row.folder)
    tried = f"{found.containers} containers, {found.attempts} connections that must fail were tried from inside them"
    told = "".join(f"; {note}" for note in found.notes)
    if not found.findings:
        return (Check(row.id, True, f"{tried}, and failed{told}"),)
    fix = "`brownout down` and `brownout up --world compose` make it anew; no verdict from this stack can be trusted"
    return (Check(row.id, False, f"{tried}{told}", fix), *(Check(each.where, False, each.problem) for each in found.findings))
