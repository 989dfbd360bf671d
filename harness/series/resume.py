"""A series that was cut goes on in its folder: what was carried out to its end is kept, what was cut is carried out anew.

The plan in the folder must be the one that is asked for, draw for draw, and the kept episodes must be of the same experiment: a
series of two things says nothing of either. An episode that ended early by itself, such as one without a steady state, is kept:
to try again until it comes out better would be a choice of figures.
"""

from __future__ import annotations

from pathlib import Path

from brownout.harness.errors import UsageError
from brownout.harness.judge.run_folder import read_record
from brownout.harness.record.history import read_history
from brownout.harness.record.series import SeriesPlan
from brownout.harness.run.prepare import PreparedRun
from brownout.harness.series.folder import made_episodes
from brownout.harness.series.plan import read_plan
from brownout.harness.series.verdict import MadeEpisode

_SAME = ("experiment", "world", "posture", "seed", "episodes", "confidence", "clock_rate")


def kept_episodes(asked: SeriesPlan, first: PreparedRun, folder: Path) -> tuple[SeriesPlan, tuple[MadeEpisode, ...]]:
    """The plan in the folder and its episodes that came to their end; those that were cut are moved aside.

    Raises UsageError for the folder of another series, of another version, or of an experiment that has changed since.
    """
    plan = read_plan(folder)
    other = [name for name in _SAME if getattr(plan, name) != getattr(asked, name)]
    if plan.versions.get("brownout") != asked.versions.get("brownout"):
        other.append("version")
    if other:
        hint = "ask for it as it was begun: its command is in series.json"
        raise UsageError(f"{folder} is another series: its {', '.join(other)} differs from what is asked for", hint=hint)
    kept = tuple(made for made in made_episodes(folder, plan) if _is_over(folder / made.planned.folder))
    for made in kept:
        own = folder / made.planned.folder
        if read_record(own).header.experiment != first.experiment:
            raise UsageError(f"the experiment has changed since {own} was run", hint="begin a new series, without --resume")
    over = {made.planned.number for made in kept}
    for planned in plan.episodes:
        own = folder / planned.folder
        if own.exists() and planned.number not in over:
            _set_aside(own)
    return plan, kept


def _is_over(own: Path) -> bool:
    """Whether the run came to an end of its own, which its record says: not killed, interrupted or aborted."""
    said = {event.what for event in read_history(own).events if event.kind == "run"}
    return "finished" in said and not said & {"aborted", "interrupted"}


def _set_aside(own: Path) -> None:
    number = 1
    while (aside := own.with_name(f"{own.name}-cut-{number}")).exists():
        number += 1
    own.rename(aside)
