"""The application of an experiment file: what may be written, and what is refused with a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import read, validate
from brownout.harness.experiment.parts.subject_checks import check_subject
from brownout.harness.experiment.subject import Subject
from support.subject_documents import DAY, READY, visitors, written


def test_a_sound_one_has_its_folder_beside_the_file(tmp_path: Path) -> None:
    """The working directory is seen from the experiment, whoever runs it from where."""
    subject = read(written(tmp_path)).experiment.subject
    assert subject is not None
    assert subject.folder == str(tmp_path.resolve())
    assert subject.words == ("python3", "app.py")


def test_one_line_is_split_as_a_shell_splits_it() -> None:
    """Quotes hold words together; a quote that is never closed is a mistake of the file."""
    assert Subject(command="node 'my app.js' -v", ready=READY).words == ("node", "my app.js", "-v")
    with pytest.raises(ValidationError, match="No closing quotation"):
        Subject(command="node 'app.js", ready=READY)


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        ("http://10.0.0.1:{port}/", "names a host that the run does not start"),
        ("http://example.com:{port}/", "names a host that the run does not start"),
        ("http://127.0.0.1@example.com:{port}/", "names a host that the run does not start"),
        ("http://127.0.0.1:8080/", "names a port that is not the subject's"),
        ("http://127.0.0.1/{port}", "names a port that is not the subject's"),
        ("http://127.0.0.1:{port}1/", "names a port that is not the subject's"),
        ("https://127.0.0.1:{port}/", "is not a URL of plain HTTP"),
        ("127.0.0.1:{port}", "is not a URL of plain HTTP"),
    ],
)
def test_only_what_the_run_starts_is_a_target(ready: str, words: str) -> None:
    """A ready URL names the loopback address and the port that the run picks, and nothing else."""
    with pytest.raises(ValidationError, match=words):
        Subject(command="app", ready=ready)


@pytest.mark.parametrize("path", ["//example.com/", "http://example.com/", "work", "/a b", "/é"])
def test_a_path_leads_nowhere_else(tmp_path: Path, path: str) -> None:
    """A request of the model http names a path; no path can be taken for another host."""
    (problem, *_) = validate(written(tmp_path, load={"cohorts": [visitors(http={"path": path})]}))
    assert "load.cohorts[0].http.path" in str(problem)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"subject": None}, "there is no subject"),
        ({"subject": {"command": "app", "env_of": "web-999", "ready": READY}}, "no machine 'web-999'"),
        ({"subject": {"command": "app", "env_of": "scaled", "ready": READY}}, "subject.env_of"),
        ({"subject": {"command": "app", "ready": READY, "container": True}}, "is of a client on a machine"),
        ({"subject": {"command": "app", "ready": READY, "env": {"PORT": "1"}}}, "PORT is set by the run"),
        ({"subject": {"command": "app", "ready": READY, "ready_within": "1h"}}, "at most 300 s"),
        ({"subject": {"command": [], "ready": READY}}, "at least the name of a program"),
        ({"load": {"cohorts": [visitors(model="command")]}}, "need a command"),
        ({"load": {"cohorts": [visitors(command={"run": "true"})]}}, "do not read command"),
        ({"load": {"cohorts": [visitors(http={"timeout": "1m"})]}}, "is no time-out"),
        ({"load": {"cohorts": [visitors(http={"status": 99})]}}, "is no status"),
        ({"load": {"cohorts": [visitors(http={"headers": {"Host": "x"}})]}}, "the connection's own"),
        ({"load": {"cohorts": [visitors(model="../other.py")]}}, "not below the folder of the experiment"),
        ({"load": {"cohorts": [visitors(model="./missing.py")]}}, "there is no file"),
    ],
)
def test_mistakes_are_shown_at_their_place(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """With file, line and column, before anything starts."""
    problems = validate(written(tmp_path, **changes))
    assert words in " ".join(f"{problem} {problem.hint}" for problem in problems)


def test_the_simulation_has_no_subject(tmp_path: Path) -> None:
    """It is refused there with the names of the worlds that have one."""
    experiment = read(written(tmp_path)).experiment
    with pytest.raises(UsageError, match="which world simulation cannot have") as refused:
        check_subject(experiment, "simulation")
    assert "processes" in refused.value.hint
    check_subject(experiment, "processes")


def test_a_fast_clock_is_no_application_s(tmp_path: Path) -> None:
    """Its timers are real time, so a compressed timeline is refused."""
    experiment = read(written(tmp_path, timeline={**DAY, "edge": "5s", "rates": {"processes": 60}})).experiment
    with pytest.raises(UsageError, match="runs at 60 times real time"):
        check_subject(experiment, "processes")


def test_one_file_serves_both_worlds_that_start_an_application(tmp_path: Path) -> None:
    """A command is for processes and a service for containers; the one that is missing is named, with what to add."""
    both = {"command": "app", "service": "web", "env_of": "web-1", "ready": READY}
    experiment = read(written(tmp_path, subject=both)).experiment
    assert experiment.subject is not None
    assert experiment.subject.compose == str(tmp_path.resolve() / "compose.yaml")
    check_subject(experiment, "processes")
    check_subject(experiment, "compose")
    alone = read(written(tmp_path, subject={**both, "command": None})).experiment
    with pytest.raises(UsageError, match="is a service of a Compose file") as refused:
        check_subject(alone, "processes")
    assert "--world compose" in refused.value.hint
    with pytest.raises(UsageError, match="is a command") as refused:
        check_subject(read(written(tmp_path)).experiment, "compose")
    assert "subject.service" in refused.value.hint
    with pytest.raises(ValidationError, match=r"a command \(a process\), a service"):
        Subject(ready=READY)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"env_of": None}, "is on a machine"),
        ({"proxy": True}, r"nothing of `subject\.proxy`"),
        ({"container": True}, r"nothing of `subject\.container`"),
        ({"endpoint": "app-service"}, r"nothing of `subject\.endpoint`"),
    ],
)
def test_what_a_container_of_the_user_s_cannot_have_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """It has the URLs of the stack, and neither its names nor the machine's other endpoints."""
    asked = {"service": "web", "env_of": "web-1", "ready": READY, **changes}
    with pytest.raises(UsageError, match=words):
        check_subject(read(written(tmp_path, subject=asked)).experiment, "compose")
