"""Commands for standing stacks: up, env, down."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from brownout.harness.cli.frame import command, heal_first, tell
from brownout.harness.cli.types import SEED, NumberType
from brownout.harness.worlds.catalog import LIVE, PROCESSES, SIMULATION

VENDORS = ("aws", "azure")  # those of identity.core.topology, whose import `--help` need not wait for
ENDPOINTS = (  # those of client_env.machine_endpoints, for the same reason
    *("imds", "app-service", "app-service-2017", "vm-extension", "service-fabric", "arc", "cloud-shell"),
    "workload-identity",
)

if TYPE_CHECKING:
    from brownout.harness.errors import WorldError
    from brownout.harness.injection.ledger_records import StackRecord
    from brownout.identity.core.topology import Vendor


@command(name="up")
@click.option("--world", type=click.Choice([*LIVE, SIMULATION]), default=PROCESSES, show_default=True)
@click.option("--posture", default="", help="A posture, as NAME of ftvr-l9z or EXPERIMENT:NAME.")
@click.option(
    "--vendor",
    "vendors",
    type=click.Choice(VENDORS),
    multiple=True,
    help="Only this half; all that are installed otherwise.",
)
@click.option("--regions", default="", metavar="REGION,...", help="The stack's regions; sydney,melbourne otherwise.")
@click.option("--home", default="", metavar="REGION", help="The region of the control plane; the first one otherwise.")
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="A setting of the service; may be repeated.")
@click.option("--seed", type=SEED, default=1, show_default=True)
@click.option("--rate", type=NumberType(0.001, 1000), default=1.0, show_default=True, help="Clock rate.")
@click.option("--stack-file", type=click.Path(dir_okay=False, path_type=Path), default=Path("stack.json"), show_default=True)
@click.option("--force", is_flag=True, help="Overwrite the stack file, whatever it is.")
def up_command(
    world: str,
    posture: str,
    vendors: tuple[Vendor, ...],
    regions: str,
    home: str,
    sets: tuple[str, ...],
    seed: int,
    rate: float,
    stack_file: Path,
    force: bool,
) -> int:
    """Bring a stack up, write its stack file and leave it up."""
    from brownout.harness.errors import UsageError
    from brownout.harness.operate.stacks import bring_up, stack_shape

    if world == SIMULATION:
        raise UsageError("a simulation lives inside a run and cannot be left up", hint=f"use --world {PROCESSES}")
    heal_first()
    standing = bring_up(
        world=world,
        posture=posture,
        shape=stack_shape(vendors, regions, home),
        sets=sets,
        seed=seed,
        rate=rate,
        stack_file=stack_file,
        force=force,
    )
    click.echo(f"stack {standing.stack} is up after {standing.ready_s:.2f} s: {standing.nodes} nodes")
    click.echo(f"stack file: {stack_file}")
    click.echo('use it: eval "$(brownout env --machine web-1)"')
    return 0


@command(name="env")
@click.option("--machine", default="", help="A machine of the stack, such as web-1.")
@click.option("--region", default="", metavar="REGION", help="Where clients are; the machine's, or the home region.")
@click.option("--proxy", is_flag=True, help="Clients choose endpoints themselves by name, through the stack's proxy.")
@click.option(
    "--endpoint", type=click.Choice(ENDPOINTS), help="With --machine: which of Azure's token endpoints; imds otherwise."
)
@click.option("--application", is_flag=True, help="Without --machine: a client of Azure is the stack's application.")
@click.option("--container", is_flag=True, help="With --machine: a container's credentials instead of the machine's metadata.")
@click.option("--stack-file", type=click.Path(dir_okay=False, path_type=Path), default=Path("stack.json"), show_default=True)
@click.option("--inside", is_flag=True, help="For a container on the stack's network: lines for `docker run --env-file`.")
@click.option("--network", is_flag=True, help="Print the name of that network.")
def env_command(
    machine: str,
    region: str,
    proxy: bool,
    endpoint: str | None,
    application: bool,
    container: bool,
    stack_file: Path,
    inside: bool,
    network: bool,
) -> int:
    """Print shell exports that make a process a client of the stack, with --machine a client on that machine."""
    from brownout.harness.client_env.machine_endpoints import write_files
    from brownout.harness.client_env.shell_variables import (
        application_variables,
        exports,
        find_machine,
        inside_of,
        inside_variables,
        unset,
    )
    from brownout.harness.client_env.stack_file import read_stack_file
    from brownout.harness.errors import UsageError

    if network:
        click.echo(inside_of(read_stack_file(stack_file)).network)
        return 0
    if inside:
        if not machine:
            raise UsageError("--inside needs --machine", hint="such as --machine web-1")
        if proxy:
            raise UsageError("--inside and --proxy exclude each other", hint="the proxy is for clients outside of containers")
        for name, value in inside_variables(read_stack_file(stack_file), machine).items():
            click.echo(f"{name}={value}")
        return 0
    for option, given in (("--container", container), ("--endpoint", endpoint)):
        if given and not machine:
            raise UsageError(f"{option} needs --machine", hint="such as --machine web-1")
    if application and machine:
        raise UsageError("--application is for clients that are on no machine", hint="leave --machine away")
    stack, kind = read_stack_file(stack_file), endpoint or ENDPOINTS[0]
    found = exports(stack, machine, region=region, proxy=proxy, container=container, endpoint=kind)
    if application:
        found |= application_variables(stack)
    if machine:
        write_files(stack, find_machine(stack, machine), machine, kind)
    for name, value in found.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    if unset(found):
        click.echo(f"unset {' '.join(unset(found))}")
    return 0


@command(name="down")
@click.option("--all", "everything", is_flag=True, help="Also stacks of runs under way, and containers no ledger knows.")
@click.option("--owner", default="", help="With --all: whose containers, as their label says, instead of your own.")
def down_command(everything: bool, owner: str) -> int:
    """Take down the standing stacks, and what killed runs left."""
    import asyncio

    from brownout.harness.errors import UsageError, WorldError
    from brownout.harness.operate.stacks import adopt_unknown, stacks, tear_down

    if owner and not everything:
        raise UsageError("--owner goes with --all")
    adopt_unknown()
    rows: list[StackRecord] = [row for row in stacks() if everything or not (row.run_owned and row.owner.alive())]
    problems: list[WorldError] = []
    for row in rows:
        try:
            click.echo(asyncio.run(tear_down(row)))
        except WorldError as error:
            problems.append(error)
            tell(error)
    found = _down_orphans(owner, problems) if everything else 0
    if not rows and not found and not problems:
        click.echo("no stack is up")
    return problems[0].exit_code if problems else 0


def _down_orphans(owner: str, problems: list[WorldError]) -> int:
    """Takes down orphaned containers, prints them, adds failures to `problems`; returns the number of stacks."""
    from brownout.harness.operate.orphans import take_down_orphans
    from brownout.harness.operate.stacks import stacks

    swept = take_down_orphans([row.id for row in stacks()], owner)
    for line in swept.down:
        click.echo(line)
    for note in swept.notes:
        click.echo(note, err=True)
    for error in swept.problems:
        problems.append(error)
        tell(error)
    return len(swept.down)
