"""`brownout search`, in a folder of its own: schedules that no experiment lists."""

from brownout.harness.cli.search import command

__all__ = ["command"]
