"""Standing stacks: bringing one up, resolving which stack a command means, taking one down."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from brownout.harness.base.files import is_folder_there, is_there
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.statedir import discard_stack_dir, existing_state_dir, ledger_path, stack_dir, state_dir
from brownout.harness.client_env.stack_file import FaultsEntry, read_stack_file, write_stack_file
from brownout.harness.errors import StackGone, UsageError, WorldError
from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import Experiment, Posture, StackShape
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import world_of
from brownout.harness.injection.standing import adopt, anything_stands
from brownout.harness.operate.api_process.start import start_fault_api, stop_fault_api
from brownout.harness.operate.setting_args import spoken_settings
from brownout.harness.subject.environment import stack_content
from brownout.harness.world import LiveWorld
from brownout.harness.worlds.catalog import live_world
from brownout.harness.worlds.needs import require_for_stack
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.vendor_packages import usual_vendors
from brownout.identity.core.topology import DEFAULT_REGIONS, Vendor

DEFAULT_EXPERIMENT = "ftvr-l9z"
BRING_UP = "`brownout up` brings one up"
Purpose = Literal["break", "load", "look"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which stacks a command accepts besides standing ones: a run's stack, when named; a stack that is still coming up."""

    a_runs: bool
    coming_up: bool


ACCEPTS: Mapping[Purpose, Accepted] = {
    "break": Accepted(a_runs=False, coming_up=False),
    "load": Accepted(a_runs=True, coming_up=True),
    "look": Accepted(a_runs=True, coming_up=True),
}


@dataclass(frozen=True, slots=True)
class NewStack:
    """A stack that was just brought up; `ready_s` is how long that took in real seconds."""

    stack: str
    nodes: int
    ready_s: float


def bring_up(
    *,
    world: str,
    posture: str,
    seed: int,
    rate: float,
    stack_file: Path,
    sets: Sequence[str] = (),
    shape: StackShape | None = None,
    force: bool = False,
) -> NewStack:
    """Brings a stack up, leaves it up and writes its stack file; raises BrownoutError, leaving nothing behind.

    `sets` are single settings, `NAME=VALUE`, over those of the posture. `shape` says which vendors and regions it has.
    `force` overwrites an existing stack file.
    """
    settings = spoken_settings(sets, over=posture_settings(posture))
    if not is_folder_there(stack_file.absolute().parent):
        raise UsageError(f"{stack_file.absolute().parent} is no folder", hint="name another --stack-file")
    if not force:
        _check_free(stack_file)
    shape = shape or StackShape(vendors=usual_vendors())
    spec = build_stack(
        seed=seed,
        settings=settings,
        control_token=secrets.token_urlsafe(24),
        regions=shape.regions,
        home=shape.home or "",
        vendors=shape.vendors,
    )
    stack_id = f"up-{secrets.token_hex(4)}"
    kind = live_world(world)
    kind.prepare(lambda line: print(line, file=sys.stderr))  # noqa: T201 - which tools are used is shown to the user
    require_for_stack(world, spec, state=state_dir())
    started_s = time.monotonic()
    with Ledger(ledger_path()) as ledger:
        folder = stack_dir(stack_id)
        ledger.add_stack(stack_id, folder=folder, world=world, run_owned=False)
        made = kind.create(spec, folder=folder, epoch_s=time.time(), rate=rate)
        try:
            ready_s = asyncio.run(_start(stack_id, made, started_s, stack_file))
        except BaseException:
            if not made.alive():
                ledger.close_stack(stack_id)
                discard_stack_dir(made.folder, keep_logs=True)
            raise
        ledger.let_go(stack_id)
    return NewStack(stack_id, len(spec.nodes()), ready_s)


def stack_shape(vendors: Sequence[Vendor], regions: str, home: str) -> StackShape:
    """The shape of a stack as a command line says it: `regions` are written `tokyo,dublin`. Empty words mean both vendors as
    far as they are installed, the usual regions and the first of them. What there is no such thing as, `bring_up` refuses.
    """
    named = tuple(word.strip() for word in regions.split(",") if word.strip())
    return StackShape(
        vendors=tuple(dict.fromkeys(vendors)) or usual_vendors(), regions=named or DEFAULT_REGIONS, home=home or None
    )


def _check_free(stack_file: Path) -> None:
    """Raises UsageError when overwriting the file would lose something: it is a running stack's, or no stack file."""
    if not is_there(stack_file):
        return
    try:
        stack_id = read_stack_file(stack_file).stack
    except UsageError:
        hint = "name another --stack-file, or overwrite it with --force"
        raise UsageError(f"{stack_file} exists and is no stack file", hint=hint) from None
    if any(row.id == stack_id for row in stacks()):
        hint = "`brownout down` takes it down; --stack-file NAME gives the new one a file of its own; --force overwrites"
        raise UsageError(f"{stack_file} belongs to stack {stack_id}, which is still up", hint=hint)


