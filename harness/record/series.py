"""`series.json` and `series-result.json`: what a series of runs was to be, and what it says of the system.

Ratios are bad over total, times are emulated seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from brownout.harness.base.models import FrozenModel
from brownout.harness.record.result import Interval, Times, expectation
from brownout.harness.record.verdicts import Verdict

PLAN_SCHEMA: Literal["brownout/series/v1"] = "brownout/series/v1"
RESULT_SCHEMA: Literal["brownout/series-result/v1"] = "brownout/series-result/v1"
SERIES_FILE, SERIES_RESULT_FILE = "series.json", "series-result.json"
EPISODES_MOST = 1000


class PlannedEpisode(FrozenModel):
    """A run that a series is to make: its folder in the series' folder, its seed, and how much earlier its stack begins."""

    number: int = Field(ge=1, le=EPISODES_MOST)
    folder: str = Field(pattern=r"^episode-[0-9]{2,4}$")
    seed: int = Field(ge=0)
    offset_s: float = Field(ge=0)


class SeriesPlan(FrozenModel):
    """The whole of `series.json`, written before anything starts. All draws come from the one `seed`."""

    schema_: Literal["brownout/series/v1"] = Field(PLAN_SCHEMA, alias="schema")
    experiment: str
    title: str
    description: str = ""
    world: str
    posture: str
    posture_description: str = ""
    posture_expects: Verdict
    seed: int = Field(ge=0)
    episodes: tuple[PlannedEpisode, ...] = Field(min_length=1, max_length=EPISODES_MOST)
    confidence: float = Field(ge=0.9, lt=1)
    expected: Verdict | Literal[""] = ""
    clock_rate: float = Field(gt=0)
    versions: Mapping[str, str]
    command: str = ""
    started_at: str

    @model_validator(mode="after")
    def _episodes_are_many(self) -> Self:
        if len({one.folder for one in self.episodes}) < len(self.episodes):
            raise ValueError("an episode is there twice")
        return self


class EpisodeShare(FrozenModel):
    """One objective's requests in one episode, as its run counted them."""

    objective: str
    total: int = Field(ge=0)
    bad: int = Field(ge=0)
    doubtful: int = Field(0, ge=0)

    @property
    def ratio(self) -> float | None:
        """Bad over total; None without requests."""
        return self.bad / self.total if self.total else None


class EpisodeResult(FrozenModel):
    """One run of a series. One that does not `count` says nothing of the system; `why` says so, or what its verdict rests on.

    `folder` is below the series' own.
    """

    number: int
    folder: str
    seed: int
    offset_s: float
    verdict: Verdict
    counts: bool
    why: str
    shares: tuple[EpisodeShare, ...]
    times: Times


class SystemObjective(FrozenModel):
    """What the episodes that count say of one objective: the mean of their bad shares, and an interval for the system's."""

    name: str
    target: float
    status: Literal["met", "breached", "undecided"]
    episodes: int
    total: int
    bad: int
    ratio: float | None
    lowest: float | None
    highest: float | None
    interval: Interval | None
    reason: str


class SeriesResult(FrozenModel):
    """The whole of `series-result.json`. `cut_short` says why fewer episodes than planned were made, "" when all were."""

    schema_: Literal["brownout/series-result/v1"] = Field(RESULT_SCHEMA, alias="schema")
    plan: SeriesPlan
    verdict: Verdict
    reasons: tuple[str, ...]
    exit_code: int
    cut_short: str = ""
    objectives: tuple[SystemObjective, ...]
    episodes: tuple[EpisodeResult, ...]
    wall_s: float = Field(ge=0)

    @property
    def unexpected(self) -> bool:
        """Whether another verdict was expected, by the command or, where it named none, by the posture."""
        wanted = self.plan.expected or self.plan.posture_expects
        return wanted != self.verdict

    @property
    def expectation(self) -> str:
        """How the verdict stands to the expected one, in words; "" for a pass that only the posture expects."""
        return expectation(self.verdict, self.plan.expected, posture=self.plan.posture, expects=self.plan.posture_expects)
