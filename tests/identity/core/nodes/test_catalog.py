"""The catalog: what each role is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from support.identity_stacks import Stack, on_stack


def test_published_keys_are_public() -> None:
    """What a token node publishes and snapshots for vaults carry no private part in the directory's sense."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        directory: Any = stack.node("sydney.directory")
        return directory.catalog.snapshot("vault", {}), directory.catalog.snapshot("management", {})

    vault, management = on_stack(story)
    assert set(vault) == {"version", "identities", "key_set", "lines", "parts"}
    assert set(management) == {"version", "identities", "key_set", "lines", "parts", "store_keys"}


def test_only_what_changed_is_made_again_for_the_next_snapshot() -> None:
    """Identities that stay as they are keep their JSON form, and a snapshot on its way keeps the old form of the others."""

    async def story(stack: Stack) -> tuple[Any, Any, Any]:
        directory: Any = stack.node("sydney.directory")
        catalog = directory.catalog
        before = catalog.snapshot("vault", {})["identities"]
        one, other = list(catalog.identities)[:2]
        changed = await catalog.save(replace(catalog.identities[one], tags={"new": "yes"}))
        after = catalog.snapshot("token", {})["identities"]
        assert after[other] is before[other]
        return before[one].get("tags"), after[one], changed.to_json()

    tags_before, told, changed = on_stack(story)
    assert (tags_before, told["tags"]) == (None, {"new": "yes"})
    assert told == changed


def test_the_version_of_a_snapshot_is_asserted() -> None:
    """A version that changes without a change of the catalog would publish old content under it."""

    async def story(stack: Stack) -> None:
        directory: Any = stack.node("sydney.directory")
        directory.catalog.snapshot("vault", {})
        directory.catalog.version += 1
        with pytest.raises(AssertionError, match="the version that it names"):
            directory.catalog.snapshot("vault", {})
        with pytest.raises(AssertionError, match="before a version is given out"):
            directory.catalog.take_up("versions", "", {"reserved": 1})

    on_stack(story)
