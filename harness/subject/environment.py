"""The environment of a subject: that of a client on a machine of the run's stack, and nothing that leads elsewhere.

In `compose` there are two: that of the service's container, and that of its clients' commands, which run on this machine.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from brownout.harness.base.files import is_folder_there
from brownout.harness.client_env.machine_endpoints import write_files
from brownout.harness.client_env.shell_variables import ELSEWHERE, exports, find_machine, inside_of, inside_variables
from brownout.harness.client_env.stack_file import FaultsEntry, StackFile, make_stack_file
from brownout.harness.errors import UsageError
from brownout.harness.experiment.subject import PORT, PYTHON, Subject
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.models.asks import words_of
from brownout.harness.world import LiveWorld
from brownout.harness.worlds.catalog import COMPOSE
from brownout.harness.worlds.control_plane import access_key, user_token
from brownout.identity.aws.records.seed import ADMIN
from brownout.identity.azure.hosts.endpoint import IMDS
from brownout.identity.core.topology import VAULT

PORT_VARIABLE, URL_VARIABLE = "PORT", "SUBJECT_URL"
VAULT_VARIABLE = "BROWNOUT_VAULT_URL"  # no SDK reads an address of a vault from a variable, so the application has to
# An application has no business with these: what is broken in a run is in its schedule.
_OF_OPERATORS = ("BROWNOUT_CONTROL_TOKEN", "BROWNOUT_TOXIPROXY_URL", "BROWNOUT_DASHBOARD_URL", "BROWNOUT_COMPOSE_VARIABLES")
SECRET_WORDS = ("SECRET", "TOKEN", "HEADER", "PASSWORD", "KEY")


async def stack_content(stack_id: str, world: LiveWorld, *, faults: FaultsEntry | None = None) -> StackFile:
    """The stack file of a stack that is up, with its fault API if it has one; raises WorldError."""
    return make_stack_file(
        stack_id,
        world.spec,
        world=world.name,
        endpoints=world.endpoints(),
        user_token=await user_token(world),
        clock=world.clock_record(),
        access_key=await access_key(world, ADMIN) if "aws" in world.spec.vendors else None,
        faults=faults,
    )


def variables(subject: Subject, stack: StackFile, port: int) -> dict[str, str]:
    """The whole environment of the subject's process; raises UsageError for what the stack does not have."""
    machine = subject.env_of or ""
    found = exports(stack, machine, proxy=subject.proxy, container=subject.container, endpoint=subject.endpoint)
    if machine and subject.endpoint != IMDS:
        write_files(stack, find_machine(stack, machine), machine, subject.endpoint)
    inherited = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    own = {name: placed(value, port) for name, value in subject.env.items()}
    told = {name: value for name, value in found.items() if name not in _OF_OPERATORS}
    told[VAULT_VARIABLE] = stack.regions[_region_of(subject, stack)].vault_url
    return {**inherited, **told, PORT_VARIABLE: str(port), URL_VARIABLE: url_of(port), **own}


def container_variables(subject: Subject, stack: StackFile) -> dict[str, str]:
    """What is added to the environment of the subject's container; raises UsageError for what the stack does not have."""
    port = subject.container_port
    own = {name: placed(value, port) for name, value in subject.env.items()}
    told = inside_variables(stack, subject.env_of or "")
    told[VAULT_VARIABLE] = inside_of(stack).urls[f"{_region_of(subject, stack)}.{VAULT}"]
    return {**told, PORT_VARIABLE: str(port), URL_VARIABLE: url_of(port), **own}


def _region_of(subject: Subject, stack: StackFile) -> str:
    """Where the subject stands."""
    return find_machine(stack, subject.env_of).region if subject.env_of else stack.home_region


def url_of(port: int) -> str:
    """The base URL of a subject on that port."""
    return f"http://127.0.0.1:{port}"


def placed(text: str, port: int) -> str:
    """The text with the port and the interpreter in place of their words; other braces stay."""
    return text.replace(PORT, str(port)).replace(PYTHON, sys.executable)


def folder_of(subject: Subject) -> Path:
    """The subject's working directory."""
    return Path(subject.folder or ".").absolute()


def require_startable(subject: Subject, cohorts: Iterable[Cohort], world: str) -> None:
    """Raises UsageError where the subject's folder, its program or service, or one of its clients' programs is not there."""
    folder = folder_of(subject)
    if not is_folder_there(folder):
        raise UsageError(
            f"the subject's folder {folder} is not there", hint="`subject.folder` is seen from the experiment's folder"
        )
    if world == COMPOSE:
        from brownout.harness.subject.compose_project import require_service  # Docker's client is an extra

        require_service(subject)
    else:
        require_program(subject.words[0], folder, "subject.command", subject.env)
    for cohort in cohorts:
        if cohort.command is not None:
            require_program(words_of(cohort.command.run)[0], folder, f"cohort {cohort.name}", subject.env)


def require_program(word: str, folder: Path, where: str, env: Mapping[str, str]) -> None:
    """Raises UsageError where the program that a command begins with cannot be found."""
    word = placed(word, 0)
    path = env.get("PATH") or os.environ.get("PATH")
    program = str(folder / word) if "/" in word else word
    if shutil.which(program, path=path) is None:
        hint = f"write its path, or {PYTHON} for the interpreter that runs Brownout"
        raise UsageError(f"{where}: there is no program {word!r}", hint=hint)


def secrets_of(stack: StackFile, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What is not to be seen in the subject's output: the secrets of the stack, and of its own environment."""
    found = {stack.control_token, stack.user_token}
    if stack.aws is not None:
        found.add(stack.aws.secret_access_key)
    if stack.application is not None:
        found.add(stack.application.client_secret)
    found |= {value for name, value in environment.items() if any(word in name.upper() for word in SECRET_WORDS)}
    return tuple(sorted(each for each in found if each))
