"""A stack and faults in a test or a script of one's own: `with stack() as s: with s.fault("node-kill", target=...): ...`."""

from brownout.harness.errors import NotProven
from brownout.harness.testing.held_fault import HeldFault
from brownout.harness.testing.stack import Stack, stack

__all__ = ["HeldFault", "NotProven", "Stack", "stack"]
