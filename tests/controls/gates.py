"""Each gate is tripped by a run that differs in one thing from one that passes it, and then the run does not pass.

Most gates are judged by what a record says: the record here is a small one by hand. Some only the run itself can decide: those
runs are conducted in the simulation, on a stub of what they depend on.
"""

from __future__ import annotations

import ast
import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from brownout.harness.errors import BrownoutError, WorldError
from brownout.harness.experiment.model import Experiment
from brownout.harness.injection.ledger import Ledger
from brownout.harness.judge.evaluate import evaluate, evaluate_record
from brownout.harness.judge.run_folder import Record, RunHeader, write_header, write_result
from brownout.harness.record.history import Event, Recorder, RequestRecord, read_history
from brownout.harness.record.result import Result
from brownout.harness.run.conductor import RunState
from brownout.harness.run.foreign_watch import ForeignWatch
from brownout.harness.run.journal import Journal
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.subject.watch import SubjectWatch
from brownout.harness.subject.process import SubjectEnd, SubjectProcess
from brownout.harness.world import Carrier, LiveWorld, Survey
from brownout.harness.worlds.simulation.world import SimulationWorld
from controls.control import Control, Outcome
from support.conductor_bench import Bench, Watching, day
from support.places import ROOT
from support.slo_builders import (
    BASELINE,
    END,
    FAULT,
    RECOVERY,
    T0,
    act,
    experiment,
    finished_events,
    history,
    requests,
    whole_life,
)


def shipped(folder: Path = ROOT / "harness") -> set[str]:
    """The names of all gates, as the code spells them where one is made; raises ValueError for one that is computed.

    A gate that a run recorded is made again from its event, under the name that it has there.
    """
    found: set[str] = set()
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text if "GateResult(" in text or "gate(" in text else "")
        for call in filter(_makes_gate, ast.walk(tree)):
            name = _name_given(cast(ast.Call, call))
            if isinstance(name, ast.Constant):
                found.add(str(name.value))
            elif ast.unparse(name) not in ("event.what", "name"):
                raise ValueError(f"{path}: a gate's name must be written out, not {ast.unparse(name)}")
    return found


def _makes_gate(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return function in ("GateResult", "gate")


def _name_given(call: ast.Call) -> ast.expr:
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "name"), None)
    return call.args[0] if named is None else named


# By the record


@dataclass(frozen=True, slots=True)
class Told:
    """What a record says: the life of its one step, its requests, what the load measured, and the header's fields."""

    life: tuple[Event, ...] = tuple(whole_life())
    requests: tuple[RequestRecord, ...] = tuple(requests(BASELINE, END))
    gauges: Mapping[str, float] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    more: tuple[Event, ...] = ()
    ends: bool = True

    @property
    def events(self) -> list[Event]:
        events = [*finished_events(self.life, planned=len(self.requests)), *self.more]
        events = [replace(one, detail={**one.detail, **self.gauges}) if one.what == "gauges" else one for one in events]
        return [one for one in events if self.ends or (one.kind, one.what) != ("run", "finished")]

    def head(self) -> RunHeader:
        fields: dict[str, Any] = {
            "experiment": experiment(),
            "world": "simulation",
            "posture": "broken",
            "seed": 7,
            "versions": {},
            "clock_rate": 1.0,
            "started_at": "2024-07-12T10:00:00+00:00",
            "command": "brownout run tiny",
        }
        return RunHeader(**{**fields, **self.header})

    def judged(self) -> Result:
        return evaluate_record(Record(self.head(), history(self.requests, self.events)))

    def write(self, folder: Path) -> Path:
        """The run folder of it."""
        write_header(folder, self.head())
        recorder = Recorder(folder)
        for event in self.events:
            recorder.event(event)
        for record in self.requests:
            recorder.request(record)
        recorder.close()
        return folder


