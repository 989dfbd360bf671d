"""The page for people who write faults: its code works as printed, and what it names exists."""

from __future__ import annotations

import re
from typing import Any

import pytest

from support.fault_cases import on_stack
from support.places import DOCS

PAGE = DOCS / "writing-a-fault.md"


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """What the page's Python blocks define, run in order in one module."""
    names: dict[str, Any] = {"__name__": "printed"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)
    return names


def test_the_printed_test_passes(printed: dict[str, Any]) -> None:
    """A newcomer who copies the fault and its test gets a green test."""
    printed["test_region_cut"]()


def test_the_printed_fault_lives_a_whole_life(printed: dict[str, Any]) -> None:
    """The fault of the page bites and heals under the life cycle, and cuts links both ways but none to clients."""

    async def story(trial: Any) -> None:
        fault = printed["RegionCut"](region="melbourne")
        names = {carrier.name for carrier in fault.carriers(trial.world.spec)}
        assert {"melbourne.token->sydney.store", "sydney.token->melbourne.store"} <= names
        assert not any(name.startswith("client") for name in names)
        applied = await trial.life.inject("cut", fault)
        assert applied.state == "bitten"
        assert (await trial.life.revert(applied.fault_id)).state == "healed"

    on_stack(story)


def test_the_files_that_the_page_names_exist() -> None:
    """Helpers and paths on the page are real."""
    text = PAGE.read_text(encoding="utf-8")
    root = PAGE.parents[1]
    for name in re.findall(r"`(_\w+)(?:\.\w+)?`", text):
        assert (root / "faults" / f"{name}.py").exists(), name
    for path in re.findall(r"`((?:tests|docs|harness|identity)/[\w/.-]+)`", text):
        assert (root / path).exists(), path
