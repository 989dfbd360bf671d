"""What a campaign found as files: an experiment that `brownout run` replays, and the schedule as data for the corpus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.base.files import replace_whole
from brownout.harness.record.result import StepResult
from brownout.suites.search.grounds import Ground, ground
from brownout.suites.search.minimise import Minimal
from brownout.suites.search.schedule import NOT_SEEN, ActSeen, FaultSchedule, expecting_breach, experiment_of, written
from brownout.suites.search.trial import Trial, tried

FOUND = "found"


@dataclass(frozen=True, slots=True)
class Finding:
    """A violation as it was found and as it was shrunk, and the file that replays it. `verdict` is that of the replay."""

    broken: str
    number: int
    acts_found: int
    minimal: Minimal
    path: Path
    verdict: str


def file_name(number: int, broken: str) -> str:
    return f"{number:02d}-{re.sub(r'[^a-z0-9]+', '-', broken.lower()).strip('-')}"


def write_finding(folder: Path, index: int, number: int, acts_found: int, minimal: Minimal) -> Finding:
    """Writes `found/NN-PROPERTY.yaml` and the schedule beside it; the experiment is carried out once more, from its text."""
    schedule = minimal.schedule
    place, name = ground(schedule.ground), file_name(index, minimal.broken)
    (folder / FOUND).mkdir(exist_ok=True)
    text, trial = replayable(schedule, place, minimal.broken)
    path = folder / FOUND / f"{name}.yaml"
    replace_whole(path, text, durable=True)
    replace_whole(folder / FOUND / f"{name}.json", minimal.model_dump_json(by_alias=True, indent=1) + "\n", durable=True)
    verdict = trial.result.verdict if trial.result else "harness-error"
    return Finding(minimal.broken, number, acts_found, minimal, path, verdict)


def replayable(schedule: FaultSchedule, place: Ground, broken: str) -> tuple[str, Trial]:
    """The experiment as text, and what came of it. Acts that did not bite, or were not met, are declared so in it."""
    name = f"{place.experiment.name}-found"
    title = f"A search found that {broken} does not hold"
    source = f"brownout search; {schedule.label()}; seed {schedule.seed}"
    experiment = experiment_of(schedule, place.experiment, name=name, title=title, source=source)
    trial = tried(experiment, seed=schedule.seed, kinds=schedule.kinds())
    seen = tuple(map(_seen, trial.result.steps if trial.result else ()))
    if any(each != NOT_SEEN for each in seen):
        experiment = experiment_of(schedule, place.experiment, name=name, title=title, source=source, seen=seen)
        trial = tried(experiment, seed=schedule.seed, kinds=schedule.kinds())
    if trial.result is not None and trial.result.verdict == "breach":
        experiment = expecting_breach(experiment)
    head = f"# Found by a search. Replay it: brownout run THIS-FILE --world simulation --seed {schedule.seed}\n"
    return head + written(experiment), trial


def _seen(step: StepResult) -> ActSeen:
    is_met = step.exposure is not None and step.exposure.state != "not-exercised"
    return ActSeen(step.bitten_s is not None, is_met)
