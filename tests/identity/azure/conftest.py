"""A stack of processes for the tests of this folder."""

from support.stack_fixtures import fresh_world, run, stack, toxiproxy_binary

__all__ = ["fresh_world", "run", "stack", "toxiproxy_binary"]
