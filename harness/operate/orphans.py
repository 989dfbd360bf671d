"""Orphaned stacks: containers on the Docker engine labelled as Brownout's whose stack is not in this state folder's ledger.

Everything that a stack has on the engine is labelled with the stack's id and its owner. Orphans of this state folder's owner
are taken down. Stacks of other owners may be in use: they are reported, and taken down only when their owner is named.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from brownout.harness.base.statedir import discard_stack_dir, state_dir
from brownout.harness.errors import WorldError


@dataclass(frozen=True, slots=True)
class Swept:
    """The result for the stacks that were found: a line for each that was taken down, notes, and errors."""

    down: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[WorldError, ...] = ()


def take_down_orphans(known: Collection[str], owner: str = "") -> Swept:
    """Takes down the engine's stacks of this state folder's owner, or of `owner`, except those that are `known`.

    Without a Docker engine nothing is done. A note says so if one is installed or an `owner` was named.
    """
    if not _has_docker():
        return Swept(notes=("there is no Docker here",) if owner else ())
    from brownout.harness.worlds.compose.engine import DockerEngine, EngineError
    from brownout.harness.worlds.compose.stack import owner as me

    try:
        engine = DockerEngine()
    except EngineError as none:
        return Swept(notes=(f"containers that no ledger knows were not looked for: {none.message}",))
    try:
        found = {stack: whose for stack, whose in engine.stacks().items() if stack not in known}
        tried = [_take_down(engine.remove_stack, stack) for stack, whose in found.items() if whose == (owner or me())]
    except EngineError as failed:
        return Swept(problems=(failed,))
    finally:
        engine.close()
    lines = tuple(each for each in tried if isinstance(each, str))
    return Swept(lines, _about_others(found, owner or me()), tuple(each for each in tried if isinstance(each, WorldError)))


def orphans() -> tuple[str, ...]:
    """Ids of the engine's stacks of this state folder's owner that are not in its ledger; raises EngineError."""
    from brownout.harness.operate.stacks import stacks
    from brownout.harness.worlds.compose.engine import DockerEngine
    from brownout.harness.worlds.compose.stack import owner as me

    engine = DockerEngine()
    try:
        known = {row.id for row in stacks()}
        return tuple(sorted(stack for stack, whose in engine.stacks().items() if whose == me() and stack not in known))
    finally:
        engine.close()


def orphan_lines() -> tuple[str, ...]:
    """A line for each orphan; none without a Docker engine that answers."""
    if not _has_docker():
        return ()
    try:
        return tuple(
            f"containers of stack {stack} stand, which no ledger knows; `brownout down --all` takes them away"
            for stack in orphans()
        )
    except WorldError:
        return ()


def _has_docker() -> bool:
    """Whether there may be an engine, and the library to ask it with (installed by brownout[compose])."""
    if importlib.util.find_spec("docker") is None:
        return False
    return shutil.which("docker") is not None or "DOCKER_HOST" in os.environ


def _take_down(remove: Callable[[str], None], stack: str) -> str | WorldError:
    """Removes a stack, and its folder if this machine has it. Returns a line that says so, or the error."""
    try:
        remove(stack)
        discard_stack_dir(state_dir() / "stacks" / stack, keep_logs=True)
    except WorldError as failed:
        return failed
    return f"stack {stack}, which no ledger knew, is down"


def _about_others(found: Mapping[str, str], wanted: str) -> tuple[str, ...]:
    return tuple(
        f"stack {stack} belongs to {whose or 'an unnamed owner'} and was left alone"
        + (f"; `brownout down --all --owner {whose}` takes it down" if whose else "")
        for stack, whose in sorted(found.items())
        if whose != wanted
    )
