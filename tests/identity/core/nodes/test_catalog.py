"""The catalog: what each role is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

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


def test_a_resource_has_the_first_identity_that_is_not_deleted() -> None:
    """What the index says is what going through all identities says, after each change: new, changed, deleted, moved."""

    async def story(stack: Stack) -> list[str]:
        catalog = cast("Any", stack.node("sydney.directory")).catalog
        first, *others = catalog.identities.values()
        asked = [known.identity.resource_id for known in (first, *others[:2])] + ["/elsewhere", "/nowhere"]

        def found() -> str:
            told = [catalog.of_resource(name.upper()) for name in asked]
            for name, known in zip(asked, told, strict=True):
                alive = (each for each in catalog.alive() if each.identity.resource_id.lower() == name.lower())
                assert known is next(alive, None)
            return " ".join("-" if known is None else known.identity.object_id for known in told)

        seen = [found()]
        again = replace(first, identity=replace(first.identity, object_id="again"))
        for changed in (
            replace(first, tags={"a": "b"}),
            again,
            replace(first, deleted=True),
            replace(again, identity=replace(again.identity, resource_id="/Elsewhere")),
            replace(first, deleted=False),
        ):
            await catalog.save(changed)
            seen.append(found().replace(first.identity.object_id, "first"))
        return [told.split()[0] + told.split()[3] for told in seen[1:]]

    assert on_stack(story) == ["first-", "first-", "again-", "-again", "firstagain"]


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