SOUND = Told()
_BY_RECORD: Mapping[str, tuple[str, Told]] = {
    "finished": ("a record that is cut off", Told(ends=False)),
    "generator-lag": ("requests that left half a second late", Told(gauges={"lag_p99_ms": 500.0})),
    "issued-share": ("a load that sent half of what was planned", Told(gauges={"issued": len(SOUND.requests) / 2})),
    "generator-cpu": ("a load without a moment to spare", Told(gauges={"cpu_share": 0.99})),
    "load-problems": ("a worker of the load that was lost", Told(more=(Event(T0 + END, "load", "problem", "it was lost"),))),
    "bite": ("a fault that was never seen to bite", Told(life=tuple(e for e in whole_life() if e.what != "bitten"))),
    "exposure": (
        "a fault of a node that no request needed",
        Told(life=(act(FAULT, "planned", reach={"nodes": ["melbourne.vault"]}), *whole_life()[1:])),
    ),
    "samples": ("a request every two minutes", Told(requests=tuple(requests(BASELINE, END, every_s=120.0)))),
    "acts": ("a step that could not be carried out", Told(life=(act(FAULT, "failed", evidence="it would not go in"),))),
    "healed": ("a fault whose undo was never seen", Told(life=tuple(whole_life()[:4]))),
    "steady-state": (
        "a service that failed before the fault",
        Told(requests=(*requests(BASELINE, FAULT, good=False), *requests(FAULT, END))),
    ),
    "clock-rate": (
        "a clock so fast that the fault is over before a client gives up",
        Told(header={"world": "processes", "clock_rate": 2.0 * (RECOVERY - FAULT)}),
    ),
}


def _by_record(name: str, told: Told) -> Outcome:
    return _compare(name, told.judged(), SOUND.judged())


def _compare(name: str, tripped: Result, sound: Result) -> Outcome:
    """Red: the gate failed and the run passes no more. Green: the twin has no such failure."""
    reason = next((gate.reason for gate in tripped.gates if gate.name == name and not gate.passed), "")
    red = bool(reason) and tripped.verdict not in ("pass", "breach")
    return Outcome(red, all(gate.passed for gate in sound.gates if gate.name == name), f"{tripped.verdict}: {reason}")


# By the folder


def _crashing(*_: object) -> tuple[()]:
    raise ZeroDivisionError("no requests")


def _claims() -> Outcome:
    with tempfile.TemporaryDirectory() as name:
        folder = SOUND.write(Path(name) / "run")
        return _compare("claims", evaluate(folder, claims=_crashing), evaluate(folder, claims=lambda *_: ()))


def _record() -> Outcome:
    with tempfile.TemporaryDirectory() as name:
        folder = SOUND.write(Path(name) / "run")
        before = evaluate(folder)
        write_result(folder, before)
        log = next(folder.glob("requests*.jsonl"))
        log.write_text("".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
        return _compare("record", evaluate(folder), before)


# By the run


class Losing(SimulationWorld):
    """One of its nodes has ended by itself."""

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        reading = await super().read(carrier)
        return {**reading, "state": "dead", "exit": "signal 9"} if carrier.name == "melbourne.vault" else reading


class Lingering(SimulationWorld):
    """It cannot be taken down."""

    async def stop(self) -> None:
        raise WorldError("a process does not end")


_KILLED: Mapping[str, Any] = {
    "name": "killed",
    "at": "00:20",
    "until": "00:30",
    "role": "fault",
    "fault": "node-kill",
    "with": {"node": "sydney.host"},
}
_TIMES = {"warm_up": "00:00", "baseline": "00:10", "fault": "00:20", "recovery": "00:30", "end": "00:40", "edge": "1m"}


def _short_day() -> Experiment:
    return day(timeline={"date": "2024-07-12", **_TIMES}, schedule=[dict(_KILLED)])


def _conducted(*, world_kind: type[SimulationWorld] = SimulationWorld, **hooked: Any) -> Result:
    """The result of a short run, with hooks that say `hooked`."""
    state, experiment = RunState(), _short_day()
    hooks = Watching(state, problem=hooked.pop("problem", ""))
    for name, said in hooked.items():
        setattr(hooks, name, said)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(experiment, Path(name), hooks, state, world_kind=world_kind)
        with suppress(BrownoutError):  # of a run that must not go on, after its record is complete
            bench.conduct()
        head = SOUND.head().model_copy(update={"experiment": experiment, "posture": experiment.posture})
        return evaluate_record(Record(head, read_history(Path(name))))


_BY_RUN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "protection": ("a guardian that died", {"problem": "the guardian died"}),
    "undisturbed": ("a machine that slept", {"sleep": "the machine slept for 30 s"}),
    "resources": ("a generator without open files left", {"short": ("12 of 12 files are open",)}),
    "stack-whole": ("a node that ended by itself", {"world_kind": Losing}),
    "clean-teardown": ("a stack that does not go away", {"world_kind": Lingering}),
}


