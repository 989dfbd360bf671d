"""What becomes of tests that need a container engine where there is none: skipped, or failed where CI insists on them."""

from __future__ import annotations

import os
from functools import cache

import pytest

from brownout.harness.errors import BrownoutError

REQUIRED = "BROWNOUT_REQUIRE_DOCKER"


@cache
def why_not() -> str:
    """Why no stack of containers can be brought up here; empty when one can."""
    try:
        from brownout.harness.worlds.compose.stack import prepare

        prepare()
    except (BrownoutError, ImportError) as missing:
        return str(missing)
    return ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("docker") is None or not why_not():
        return
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, and {why_not()}", pytrace=False)
    pytest.skip(why_not())
