"""The engine's answers, from an engine that is played: what is asked again, and what is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import docker.errors
import pytest

from brownout.harness.worlds.compose.engine import FREEZE_TRIES, Containers, EngineError

FORKING = "OCI runtime pause failed: unable to freeze: unknown"


def engine(*answers: str) -> tuple[Containers, list[str]]:
    """An engine that gives one answer to each order to pause, "" for done; and the containers that it was asked to."""
    left, asked = list(answers), list[str]()

    def pause(container: str) -> None:
        asked.append(container)
        if words := left.pop(0):
            raise docker.errors.APIError("500 Server Error", explanation=words)

    client = SimpleNamespace(api=SimpleNamespace(pause=pause))
    return Containers(cast(Any, client)), asked


def test_a_container_that_forks_is_frozen_when_asked_again() -> None:
    """The runtime gives up on a moving target, and leaves it as it was."""
    containers, asked = engine(FORKING, FORKING, "")
    containers.pause("vault")
    assert asked == ["vault"] * 3


def test_a_container_that_never_stands_still_is_told() -> None:
    """The tries are bounded, and the runtime's words are in the error."""
    containers, asked = engine(*[FORKING] * 20)
    with pytest.raises(EngineError, match="could not pause a container: OCI runtime pause failed: unable to freeze"):
        containers.pause("vault")
    assert len(asked) == FREEZE_TRIES


def test_another_refusal_is_told_at_once() -> None:
    """A container that does not run is no moving target."""
    containers, asked = engine("container is not running", "")
    with pytest.raises(EngineError, match="not running"):
        containers.pause("vault")
    assert len(asked) == 1
