"""`brownout completion`: the script by which a shell completes commands, faults, targets, experiments and stacks."""

from __future__ import annotations

import click

from brownout.harness.cli.frame import command, main

PROGRAM, VARIABLE = "brownout", "_BROWNOUT_COMPLETE"
SHELLS = ("bash", "zsh", "fish")


@command(name="completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> int:
    """Print the script that completes this command in SHELL.

    bash: `eval "$(brownout completion bash)"` in ~/.bashrc; zsh: the same with zsh in ~/.zshrc; fish:
    `brownout completion fish > ~/.config/fish/completions/brownout.fish`.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None, "click has those of SHELLS"
    made = kind(main, {}, PROGRAM, VARIABLE)
    click.echo(made.source_template % made.source_vars())  # not `source()`, which starts a bash to ask for its version
    return 0
