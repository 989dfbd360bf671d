"""What a record says of the application that a run was about."""

from __future__ import annotations

from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.subject.facts import FILES, application_first, of_the_service, subject_result, with_end
from brownout.harness.record.history import Event, History, RequestRecord
from brownout.harness.record.result import SloResult
from support.subject_documents import document, visitors

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


def test_a_run_about_no_application_has_none() -> None:
    """Whatever its events are."""
    alone = {**document(load={"cohorts": [visitors(model="token")]})}
    del alone["subject"]
    assert subject_result(Experiment.model_validate(alone), (ENDED,)) is None


def test_a_gate_ends_the_application_unless_it_passed() -> None:
    """One that does not say so has not passed; a gate of another name tells nothing of the application."""
    said = ({"passed": True, "reason": "it ran"}, {"reason": "it was gone"})
    found = [subject_result(EXPERIMENT, (Event(30.0, "gate", "subject", detail=detail),)) for detail in said]
    other = subject_result(EXPERIMENT, (Event(30.0, "gate", "resources", detail={"reason": "no disk"}),))
    assert [one.ended for one in (*found, other) if one is not None] == ["", "it was gone", ""]


def test_an_older_log_is_there_where_some_of_the_output_was_dropped() -> None:
    """Only then was the log begun anew."""
    over = [Event(60.0, "subject", "over", detail=detail) for detail in ({"dropped_bytes": 1}, {"dropped_bytes": 0}, {})]
    other = Event(60.0, "subject", "calls", detail={"dropped_bytes": 1})
    found = [subject_result(EXPERIMENT, (event,)) for event in (*over, other)]
    assert [one.files for one in found if one is not None] == [FILES, FILES[:1], FILES[:1], FILES[:1]]


def test_only_clients_of_the_application_are_its_own_and_only_its_start_tells_its_service() -> None:
    """A cohort that asks the stack itself is another; a service that some other event names was not started as it."""
    both = Experiment.model_validate(document(load={"cohorts": [visitors(), visitors(name="others", model="token")]}))
    found = subject_result(both, (Event(1.0, "subject", "calls", detail={"service": "store"}),))
    assert found is not None
    assert (found.cohorts, found.command) == (("visitors",), "python3 app.py")
