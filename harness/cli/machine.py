"""The command that runs another one as if on a machine of a standing stack."""

from __future__ import annotations

from pathlib import Path

import click

from brownout.harness.cli.frame import command


@command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--machine", required=True, help="A machine of the stack, such as web-1.")
@click.option("--names", is_flag=True, help="The vendors' names lead into the stack too, such as login.microsoftonline.com.")
@click.option("--stack-file", type=click.Path(dir_okay=False, path_type=Path), default=Path("stack.json"), show_default=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, required=True, metavar="COMMAND...")
def exec_command(machine: str, names: bool, stack_file: Path, words: tuple[str, ...]) -> int:
    """Run a command as if on a machine: metadata is at 169.254.169.254, and there is no other network."""
    from brownout.harness.client_env.stack_file import read_stack_file
    from brownout.harness.operate.on_machine.launch import run
    from brownout.harness.operate.on_machine.place import launch_of

    return run(launch_of(read_stack_file(stack_file), machine, words, names=names))
