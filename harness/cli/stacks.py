"""Commands for a stack that stays up: up, status, env, heal, down."""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.main import command, heal_first, heal_leftovers_now, tell

if TYPE_CHECKING:
    from harness.errors import WorldError
    from harness.ledger import StackRecord


@command(name="up")
@click.option("--world", type=click.Choice(["processes", "simulation"]), default="processes", show_default=True)
@click.option("--posture", default="", help="A posture, as NAME of ftvr-l9z or EXPERIMENT:NAME.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--rate", type=click.FloatRange(min=0.001, max=1000), default=1.0, show_default=True, help="Clock rate.")
@click.option("--stack-file", type=click.Path(dir_okay=False, path_type=Path), default=Path("stack.json"), show_default=True)
def up_command(world: str, posture: str, seed: int, rate: float, stack_file: Path) -> int:
    """Bring a stack up, write its stack file and leave it up."""
    from harness.errors import UsageError
    from harness.standing import bring_up

    if world == "simulation":
        raise UsageError("a simulation lives inside a run and cannot be left up", hint="use --world processes")
    heal_first()
    standing = bring_up(world=world, posture=posture, seed=seed, rate=rate, stack_file=stack_file)
    click.echo(f"stack {standing.stack} is up after {standing.ready_s:.2f} s: {standing.nodes} nodes")
    click.echo(f"stack file: {stack_file}")
    click.echo('use it: eval "$(brownout env --machine web-1)"')
    return 0


@command(name="status")
@click.option("--json", "as_json", is_flag=True)
def status_command(as_json: bool) -> int:
    """Show the stacks that are up: nodes, builds, key ids, faults in place."""
    from harness.standing import describe, stacks

    heal_first()
    found = [asyncio.run(describe(row)) for row in stacks()]
    if as_json:
        click.echo(json.dumps({"stacks": found}))
    elif not found:
        click.echo("no stack is up")
    for each in () if as_json else found:
        click.echo(_status_text(each))
    return 0


def _status_text(stack: dict[str, Any]) -> str:
    lines = [f"stack {stack['stack']}, {stack['folder']}"]
    if stack["state"] == "dead":
        return f"{lines[0]}\n  its processes have ended; `brownout down` clears it away"
    for node in stack["nodes"]:
        keys = ", ".join(f"{region} {key['key_id']}" for region, key in node.get("store_keys", {}).items())
        more = f"  build {node['build']}  keys: {keys}" if keys else ""
        lines.append(f"  {node['node']:<22} {node['state']:<10} pid {node['pid']}{more}")
    lines += [f"  fault {fault['id']}: {fault['kind']} ({fault['state']})" for fault in stack["faults"]] or [
        "  no fault in place"
    ]
    return "\n".join(lines)


@command(name="env")
@click.option("--machine", default="", help="A machine of the stack, such as web-1.")
@click.option("--stack-file", type=click.Path(dir_okay=False, path_type=Path), default=Path("stack.json"), show_default=True)
def env_command(machine: str, stack_file: Path) -> int:
    """Print shell exports for a process that should believe that it runs on a machine of the stack."""
    from harness.stack_file import exports, read_stack_file

    for name, value in exports(read_stack_file(stack_file), machine).items():
        click.echo(f"export {name}={shlex.quote(value)}")
    return 0


@command(name="heal")
def heal_command() -> int:
    """Revert whatever earlier runs left in place."""
    lines = heal_leftovers_now()
    for line in lines or ("nothing to heal",):
        click.echo(line)
    return 0


@command(name="down")
@click.option("--all", "everything", is_flag=True, help="Also the stacks of runs that are under way.")
def down_command(everything: bool) -> int:
    """Take down every stack that was left up, and what killed runs left."""
    from harness.errors import WorldError
    from harness.standing import stacks, tear_down

    rows: list[StackRecord] = [row for row in stacks() if everything or not (row.run_owned and row.owner.alive())]
    problems: list[WorldError] = []
    for row in rows:
        try:
            click.echo(asyncio.run(tear_down(row)))
        except WorldError as error:
            problems.append(error)
            tell(error)
    if not rows:
        click.echo("no stack is up")
    return problems[0].exit_code if problems else 0
