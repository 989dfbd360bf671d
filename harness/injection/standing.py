"""What stands is compared with what is written: stacks that the ledger does not know, and holds that it does not know.

Theory. The ledger can be deleted, or be an old copy, while stacks stand and faults are in place. The stacks' folders, their
processes and their carriers tell the truth then. A stack that runs and has no row is entered again (`adopt`), from the entry in
its folder. A hold whose id has the stack's name and no open row is a *stray*: no owner will ever undo it, so the next command
does. An intent is written before a carrier is touched; so when the carriers are read first and the rows after, a hold without a
row belongs to a ledger that is lost, never to a fault that is just being put in place.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brownout.harness.base.statedir import discard_stack_dir, existing_state_dir, state_dir
from brownout.harness.errors import BrownoutError, StackGone
from brownout.harness.injection.hold_watch import IN_PLACE
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.lifecycle import Make
from brownout.harness.injection.recovery import unowned_faults
from brownout.harness.injection.stack_entry import StackEntry, read_entry
from brownout.harness.world import Carrier, LiveWorld
from brownout.harness.worlds.catalog import live_world

log = logging.getLogger("standing")


def anything_stands() -> bool:
    """Whether the state folder has a ledger or the folder of a stack; makes none. Raises StateFolderError."""
    folder = existing_state_dir()
    return folder is not None and ((folder / "ledger.sqlite").exists() or next(_folders(), None) is not None)


def unknown_stacks(ledger: Ledger | None) -> tuple[StackEntry, ...]:
    """The stacks of this state folder that run, or are being brought up, and have no open row. Changes nothing."""
    known = {row.id for row in ledger.stacks()} if ledger is not None else set()
    found = (read_entry(folder) for folder in _folders() if folder.name not in known)
    return tuple(entry for entry in found if entry is not None and _runs(entry))


def adopt(ledger: Ledger) -> tuple[StackRecord, ...]:
    """Enters the unknown stacks again, and returns their rows; clears away what dead ones left in their folders."""
    known = {row.id for row in ledger.stacks()}
    adopted = []
    for folder in _folders():
        entry = None if folder.name in known else read_entry(folder)
        if entry is None:
            continue
        if _runs(entry):
            adopted.append(ledger.adopt(entry, folder))
        else:
            _clear(entry, folder)
    return tuple(adopted)


def stray_holds(
    stack: StackRecord, ledger: Ledger, held: Mapping[Carrier, Mapping[str, Any]]
) -> tuple[tuple[Carrier, str], ...]:
    """Carrier and id of each hold of this stack's name that has no open row. Read `held` before calling this."""
    if ledger.unwritten:  # the rows are a copy, which others' intents do not reach
        return ()
    opened = {fault.id for fault in ledger.open_faults(stack.id)}
    ours = f"{stack.id}-"
    return tuple(
        (carrier, fault_id)
        for carrier, holds in sorted(held.items())
        for fault_id in sorted(holds)
        if fault_id.startswith(ours) and fault_id not in opened
    )


async def release_strays(stack: StackRecord, ledger: Ledger, world: LiveWorld) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Releases stray holds. Returns `carrier: id` of each, and what could not be searched. Raises WorldError."""
    seen = await world.survey()
    strays = stray_holds(stack, ledger, seen.holds)
    for carrier, fault_id in strays:
        await world.release(carrier, fault_id)
    return tuple(f"{carrier}: {fault_id}" for carrier, fault_id in strays), seen.silent


async def put_back(stack: StackRecord, ledger: Ledger, world: LiveWorld, make: Make) -> tuple[str, ...]:
    """Puts the holds of faults that are in place on purpose back on links that lost them; returns the faults' ids.

    For a stack whose Toxiproxy was started again. Raises WorldError. A fault that was undone meanwhile is released again.
    """
    held = (await world.survey(switches=False)).holds
    faults = ledger.open_faults(stack.id)
    stale = unowned_faults(faults)
    back = []
    for record in faults:
        lost = [each for each in record.carriers if each.kind == "link" and record.id not in held.get(each, {})]
        if not lost or record.state not in IN_PLACE or record.id in stale:
            continue
        await make(record.kind, record.params).apply(world, record.id)
        # Its undo may have come between the look at the ledger and the hold: then no row would be left to release it for.
        if ledger.fault(record.id).state in IN_PLACE:
            back.append(record.id)
            continue
        for carrier in record.carriers:
            await world.release(carrier, record.id)
    return tuple(back)


def _folders() -> Iterator[Path]:
    place = state_dir() / "stacks"
    return (folder for folder in (sorted(place.iterdir()) if place.is_dir() else ()) if folder.is_dir())


def _runs(entry: StackEntry) -> bool:
    """Whether processes of the stack run, or its owner may be bringing it up."""
    return (not entry.standing and entry.owner.alive()) or _is_up(entry)


def _is_up(entry: StackEntry) -> bool:
    try:
        return live_world(entry.world).attach(state_dir() / "stacks" / entry.id).alive()
    except StackGone:
        return False
    except BrownoutError as error:  # of a world or version that is not installed: the user has to look at it
        log.warning("stack %s: %s", entry.id, error.message)
        return False


def _clear(entry: StackEntry, folder: Path) -> None:
    try:
        live_world(entry.world).attach(folder)  # ends what is half up, as far as anything is recorded
    except StackGone:
        discard_stack_dir(folder, keep_logs=True)
    except BrownoutError as error:
        log.warning("stack %s: %s", entry.id, error.message)
    else:
        discard_stack_dir(folder, keep_logs=True)
