"""What a campaign found as files: an experiment that `brownout run` replays, and the schedule as data for the corpus."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from brownout.harness.base.files import replace_whole
from brownout.harness.record.result import StepResult
from brownout.suites.search.grounds import Ground, ground
from brownout.suites.search.minimise import Minimal
from brownout.suites.search.schedule import (
    NOT_SEEN,
    Act,
    ActSeen,
    FaultSchedule,
    expecting_breach,
    experiment_of,
    window_s,
    written,
)
from brownout.suites.search.trial import Trial, tried

FOUND = "found"
ROOM = 2  # an act of a found file is in place for so many times its margin
OFTEN = 4  # and its clients ask so many times as often


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
    """The experiment as text, and what came of it. It has room above the margin where the property breaks with it too.

    In real time acts fall at other moments of a cycle, and the one request that meets a fault for just as long as it takes
    need not meet it there.
    """
    long = schedule.with_acts(with_room(act, window_s(place.experiment)) for act in schedule.acts)
    often = asking_more_often(place)
    for roomy, clients in ((long, often), (long, place), (schedule, often)):
        text, trial = _replayed(roomy, clients, broken)
        if trial.has(broken):
            return text, trial
    return _replayed(schedule, place, broken)


def with_room(act: Act, window: int) -> Act:
    """The act in place for longer, as far as the phase of the faults goes."""
    return act.model_copy(update={"for_s": max(act.for_s, min(ROOM * act.for_s, window - act.at_s))})


def asking_more_often(place: Ground) -> Ground:
    """The ground with clients that ask more often."""
    load = place.experiment.load
    cohorts = tuple(each.model_copy(update={"rate_per_s": OFTEN * each.rate_per_s}) for each in load.cohorts)
    return replace(place, experiment=place.experiment.model_copy(update={"load": load.model_copy(update={"cohorts": cohorts})}))


def _replayed(schedule: FaultSchedule, place: Ground, broken: str) -> tuple[str, Trial]:
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
