"""`brownout search`, in a folder of its own: schedules that nobody wrote down."""

from brownout.harness.cli.search import command

__all__ = ["command"]
