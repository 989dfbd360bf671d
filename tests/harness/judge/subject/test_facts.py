"""What a record says of the application that a run was about."""

from __future__ import annotations

from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.subject.facts import application_first, of_the_service, subject_result, with_end
from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import SloResult
from support.subject_documents import document

EXPERIMENT = Experiment.model_validate(document())
ENDED = Event(30.0, "gate", "subject", detail={"passed": False, "reason": "the subject ended with code 7 at 10:02:00"})
REQUEST = RequestRecord("v-1", "visitors", "request", "sydney", "", "", 12.5, 12.5, 12.6, 100.0, 503, "refused", "", "")


def objective(name: str, *cohorts: str) -> SloResult:
    figures = {"target": 0.9, "total": 1, "bad": 0, "ratio": 0.0, "interval": None, "status": "met", "budget_spent": 0.0}
    return SloResult(name=name, reason="", cohorts=cohorts, **figures)  # type: ignore[arg-type]  # of every kind


def test_an_end_is_told_and_begins_the_reasons_of_a_breach() -> None:
    """It is why the requests failed; another verdict has its own reasons."""
    subject = subject_result(EXPERIMENT, (ENDED,))
    assert subject is not None
    assert (subject.machine, subject.cohorts, subject.files) == ("web-1", ("visitors",), ("subject.log",))
    assert with_end(subject, "breach", ("x",)) == ("breach", ("the subject ended with code 7 at 10:02:00", "x"))
    assert with_end(subject, "inconclusive", ("x",)) == ("inconclusive", ("x",))


def test_its_objectives_come_first() -> None:
    """One over all cohorts is not its own; the others stay in their order."""
    subject = subject_result(EXPERIMENT, ())
    given = (objective("all"), objective("service", "others"), objective("own", "visitors"))
    assert [slo.name for slo in application_first(subject, given)] == ["own", "all", "service"]
    assert application_first(None, given) == given


def test_what_the_service_promises_is_not_asked_of_the_application() -> None:
    """An application that fails by itself violates no invariant of the service."""
    others = REQUEST._replace(cohort="others")
    history = History((ENDED,), (REQUEST, others))
    assert of_the_service(subject_result(EXPERIMENT, ()), history).requests == (others,)
    assert of_the_service(None, history) is history


def test_an_application_that_was_started_as_a_service_is_called_by_that() -> None:
    """Also where the file has a command: the record says what was started. With no record of it the command is its name."""
    ready = Event(1.0, "subject", "ready", detail={"service": "web"})
    subject = {**document()["subject"], "compose": "shop/compose.yaml", "service": "web"}
    both = Experiment.model_validate(document(subject=subject))
    started, planned = subject_result(both, (ready,)), subject_result(both, ())
    assert started is not None
    assert planned is not None
    assert (started.command, planned.command) == ("service web of compose.yaml", "python3 app.py")
