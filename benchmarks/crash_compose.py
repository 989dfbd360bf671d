"""The crash matrix sampled on containers: the same runs, struck in the world `compose`.

A stack of containers has no parent process. Its links live in Toxiproxy's container, its black holes in the firewall's.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass

from benchmarks.crash_faults import FAULTS
from benchmarks.crash_processes import STEPS, Aftermath, Draw, Episode, ProcessFigures, figures_of, rows_towards
from benchmarks.report import Benchmark, Row
from benchmarks.stands import own_home
from brownout.harness.base.statedir import ledger_path
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.worlds.compose.engine import DockerEngine
from brownout.harness.worlds.compose.layout import TOXIPROXY, service_of
from brownout.harness.worlds.compose.stack import RECORD_NAME

FIREWALL, AIM = "firewall", 60
VICTIMS: tuple[tuple[str, ...], ...] = (
    ("runner",),
    ("guardian",),
    ("runner", "guardian"),
    ("runner stopped",),
    ("toxiproxy",),
    ("runner", "toxiproxy"),
    ("firewall",),
    ("runner", "firewall"),
    ("node",),
    ("runner", "node"),
    ("locust",),
    ("runner", "locust"),
)
NODE = service_of("sydney.token.z1")


@dataclass(frozen=True, slots=True)
class ComposeSettings:
    """So many episodes, each drawn by `seed` and its number."""

    kills: int
    seed: int = 1


class ComposeEpisode(Episode):
    """One run in containers that is struck; the engine is slower than processes are."""

    world, patience_s, bound_s = "compose", 300.0, 60.0

    def is_up(self, stack: StackRecord) -> bool:
        return (stack.folder / RECORD_NAME).exists() and NODE in self._containers(stack.id)

    def kill(self, victim: int | str) -> None:
        if isinstance(victim, int):
            super().kill(victim)
            return
        engine = DockerEngine()
        try:
            engine.containers.kill(victim)
        finally:
            engine.close()

    def parts(self) -> dict[str, int | str]:
        found: dict[str, int | str] = {}
        with Ledger(ledger_path()) as ledger:
            stacks = ledger.stacks()
        for stack in stacks:
            there = self._containers(stack.id)
            services = {"toxiproxy": TOXIPROXY, "firewall": FIREWALL, "node": NODE}
            found |= {victim: there[service] for victim, service in services.items() if service in there}
        return found

    @staticmethod
    def _containers(stack: str) -> dict[str, str]:
        """Ids of the stack's running containers by service."""
        engine = DockerEngine()
        try:
            return {service: one.id for service, one in engine.containers.of_stack(stack).items() if one.running}
        finally:
            engine.close()


def drawn(number: int, seed: int) -> Draw:
    """The episode of that number; its victims go in turn, so that a sample of any size has all of them alike."""
    chance = random.Random(f"compose {seed} {number}")
    return Draw(chance.choice(sorted(FAULTS)), chance.choice(STEPS), VICTIMS[number % len(VICTIMS)], chance.choice((0.0, 0.2)))


def measure(settings: ComposeSettings) -> ProcessFigures:
    ended: list[tuple[Draw, Aftermath]] = []
    for number in range(settings.kills):
        draw = drawn(number, settings.seed)
        with own_home() as home:
            after = ComposeEpisode(home, draw).carried_out()
        ended.append((draw, after))
        print(f"{number + 1} of {settings.kills}: {draw}: {'; '.join(after.problems) or 'kept'}", file=sys.stderr, flush=True)
    return figures_of(ended)


def rows(figures: ProcessFigures) -> tuple[Row, ...]:
    return rows_towards(figures, AIM, ComposeEpisode.bound_s)


BENCHMARK = Benchmark(
    name="crash_compose",
    title="The same in containers",
    about="Runs of one fault each on a stack of containers, struck by SIGKILL or SIGSTOP at a step that a seed draws. "
    "Its parts are Toxiproxy's container, the firewall's and a node's; a stack of containers has no parent process.",
    figures=ProcessFigures,
    measure=measure,
    rows=rows,
    full=ComposeSettings(kills=12),
    tiny=ComposeSettings(kills=1),
    long=ComposeSettings(kills=AIM),
)