def _by_run(name: str, stub: Mapping[str, Any]) -> Outcome:
    return _compare(name, _conducted(**stub), _conducted(short=()))


class Surveyed:
    """A live world of which a survey sees `sight`."""

    def __init__(self, sight: Survey) -> None:
        self._sight = sight

    def now(self) -> float:
        return T0

    async def survey(self, *, switches: bool = True) -> Survey:
        return self._sight


def _watched(sight: Survey) -> Result:
    """The result of a sound run whose stack was watched meanwhile, and looked like that."""
    with tempfile.TemporaryDirectory() as name, Ledger(":memory:") as ledger:
        folder = Path(name)
        recorder = Recorder(folder)
        ledger.add_stack("s", folder=folder, world="simulation", run_owned=True)
        journal = Journal(prepare(_short_day(), Options()), recorder, lambda: T0)

        async def watch() -> None:
            watching = ForeignWatch(cast(LiveWorld, Surveyed(sight)), ledger, "s", journal)
            watching.start()
            await watching.stop()

        asyncio.run(watch())
        recorder.close()
        return replace(SOUND, more=read_history(folder).events).judged()


def _foreign() -> Outcome:
    toxic = Survey({}, foreign=("link:client->sydney.host: toxic evil (latency, downstream)",))
    return _compare("foreign", _watched(toxic), _watched(Survey({})))


class EndedByItself:
    """A subject's process that had ended by itself, or had not."""

    def __init__(self, ended: SubjectEnd | None) -> None:
        self.ended, self.over = ended, {}

    def look(self) -> None:
        """It has told all."""

    async def stop(self) -> None:
        """It has ended."""


class Clocked:
    """A live world with a clock that shows T0."""

    def now(self) -> float:
        return T0

    def clock_record(self) -> Mapping[str, float]:
        return {"epoch_s": T0, "monotonic_s": 0.0, "rate": 1.0}


def _kept(ended: SubjectEnd | None) -> Result:
    """The result of a sound run whose subject had ended, or had not, when the run was over."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorder = Recorder(folder)
        journal = Journal(prepare(_short_day(), Options()), recorder, lambda: T0)
        watch = SubjectWatch(None, cast(LiveWorld, Clocked()), "s", journal)
        watch._process = cast(SubjectProcess, EndedByItself(ended))
        asyncio.run(watch.stop())
        recorder.close()
        return replace(SOUND, more=read_history(folder).events).judged()


def _subject() -> Outcome:
    return _compare("subject", _kept(SubjectEnd(1, 60.0, "boom")), _kept(None))


_OTHERS: Mapping[str, tuple[str, Callable[[], Outcome]]] = {
    "claims": ("a check of claims that crashes", _claims),
    "record": ("a log that was changed after it was judged", _record),
    "foreign": ("a toxic that the run did not make", _foreign),
    "subject": ("an application that ends by itself", _subject),
}


def controls() -> Iterator[Control]:
    for name, (what, told) in _BY_RECORD.items():
        yield Control("gate", name, what, partial(_by_record, name, told))
    for name, (what, stub) in _BY_RUN.items():
        yield Control("gate", name, what, partial(_by_run, name, stub))
    for name, (what, run) in _OTHERS.items():
        yield Control("gate", name, what, run)