def posture_settings(text: str) -> Mapping[str, Any]:
    """The settings of `POSTURE` (of the bundled experiment) or `EXPERIMENT:POSTURE`; none when empty."""
    if not text:
        return {}
    name, _, posture = text.rpartition(":")
    experiment: Experiment = load(find(name or DEFAULT_EXPERIMENT))
    chosen: Posture = experiment.posture_named(posture)[1]
    return {**experiment.settings, **chosen.settings}


async def _start(stack_id: str, world: LiveWorld, started_s: float, stack_file: Path) -> float:
    """Brings the stack up and writes its stack file; the seconds until the stack was ready. On any error the stack is down."""
    await world.start()
    ready_s = time.monotonic() - started_s
    try:
        api = start_fault_api(world.folder)
        faults = None if api is None else FaultsEntry(url=api.url, token=api.token)
        write_stack_file(stack_file, await stack_content(stack_id, world, faults=faults))
    except BaseException:
        stop_fault_api(world.folder)
        await world.stop()
        raise
    return ready_s


def stacks() -> tuple[StackRecord, ...]:
    """The stacks that the ledger knows as up, oldest first."""
    if existing_state_dir() is None or not ledger_path().exists():
        return ()
    with Ledger(ledger_path()) as ledger:
        return ledger.stacks()


def adopt_unknown() -> None:
    """Enters into the ledger the stacks of this state folder that stand and that it does not know."""
    if anything_stands():
        with Ledger(ledger_path()) as ledger:
            adopt(ledger)


def resolve_stack(name: str = "", *, for_: Purpose) -> StackRecord:
    """The stack that a command means: the named stack, or the only standing stack.

    Raises UsageError when there is no such stack, when several are up, and when this purpose does not accept it (`ACCEPTS`).
    """
    rows = {row.id: row for row in stacks()}
    left_up = [row.id for row in rows.values() if not row.run_owned]
    accepts = ACCEPTS[for_]
    if name:
        if name not in rows:
            known = rows if accepts.a_runs else left_up
            raise UsageError(f"no stack {name!r} is up", hint=did_you_mean(name, known) or BRING_UP)
        return _require_accepted(rows[name], accepts)
    if len(left_up) > 1:
        raise UsageError(f"{len(left_up)} stacks are up", hint=f"add --stack, one of {', '.join(left_up)}")
    if left_up:
        return _require_accepted(rows[left_up[0]], accepts)
    if rows and not accepts.a_runs:  # only runs' stacks are up: say why they are not accepted, not that there are none
        return _require_accepted(next(iter(rows.values())), accepts)
    used = f"; or name a run's with --stack, one of {', '.join(rows)}" if rows else ""
    raise UsageError("no stack is up", hint=f"{BRING_UP}{used}")


def _require_accepted(row: StackRecord, accepts: Accepted) -> StackRecord:
    if row.run_owned and not accepts.a_runs:
        doing = "a run is using it" if row.owner.alive() else "its run died, and it will be taken down"
        hint = "put the fault into the run's experiment, or inject it into a stack of your own: `brownout up`"
        raise UsageError(f"stack {row.id} is not yours to break by hand: {doing}", hint=hint)
    if not row.run_owned and row.owner.alive() and not accepts.coming_up:
        raise UsageError(f"stack {row.id} is still coming up", hint="wait for its `brownout up` to return")
    return row


async def tear_down(row: StackRecord) -> str:
    """Takes a stack down, removes its folder and closes it in the ledger. Returns a line that says so.

    The logs stay if part of the stack had ended by itself. Raises WorldError when something does not end.
    """
    stop_fault_api(row.folder)
    try:
        world = world_of(row)
        whole = await _is_whole(world)
        await world.stop()
        said = f"stack {row.id} is down"
    except StackGone as gone:
        whole, said = False, f"stack {row.id}: {gone.message}"
    discard_stack_dir(row.folder, keep_logs=not whole)
    with Ledger(ledger_path()) as ledger:
        ledger.close_stack(row.id)
    return f"{said}; its logs are in {row.folder}" if row.folder.is_dir() else said


async def _is_whole(world: LiveWorld) -> bool:
    """Whether every process of the stack still runs, or was ended by a fault."""
    if not world.alive():
        return False
    try:
        nodes = (await world.status())["nodes"].values()
    except WorldError:
        return False
    return all(node["state"] != "dead" for node in nodes)
