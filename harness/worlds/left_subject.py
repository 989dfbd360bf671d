"""What is left of a subject whose run is dead: processes with the mark of its stack, containers with its label."""

from __future__ import annotations

import logging
from pathlib import Path

from brownout.harness.base.users.marked import end_marked, marked
from brownout.harness.errors import WorldError
from brownout.harness.worlds.catalog import COMPOSE

PATIENCE_S = 65.0  # a keeper ends its subject within a minute (experiment/subject.py)
log = logging.getLogger(__name__)


async def end_left_subject(world: str, folder: Path) -> None:
    """Ends it, its processes after their keeper's time, its containers at once. The folder's name is the stack's id.

    What cannot be removed now is removed with the stack.
    """
    import asyncio  # takes a moment, which a command that finds nothing left need not pay

    if marked(folder):
        await asyncio.to_thread(end_marked, folder, patience_s=PATIENCE_S)
    if world == COMPOSE:
        try:
            await asyncio.to_thread(_remove_containers, folder.name)
        except (WorldError, ImportError) as failed:
            log.warning("%s: the subject's containers are not removed yet: %s", folder.name, failed)


def _remove_containers(stack: str) -> None:
    from brownout.harness.worlds.compose.engine import DockerEngine  # its library is an extra

    engine = DockerEngine()
    try:
        engine.remove_subject(stack)
    finally:
        engine.close()
