"""The `brownout` object of a test, which runs experiments, and a Run with its verdict and evidence.

Law: a test can neither pass nor fail on a run that proves nothing. Asking a Run for a verdict, a claim or an objective
raises when the run is not conclusive, and so does the end, good or bad, of a test that used such a run without `expect`ing
its verdict. An inconclusive run makes the test inconclusive; a harness error or an unsafe end makes it fail, never skip.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.pytest_plugin import summary
from brownout.harness.pytest_plugin.judged import JudgedRecord
from brownout.harness.pytest_plugin.share import Entry, once, turn_of_the_machine
from brownout.harness.pytest_plugin.uses import Uses, named
from brownout.harness.worlds.catalog import SIMULATION

if TYPE_CHECKING:
    from brownout.harness.api import Options
    from brownout.harness.experiment.checks import CheckedExperiment
    from brownout.harness.experiment.model import Experiment
    from brownout.harness.pytest_plugin.series import Series
    from brownout.harness.record.history import History
    from brownout.harness.record.result import ClaimResult, Result, SloResult, StepResult
    from brownout.harness.run.prepare import PreparedRun
    from brownout.harness.worlds.renewals import RenewalLook

    OfRun = JudgedRecord[Result]
else:
    OfRun = JudgedRecord  # what a result is, is loaded with the first run and not with each session of pytest


class Run(OfRun):
    """One run of an experiment. `result` and `history` are the record as it is; the methods judge."""

    kind = "run"

    @property
    def history(self) -> History:
        """Every event and every request."""
        self._uses.note(self)
        return self._history

    @cached_property
    def _history(self) -> History:
        from brownout.harness.record.history import read_history

        return read_history(self._folder)

    @property
    def name(self) -> str:
        """Which run this is, for people."""
        r = self._result
        return f"{r.experiment} in {r.world}, posture {r.posture}, seed {r.seed}"

    def claim(self, claim_id: str) -> ClaimResult:
        """A published claim beside what was measured; raises UsageError when this run has no such claim."""
        __tracebackhide__ = True
        self.require_conclusive()
        return named(claim_id, {claim.id: claim for claim in self._result.claims}, f"claim of {self.name}")

    def holds(self, *claim_ids: str) -> Self:
        """The run itself, when every one of these claims holds; raises AssertionError with those that do not."""
        __tracebackhide__ = True
        claims = [self.claim(claim_id) for claim_id in claim_ids]
        lines = [_claim_line(claim) for claim in claims if claim.status != "holds"]
        if lines:
            raise AssertionError(self._story(f"{len(lines)} of {len(claims)} claims do not hold", lines))
        return self

    def slo(self, name: str) -> SloResult:
        """An objective as it was judged; raises UsageError when the experiment has none of that name."""
        __tracebackhide__ = True
        self.require_conclusive()
        return named(name, {slo.name: slo for slo in self._result.slos}, f"objective of {self._result.experiment}")

    def step(self, name: str) -> StepResult:
        """The result of a step of the schedule; raises UsageError when there is none of that name."""
        __tracebackhide__ = True
        self.require_conclusive()
        return named(name, {step.name: step for step in self._result.steps}, f"step of {self._result.experiment}")

    def _story(self, headline: str, lines: Iterable[str] = ()) -> str:
        body = tuple(lines) or self._result.reasons
        tail = (f"record: {self._folder}", f"repeat: {self._result.command}")
        return "\n".join((f"{headline}: {self.name}", *(f"  - {line}" for line in body), *(f"  {line}" for line in tail)))


class Brownout:
    """Runs experiments for a test session. Equal runs are made once and shared, across xdist workers too."""

    def __init__(self, *, world: str, seed: int, shared: Path, out: Path | None, root: Path, uses: Uses) -> None:
        self._world, self._seed, self._shared, self._root, self._uses = world, seed, shared, root, uses
        self._out, self._keep = out or shared / "runs", out is not None
        self._runs: dict[str, Run] = {}
        self._series: dict[str, Series] = {}

    def experiment(self, name: str | Path) -> Experiment:
        """An installed experiment by name, or one from a file, found as `run` finds it, to derive others from."""
        from brownout.harness.experiment.loader import load

        return load(self._find(name))

    def run(
        self,
        experiment: str | Path | Experiment,
        *,
        world: str = "",
        posture: str = "",
        seed: int | None = None,
        settings: Mapping[str, Any] | None = None,
        controls: bool = True,
        canaries: bool = True,
        longest_s: float | None = None,
    ) -> Run:
        """Runs an experiment, or returns the equal run that this test session has already made.

        `settings` are put over those of the experiment and of the posture. `controls`: also the control runs that claims
        are compared with. `canaries`: real SDKs beside the load (`processes` only). `longest_s`: the most real time that the
        timeline of a run in a live world may take, an hour when not given. Raises UsageError before anything is started,
        BrownoutError when the harness failed. Other values come from the command line's `--brownout-*`.
        """
        __tracebackhide__ = True
        from brownout.harness.api import Options
        from brownout.harness.run.options import RUN_LONGEST_S

        if isinstance(experiment, str | Path):
            checked, file = self._read(experiment)
            loaded = checked.experiment
        else:
            checked, file, loaded = None, "", experiment
        chosen = _with_settings(loaded, posture, settings) if settings else loaded
        options = Options(
            world=world or self._world,
            posture=posture or chosen.posture,
            seed=self._seed if seed is None else seed,
            out=self._out,
            controls=controls,
            canaries=canaries,
            longest_s=RUN_LONGEST_S if longest_s is None else longest_s,
        )
        key = _key(chosen, options, self._uses.rerun)
        if key not in self._runs:
            as_read = checked is not None and chosen is loaded
            order = _order(checked if checked is not None and as_read else chosen, options, key, file if as_read else "")
            self._runs[key] = self._made(order)
        self._uses.note(self._runs[key])
        return self._runs[key]

    def series(
        self,
        experiment: str | Path,
        *,
        episodes: int,
        world: str = "",
        posture: str = "",
        seed: int | None = None,
        canaries: bool = True,
        longest_s: float | None = None,
    ) -> Series:
        """Runs an experiment so many times, with seeds and offsets drawn from `seed`, for a claim about the system.

        It is made once in each process of a session. Fewer than five episodes are always inconclusive. `longest_s` is for all
        of them together. Raises what `run` raises.
        """
        __tracebackhide__ = True
        from brownout.harness.api import Options, require_main_thread
        from brownout.harness.pytest_plugin.series import make_series
        from brownout.harness.run.options import RUN_LONGEST_S

        checked, file = self._read(experiment)
        options = Options(
            world=world or self._world,
            posture=posture or checked.experiment.posture,
            seed=self._seed if seed is None else seed,
            out=self._out,
            canaries=canaries,
            longest_s=RUN_LONGEST_S if longest_s is None else longest_s,
        )
        require_main_thread(options.world)
        key = f"{_key(checked.experiment, options, self._uses.rerun)} x{episodes}"
        if key not in self._series:
            self._series[key] = make_series(checked, options, episodes, self._uses, file=file)
        self._uses.note(self._series[key])
        return self._series[key]

    def latent(self, stack: str = "") -> RenewalLook:
        """Which cached tokens of a standing stack would not be renewed today, and when each machine fails.

        `stack` may be left out where one stands. Nothing is changed. Raises UsageError and WorldError.
        """
        from brownout.harness.operate.latent import latent_failures

        return latent_failures(stack)[1]

    def _read(self, name: str | Path) -> tuple[CheckedExperiment, str]:
        """The experiment, and what a command line calls it: its name, else its path."""
        from brownout.harness.experiment.loader import read

        found = self._find(name)
        return read(found), str(name) if found.stem == str(name) else str(found.absolute())

    def _find(self, name: str | Path) -> Path:
        """The file: from where the session was started, from beside the test's file, or from pytest's root.

        Raises UsageError that says where it was looked for.
        """
        from brownout.harness.base.files import is_there
        from brownout.harness.experiment.loader import find

        found = find(str(name))
        if found.is_absolute() or is_there(found):
            return found
        places = dict.fromkeys(place / found for place in (Path.cwd(), self._uses.folder or self._root, self._root))
        for place in places:
            if is_there(place):
                return place
        raise UsageError(f"there is no file {found}", hint=f"looked for {', '.join(map(str, places))}")

    def _made(self, order: _Order) -> Run:
        from brownout.harness.judge.run_folder import read_result

        entry = once(self._shared, order.key, lambda: self._make(order))
        if entry.message:
            raise BrownoutError(entry.message, hint=entry.hint)
        result = read_result(Path(entry.folder))
        if result is None:
            raise BrownoutError(f"the result in {entry.folder} cannot be read")
        return Run(result, Path(entry.folder), self._uses)

    def _make(self, order: _Order) -> Entry:
        try:
            entry = Entry(folder=str(self._carry_out(order.run)))
        except UsageError:  # not shared: it comes before anything starts, so each test may raise it anew
            raise
        except BrownoutError as failed:  # shared like a result: another attempt would take as long and tell no more
            entry = Entry(message=failed.message, hint=failed.hint)
        if order.derived is not None:
            order.derived.write_text(order.run.experiment.model_dump_json(by_alias=True, indent=2), encoding="utf-8")
        return entry

    def _carry_out(self, run: PreparedRun) -> Path:
        """The folder of a new run. After an interrupt the run reverts its faults, and the interrupt ends the session."""
        from brownout.harness.api import carry_out, require_main_thread

        require_main_thread(run.options.world)
        if run.options.world == SIMULATION:
            outcome = carry_out(run)
        else:
            from brownout.harness.operate.heal import undo_leftovers

            with turn_of_the_machine():
                left = undo_leftovers()
                # A stack that is stuck is not this run's, which gets a stack of its own.
                for line in (*left.lines, *((str(left.unsafe),) if left.unsafe is not None else ())):
                    sys.stderr.write(f"{line}\n")
                outcome = carry_out(run)
        if problem := summary.add_run(outcome.result):
            sys.stderr.write(f"brownout: {problem}\n")
        if outcome.interrupted:
            raise KeyboardInterrupt
        if self._keep:
            from brownout.harness.experiment import plugins

            plugins.load_plugin("brownout.reports", "html")(outcome.folder)
        return outcome.folder


@dataclass(frozen=True, slots=True)
class _Order:
    """A run to be made. `derived`: where to write an experiment that has no file, so that the run can be repeated."""

    run: PreparedRun
    key: str
    derived: Path | None


def _order(experiment: Experiment | CheckedExperiment, options: Options, key: str, file: str) -> _Order:
    """The order for a run of the experiment in `file` ("" for an experiment without a file); raises UsageError."""
    from brownout.harness.api import prepare
    from brownout.harness.base.durations import duration_text
    from brownout.harness.run.options import RUN_LONGEST_S

    run = prepare(experiment, options)
    derived = None if file else options.out / f"{run.experiment.name}-{key[:8]}.yaml"
    words = ["brownout", "run", file or str(derived), "--world", options.world]
    words += ["--posture", options.posture, "--seed", str(options.seed)]
    words += ["--no-controls"] * (not options.controls) + ["--no-canaries"] * (not options.canaries)
    if options.longest_s != RUN_LONGEST_S:
        words += ["--longest", duration_text(options.longest_s)]
    return _Order(replace(run, options=replace(options, command=shlex.join(words))), key, derived)


def _with_settings(experiment: Experiment, posture: str, settings: Mapping[str, Any]) -> Experiment:
    """The experiment with these settings in the posture that will be run, where they win over all others."""
    name, chosen = experiment.posture_named(posture)
    changed = chosen.model_copy(update={"settings": {**chosen.settings, **settings}})
    return experiment.model_copy(update={"postures": {**experiment.postures, name: changed}})


def _key(experiment: Experiment, options: Options, rerun: str) -> str:
    """A digest that is equal for runs that would have equal results; a test that is run again gets runs of its own."""
    parts = (
        experiment.model_dump_json(by_alias=True),
        options.world,
        options.posture,
        str(options.seed),
        str(options.controls),
        str(options.canaries and options.world != SIMULATION),
        *([rerun] if rerun else ()),
        _of_subject(experiment),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _of_subject(experiment: Experiment) -> str:
    """What a run about an application depends on beside its file: the variables that it inherits, and the files that it names.

    Two runs of one file are not equal where a test has changed its program, or a variable, between them.
    """
    subject = experiment.subject
    if subject is None:
        return ""
    inherited = sorted(pair for pair in os.environ.items() if not pair[0].startswith("PYTEST_"))
    named = [*(Path(subject.folder) / word for word in subject.words), *([Path(subject.compose)] if subject.service else [])]
    files = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in named if path.is_file()]
    return repr((inherited, files))


def _claim_line(claim: ClaimResult) -> str:
    return f"{claim.id} {claim.text}: published {claim.published!r}, measured {claim.measured!r} ({claim.status})"
