"""A stack and faults in a test or a script of one's own: `with stack() as s: with s.fault("node-kill", target=...): ...`.

`fault` is for a stack of `brownout up`, over its fault API. Each name is imported when it is first used, because a load that
uses `fault` must not bring in what brings stacks up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brownout.harness.errors import NotProven

if TYPE_CHECKING:
    from brownout.harness.testing.held_fault import HeldFault
    from brownout.harness.testing.over_http import RemoteFault, fault
    from brownout.harness.testing.owned_stack import Stack, stack

__all__ = ["HeldFault", "NotProven", "RemoteFault", "Stack", "fault", "stack"]

_HOMES = {
    "HeldFault": "held_fault",
    "RemoteFault": "over_http",
    "fault": "over_http",
    "Stack": "owned_stack",
    "stack": "owned_stack",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
