"""`python -m brownout.compose.write`: writes compose.yaml and toxiproxy.json of the default stack, which are in the repository.

`tests/compose` fails when they are stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from brownout.harness.worlds.compose.compose_files import compose_files
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import ALL_VENDORS

FOLDER = Path(__file__).parent


def written() -> Mapping[Path, str]:
    """The content of every file that is written, by path."""
    stack = build_stack(seed=1, vendors=ALL_VENDORS)
    return {FOLDER / name: content for name, content in compose_files(stack, FOLDER, builds=True).items()}


if __name__ == "__main__":
    for path, content in written().items():
        path.write_text(content, encoding="utf-8")
