"""The page of what ARM serves is its table of routes, and every route is served."""

from __future__ import annotations

from typing import Any

from brownout.identity.azure.arm.page import table
from brownout.identity.azure.arm.routes import ROUTES, find_route
from support.identity_stacks import Stack, on_stack
from support.places import ROOT


def test_the_page_has_every_route() -> None:
    """docs/azure-arm.md has the table as it is printed."""
    assert table() in (ROOT / "docs" / "azure-arm.md").read_text(encoding="utf-8")


def test_every_verb_of_every_route_is_served() -> None:
    """What the table names has a handler, and every handler a route."""

    async def story(stack: Stack) -> Any:
        surface: Any = stack.node("sydney.management").surfaces[-1]
        return {name: set(verbs) for name, verbs in surface.handlers.items()}

    named: dict[str, set[str]] = {}
    for route in ROUTES:
        named.setdefault(route.handler, set()).update(route.verbs)
    assert on_stack(story) == named


def test_a_route_finds_itself() -> None:
    """Each template, with a word for each placeholder, leads to its own route."""
    for route in ROUTES:
        words = ["x" if segment.startswith("{") else segment.upper() for segment in route.segments]
        match = find_route(words)
        assert match is not None
        assert match.route.handler == route.handler
