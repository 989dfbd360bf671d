"""A subject's container, made ready to join a run's stack: the user's file, what goes over it, and what is masked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from brownout.harness.client_env.shell_variables import inside_of
from brownout.harness.client_env.stack_file import StackFile
from brownout.harness.experiment.subject import Subject
from brownout.harness.subject.compose_project import Joined, overlay, read_project
from brownout.harness.subject.container import ContainerOrder, SubjectContainer
from brownout.harness.subject.environment import SECRET_WORDS, container_variables, placed, secrets_of
from brownout.harness.worlds.compose.stack import owner


def joined_container(
    subject: Subject, stack: StackFile, port: int, stack_folder: Path, *, record: Path, environment: Mapping[str, str]
) -> SubjectContainer:
    """The subject as a container on the stack's client network, not yet started; raises UsageError and WorldError.

    `port` is the one on loopback, `environment` that of commands on this machine.
    """
    file, service = Path(subject.compose), subject.service or ""
    project, inside = read_project(file), container_variables(subject, stack)
    joined = Joined(
        stack=stack_folder.name,
        owner=owner(),
        network=inside_of(stack).network,
        port=port,
        container_port=subject.container_port,
        environment=inside,
    )
    order = ContainerOrder(
        file=file,
        service=service,
        over=overlay(project, service, joined),
        ready=placed(subject.ready, port),
        ready_within_s=subject.ready_within_s,
        stop_within_s=subject.stop_within_s,
        record=record,
        environment=environment,
        secrets=(*secrets_of(stack, {**environment, **inside}), *project.secrets_of(service, SECRET_WORDS)),
    )
    return SubjectContainer(order, stack_folder)
