"""Runs in the hands of a test: what they answer, what they raise, and that equal ones are made once."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from brownout.harness import api
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.pytest_plugin.outcome import Inconclusive
from brownout.harness.pytest_plugin.runs import Run, Uses
from brownout.harness.record.result import ClaimResult
from brownout.harness.record.verdicts import Verdict
from support.plugin_session import facade
from support.subject_documents import written


@pytest.fixture(scope="module")
def breached(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return facade(tmp_path_factory.mktemp("breached")).run("tiny.yaml")


def with_verdict(run: Run, verdict: Verdict, uses: Uses | None = None) -> Run:
    changed = run.result.model_copy(update={"verdict": verdict, "reasons": ("because of it",)})
    return Run(changed, run.folder, uses if uses is not None else Uses())


def test_a_run_answers_by_name(breached: Run) -> None:
    """Objectives and steps are found by name, the history is the recorded one, and the seed is the session's."""
    assert breached.expect("breach") is breached
    assert breached.slo("tokens").status == "breached"
    assert breached.step("cut").state == "healed"
    assert len(breached.history.requests) == 570
    assert breached.result.seed == 7


@pytest.mark.parametrize(
    ("ask", "hint"),
    [
        (lambda run: run.slo("token"), "did you mean 'tokens'?"),
        (lambda run: run.step("cat"), "did you mean 'cut'?"),
        (lambda run: run.claim("C1"), "there are: none"),
        (lambda run: run.expect("passed"), "verdicts: pass, breach"),
        (lambda run: run.expect(), "verdicts: pass, breach"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(breached: Run, ask: Callable[[Run], object], hint: str) -> None:
    """What is not there is an error with a suggestion, never an empty answer."""
    with pytest.raises(UsageError, match=re.escape(hint)):
        ask(breached)


@pytest.mark.parametrize("ask", [Run.require_conclusive, lambda run: run.expect("pass"), lambda run: run.slo("tokens")])
@pytest.mark.parametrize("verdict", ["harness-error", "unsafe"])
def test_a_harness_that_failed_fails_the_test(breached: Run, verdict: Verdict, ask: Callable[[Run], object]) -> None:
    """A harness error and an unsafe end are failures, which no policy turns into a skip."""
    with pytest.raises(AssertionError, match=f"the run ended as {verdict}: tiny in simulation.*\n  - because of it"):
        ask(with_verdict(breached, verdict))


@pytest.mark.parametrize(
    "ask", [lambda run: run.expect("pass", "breach"), lambda run: run.slo("tokens"), lambda run: run.holds("C1")]
)
def test_an_undecided_run_decides_nothing(breached: Run, ask: Callable[[Run], object]) -> None:
    """Whatever is asked of an inconclusive run is inconclusive, with its reasons."""
    with pytest.raises(Inconclusive, match="tiny in simulation, posture bare, seed 7: because of it"):
        ask(with_verdict(breached, "inconclusive"))


def test_looking_at_an_undecided_run_is_noticed_at_the_end(breached: Run) -> None:
    """A test that only reads raw figures of such a run is not let through, unless it said that it expects the verdict."""
    uses = Uses()
    run = with_verdict(breached, "inconclusive", uses)
    uses.check()
    assert run.result.slos
    with pytest.raises(Inconclusive):
        uses.check()
    run.expect("inconclusive")
    uses.check()
    uses.begin("test_another", Path())
    assert run.verdict == "inconclusive"
    with pytest.raises(Inconclusive):
        uses.check()


def test_claims_that_do_not_hold_are_told_side_by_side(breached: Run) -> None:
    """The failure shows what was published and what was measured, of those that differ or were only calibrated."""
    rows = (("C1", "holds"), ("C2", "differs"), ("C3", "calibrated"))
    claims = tuple(ClaimResult(id=id_, text="t", published="3 %", measured="9 %", status=status) for id_, status in rows)
    run = Run(breached.result.model_copy(update={"claims": claims}), breached.folder, Uses())
    assert run.holds("C1").claim("C1").status == "holds"
    with pytest.raises(AssertionError) as raised:
        run.holds("C1", "C2", "C3")
    lines = str(raised.value).splitlines()
    assert lines[0] == "2 of 3 claims do not hold: tiny in simulation, posture bare, seed 7"
    assert lines[1:3] == [f"  - {id_} t: published '3 %', measured '9 %' ({status})" for id_, status in rows[1:]]


@dataclass
class Calls:
    """Stands in for brownout.harness.api.carry_out and counts."""

    raises: BrownoutError | None = None
    interrupted: bool = False
    made: list[api.PreparedRun] = field(default_factory=list)

    def __call__(self, prepared: api.PreparedRun) -> api.Outcome:
        self.made.append(prepared)
        if self.raises is not None:
            raise self.raises
        return api.Outcome(cast("api.Result", None), Path("nowhere"), interrupted=self.interrupted)


def test_an_error_of_the_harness_is_not_run_into_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test that wants the run gets the error, and the expensive failure is gone through once, across workers."""
    calls = Calls(raises=BrownoutError("no such luck", hint="try again"))
    monkeypatch.setattr(api, "carry_out", calls)
    for worker in (facade(tmp_path), facade(tmp_path)):
        for _ in range(2):
            with pytest.raises(BrownoutError, match="no such luck\n  -> try again"):
                worker.run("tiny.yaml")
    assert len(calls.made) == 1


def test_a_run_about_a_changed_application_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is the same, and its program or what that inherits is not: a run of before says nothing about it."""
    calls = Calls(raises=BrownoutError("made"))
    monkeypatch.setattr(api, "carry_out", calls)
    program = tmp_path / "app.py"
    program.write_text("first")
    own, experiment = facade(tmp_path), written(tmp_path)

    def makes() -> int:
        with pytest.raises(BrownoutError, match="made"):
            own.run(experiment, world="processes")
        return len(calls.made)

    assert (makes(), makes()) == (1, 1)
    monkeypatch.setenv("KEEP_TOKEN", "1")
    assert (makes(), makes()) == (2, 2)
    program.write_text("second")
    assert (makes(), makes()) == (3, 3)


def test_bad_usage_is_told_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong name costs nothing, so it is not remembered, and keeps its kind."""
    calls = Calls(raises=UsageError("no posture"))
    monkeypatch.setattr(api, "carry_out", calls)
    own = facade(tmp_path)
    for _ in range(2):
        with pytest.raises(UsageError, match="no posture"):
            own.run("tiny.yaml")
    assert len(calls.made) == 2


def test_an_interrupt_that_was_healed_still_ends_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first Ctrl-C makes the run revert its faults; then KeyboardInterrupt ends the pytest session."""
    monkeypatch.setattr(api, "carry_out", Calls(interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        facade(tmp_path).run("tiny.yaml")


def test_equal_runs_are_one(tmp_path: Path) -> None:
    """Twice the same is the same folder, in another worker too; another seed, posture or setting is another run."""
    here, there = facade(tmp_path), facade(tmp_path)
    experiment = here.experiment("tiny.yaml")
    first = here.run("tiny.yaml")
    assert here.run(experiment, posture="bare", seed=7) is first
    assert there.run("tiny.yaml").folder == first.folder
    assert here.run("tiny.yaml", seed=8).folder != first.folder
    shorter = here.run("tiny.yaml", settings={"token_lifetime_s": 3600.0})
    assert shorter.folder != first.folder
    assert shorter.result.parameters["token_lifetime_s"] == 3600.0


def test_a_run_can_be_repeated_in_a_terminal(tmp_path: Path) -> None:
    """The command in the result names the experiment's file; one that a test has derived is left in a file for that."""
    own = facade(tmp_path)
    command = own.run("tiny.yaml").result.command
    assert command == f"brownout run {tmp_path / 'tiny.yaml'} --world simulation --posture bare --seed 7"
    derived = own.run("tiny.yaml", settings={"token_lifetime_s": 3600.0}, controls=False)
    words = shlex.split(derived.result.command)
    assert shlex.join(words[3:]) == "--world simulation --posture bare --seed 7 --no-controls"
    again = facade(tmp_path / "shared", Uses()).run(words[2], controls=False)
    assert again.result.digest == derived.result.digest
    assert again.result.parameters == derived.result.parameters


def test_a_longer_run_than_an_hour_has_to_be_allowed(tmp_path: Path) -> None:
    """It is refused before anything starts, and the command that repeats an allowed one allows it too."""
    own = facade(tmp_path)
    long = own.experiment("tiny.yaml")
    line = long.timeline.model_copy(update={"rates": {}, "end": long.timeline.end + 3600})
    long = long.model_copy(update={"timeline": line})
    with pytest.raises(UsageError, match=r"in world processes the timeline takes 80 minutes of real time; 60 may be"):
        own.run(long, world="processes")
    assert not (tmp_path / "shared" / "runs").exists()
    assert own.run(long, longest_s=7200.0).result.command.endswith(" --longest 7200.0s")


def test_a_wrong_setting_is_told_before_anything_starts(tmp_path: Path) -> None:
    """Its name comes with a suggestion, and no run folder is made."""
    with pytest.raises(UsageError, match="token_lifetime_s"):
        facade(tmp_path).run("tiny.yaml", settings={"token_lifetime": 60.0})
    assert not (tmp_path / "shared" / "runs").exists()


def test_a_file_is_looked_for_beside_the_test_too_and_where_is_said(tmp_path: Path) -> None:
    """The first example of the docs works in a folder of tests, run from the root."""
    (tmp_path / "tests").mkdir()
    uses = Uses()
    brownout = facade(tmp_path, uses)
    (tmp_path / "tiny.yaml").rename(tmp_path / "tests" / "theirs.yaml")
    with pytest.raises(UsageError, match=re.escape(f"{tmp_path}/theirs.yaml")):
        brownout.experiment("theirs.yaml")
    uses.begin("tests/test_theirs.py::test_it", tmp_path / "tests")
    assert brownout.experiment("theirs.yaml").name == "tiny"


def test_a_test_that_is_run_again_runs_its_experiments_again(tmp_path: Path) -> None:
    """A rerun judges a record of its own; within one attempt equal runs are shared."""
    uses = Uses()
    brownout = facade(tmp_path, uses)
    folders = []
    for test in ("test_a", "test_b", "test_a", "test_a"):
        uses.begin(test, tmp_path)
        folders.append(brownout.run("tiny.yaml").folder)
        assert brownout.run("tiny.yaml").folder == folders[-1]
    assert folders[0] == folders[1]
    assert len(set(folders)) == 3


def test_a_simulation_runs_in_a_thread_and_in_an_async_test_and_real_processes_are_refused(tmp_path: Path) -> None:
    """Where Ctrl-C could not revert faults, none is put in place."""
    brownout = facade(tmp_path)

    async def inside(world: str) -> Verdict:
        return brownout.run("tiny.yaml", world=world).verdict

    assert asyncio.run(inside("simulation")) == "breach"
    with pytest.raises(UsageError, match="one runs here already"):
        asyncio.run(inside("processes"))
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(facade(tmp_path).run, "tiny.yaml").result().verdict == "breach"
        refused = threads.submit(lambda: brownout.run("tiny.yaml", world="processes"))
        with pytest.raises(UsageError, match="needs the main thread"):
            refused.result()
