"""The table of docs/azure-arm.md: `python -m brownout.identity.azure.arm.page` prints it from the routes."""

from __future__ import annotations

import sys

from brownout.identity.azure.arm.routes import ROUTES, ArmRoute

HEAD = "| path | verbs | api-version |\n|---|---|---|\n"


def table() -> str:
    """Every route with its verbs and versions, as Markdown."""
    return HEAD + "".join(map(_row, ROUTES))


def _row(route: ArmRoute) -> str:
    versions = route.api_versions
    return f"| `{route.template}` | {', '.join(route.verbs)} | {versions[0]} to {versions[-1]} |\n"


if __name__ == "__main__":
    sys.stdout.write(table())
