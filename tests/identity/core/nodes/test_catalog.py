"""The catalog: what each role is sent."""

from __future__ import annotations

from typing import Any

from support.identity_stacks import Stack, on_stack


def test_published_keys_are_public() -> None:
    """What a token node publishes and snapshots for vaults carry no private part in the directory's sense."""

    async def story(stack: Stack) -> tuple[Any, Any]:
        directory: Any = stack.node("sydney.directory")
        return directory.catalog.snapshot("vault", {}), directory.catalog.snapshot("management", {})

    vault, management = on_stack(story)
    assert set(vault) == {"version", "identities", "key_set", "lines"}
    assert set(management) == {"version", "identities", "key_set", "lines", "store_keys"}
