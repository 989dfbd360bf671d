"""What a shell asks the command line for: its completion script, and what may stand where the cursor is."""

from brownout.harness.cli.shell import command

__all__ = ["command"]
