"""What a subject and the clients of one need of each other, of the stack, and of the world in which they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.pydantic_errors import DataPath, Problem
from brownout.harness.errors import UsageError
from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.subject import COMPOSE_FILE, Subject
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.models.registry import client_model
from brownout.harness.worlds.catalog import COMPOSE, PROCESSES, SUBJECT, WORLDS
from brownout.identity.azure.hosts.endpoint import IMDS
from brownout.identity.core.topology import StackSpec

_EXAMPLE = "subject: {command: [python, app.py], env_of: web-1, ready: 'http://127.0.0.1:{port}/healthz'}"


def check_subject(experiment: Experiment, world: str) -> None:
    """Raises UsageError for a subject in a world that has none, cannot start it, or whose clock is not a real client's."""
    if experiment.subject is None:
        return
    able = [kind.name for kind in WORLDS.values() if SUBJECT in kind.abilities]
    if world in WORLDS and world not in able:
        raise UsageError(
            f"experiment {experiment.name} has a subject, a real application, which world {world} cannot have",
            hint=f"worlds that can: {', '.join(able)}, such as --world {able[0]}; in a test `world={able[0]!r}`",
        )
    _check_startable(experiment.name, experiment.subject, world)
    rate = experiment.timeline.rate(world)
    if rate != 1:
        raise UsageError(
            f"in world {world} the clock runs at {rate:g} times real time, and the timers of a subject do not",
            hint="leave `timeline.rates` out: a subject needs rate 1",
        )


def _check_startable(name: str, subject: Subject, world: str) -> None:
    """Raises UsageError where the file does not say how this world starts the subject, or asks for what a container lacks."""
    if world == PROCESSES and subject.command is None:
        raise UsageError(
            f"the subject of {name} is a service of a Compose file, and world processes starts programs",
            hint="add `subject.command`, or use --world compose",
        )
    if world != COMPOSE:
        return
    if subject.service is None:
        raise UsageError(
            f"the subject of {name} is a command, and world compose starts a service of your own Compose file",
            hint=f"add `subject.service`, of {COMPOSE_FILE} or the file in `subject.compose`; or use --world processes",
        )
    if subject.env_of is None:
        raise UsageError("in world compose a subject is on a machine", hint="name one in `subject.env_of`, such as web-1")
    asked = {"proxy": subject.proxy, "container": subject.container, "endpoint": subject.endpoint != IMDS}
    for key in (key for key, given in asked.items() if given):
        raise UsageError(
            f"in world compose a subject has the URLs of `brownout env --inside`, and nothing of `subject.{key}`",
            hint=f"leave `{key}` out, or use --world processes",
        )


def check_subject_file(experiment: Experiment) -> Iterator[Problem]:
    """Problems of the subject by itself, and of cohorts with or without one."""
    subject = experiment.subject
    if subject is not None:
        for key, text in subject.limits():
            yield Problem(("subject", key), text, "such as 15s")
        yield from _on_no_machine(experiment)
        if experiment.controls:
            text = "control runs are simulated, and an application cannot be"
            yield Problem(("controls",), text, "leave out the controls, or the subject")
    for index, cohort in enumerate(experiment.load.cohorts):
        yield from _clients(("load", "cohorts", index), cohort, experiment)


def _on_no_machine(experiment: Experiment) -> Iterator[Problem]:
    subject = experiment.subject
    if subject is None or subject.env_of is not None:
        return
    for key, given in (("container", subject.container), ("endpoint", subject.endpoint != IMDS)):
        if given:
            yield Problem(("subject", key), f"{key} is of a client on a machine", "name its machine with env_of, such as web-1")


def _clients(path: DataPath, cohort: Cohort, experiment: Experiment) -> Iterator[Problem]:
    with suppress(UsageError):  # a model that cannot be used is told where its operations are checked
        if client_model(cohort.model).needs_subject and experiment.subject is None:
            text = f"clients of the model {cohort.model} ask the user's own application, and there is no subject"
            yield Problem((*path, "model"), text, _EXAMPLE)
    deadline_s = experiment.load.deadline_s
    for key, ask in (("http", cohort.http), ("command", cohort.command)):
        if ask is not None and cohort.model != key:
            yield Problem(
                (*path, key), f"clients of the model {cohort.model} do not read {key}", f"write `model: {key}`", at_key=True
            )
    if cohort.command is None and cohort.model == "command":
        yield Problem(
            (*path, "model"), "clients of the model command need a command", "such as command: {run: [python, job.py]}"
        )
    timeout_s = None if cohort.http is None else cohort.http.timeout_s
    if timeout_s is not None and not 0 < timeout_s <= deadline_s:
        text = f"{timeout_s:g} s is no time-out for requests that end after {deadline_s:g} s at the latest"
        yield Problem((*path, "http", "timeout"), text, f"above 0 and at most the deadline of the load ({deadline_s:g} s)")


def check_subject_machine(experiment: Experiment, stack: StackSpec) -> Iterator[Problem]:
    """The problem of a subject on a machine that the stack would not have, or that is no machine but a set of them."""
    wanted = None if experiment.subject is None else experiment.subject.env_of
    if wanted is None:
        return
    machines = {machine.name: machine for machine in stack.machines}
    base, _, number = wanted.rpartition("_")
    of_set = base in machines and machines[base].scale_set and number.isdigit()
    if wanted in machines and machines[wanted].scale_set:
        yield Problem(("subject", "env_of"), f"{wanted} is a scale set", f"name one of its machines, such as {wanted}_1")
    elif wanted not in machines and not of_set:
        hint = did_you_mean(wanted, machines) or f"machines: {', '.join(list(machines)[:8])}"
        yield Problem(("subject", "env_of"), f"the stack has no machine {wanted!r}", hint)
