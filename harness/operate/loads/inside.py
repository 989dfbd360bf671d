"""Loads inside of a stack, such as the containers of the compose world's profile `load`.

No command of this machine has started them, and inside of a stack no file of the machine is seen. So they are ended from
outside: by `brownout halt`, and, where only the file of a halt was written, by the process of the stack's fault API.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from brownout.harness.base.halt import read_halt
from brownout.harness.base.statedir import ledger_path, state_dir
from brownout.harness.errors import BrownoutError, StackGone
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import world_of

log = logging.getLogger("halt")


async def ended_loads(stack: StackRecord) -> tuple[str, ...]:
    """The names of what was ended; raises WorldError."""
    try:
        return await world_of(stack).end_loads()
    except StackGone:
        return ()


async def end_while_halted(folder: Path) -> None:
    """Ends the loads inside of the stack in `folder` where everything is halted. What fails is logged, and tried again."""
    try:
        if read_halt(state_dir()) is None:
            return
        with Ledger(ledger_path()) as ledger:
            stack = ledger.stack(folder.name)
        for name in await ended_loads(stack):
            log.warning("ended %s: everything is halted", name)
    except KeyError:
        return  # its `down` is under way, and takes them with it
    except BrownoutError as error:
        log.error("a load inside of %s may go on: %s", folder.name, error)


def end_now(folder: Path) -> None:
    """The same where no event loop runs."""
    asyncio.run(end_while_halted(folder))
