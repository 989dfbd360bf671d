"""What a record says of the run's subject."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from brownout.harness.experiment.model import Experiment
from brownout.harness.experiment.subject import PYTHON, Subject
from brownout.harness.load.arrivals import asks_subject
from brownout.harness.record.history import Event, History
from brownout.harness.record.result import SloResult, SubjectResult
from brownout.harness.record.verdicts import Verdict

FILES = ("subject.log", "subject.older.log")


def subject_result(experiment: Experiment, events: Iterable[Event]) -> SubjectResult | None:
    """The subject of a run; None for an experiment without one."""
    subject = experiment.subject
    if subject is None:
        return None
    ended, dropped, service = "", 0, ""
    for event in events:
        if (event.kind, event.what) == ("gate", "subject") and not event.detail.get("passed", False):
            ended = str(event.detail.get("reason", ""))
        elif (event.kind, event.what) == ("subject", "ready"):
            service = str(event.detail.get("service", ""))
        elif (event.kind, event.what) == ("subject", "over"):
            dropped = int(event.detail.get("dropped_bytes", 0))
    return SubjectResult(
        command=_named(subject, service),
        machine=subject.env_of or "",
        cohorts=tuple(cohort.name for cohort in experiment.load.cohorts if asks_subject(cohort)),
        ended=ended,
        files=FILES if dropped else FILES[:1],
    )


def _named(subject: Subject, service: str) -> str:
    """What people call it: the command, or the service that was started, or would have been where there is no command."""
    if service or not subject.words:
        return f"service {service or subject.service} of {Path(subject.compose).name}"
    return shlex.join(word.replace(PYTHON, "python") for word in subject.words)


def application_first(subject: SubjectResult | None, slos: Iterable[SloResult]) -> tuple[SloResult, ...]:
    """The objectives with those of the subject's clients first; each part stays in the order of the file."""
    return tuple(slos) if subject is None else tuple(sorted(slos, key=lambda slo: not subject.judges(slo)))


def with_end(subject: SubjectResult | None, verdict: Verdict, reasons: tuple[str, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and its reasons. A breach of a subject that had ended begins with that: it is why its requests failed."""
    if verdict == "breach" and subject is not None and subject.ended:
        return verdict, (subject.ended, *reasons)
    return verdict, reasons


def of_the_service(subject: SubjectResult | None, history: History) -> History:
    """The history without requests of the subject's clients: what must hold whatever breaks is asked of the service alone."""
    if subject is None:
        return history
    return replace(history, requests=tuple(one for one in history.requests if one.cohort not in subject.cohorts))
