"""How long a test waits for a stack of its own, and at the begin and the end of a fault's block."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.report import Benchmark, Figures, Row, Spread, text
from benchmarks.stands import own_home
from brownout.harness.testing import Stack, stack

FAULTS: Mapping[str, Mapping[str, str]] = {
    "link-refuse": {"link": "client->sydney.host"},
    "node-pause": {"target": "sydney.token.z1"},
    "key-invalidate": {"target": "sydney"},
}


@dataclass(frozen=True, slots=True)
class Settings:
    rounds: int = 15
    pause_s: float = 0.5


class FaultBlock(Figures):
    """`up_s` and `down_s` are of the stack's block, guardian included; `begin_s` and `end_s` of a fault's, by its kind.

    `reset_s` is of the stack's reset between tests that last half a second, the first one among them.

    A block begins when the fault was seen to bite, and ends when it was seen to be healed.
    """

    up_s: float
    down_s: float
    begin_s: Mapping[str, Spread]
    end_s: Mapping[str, Spread]
    reset_s: Spread


def measure(settings: Settings) -> FaultBlock:
    began: dict[str, list[float]] = {kind: [] for kind in FAULTS}
    ended: dict[str, list[float]] = {kind: [] for kind in FAULTS}
    with own_home():
        started_s = time.perf_counter()
        with stack() as made:
            up_s = time.perf_counter() - started_s
            for _ in range(settings.rounds):
                for kind, parameters in FAULTS.items():
                    begin_s, end_s = _block(made, kind, parameters)
                    began[kind].append(begin_s)
                    ended[kind].append(end_s)
            reset_s = [_reset(made, settings.pause_s) for _ in range(settings.rounds)]
            leaving_s = time.perf_counter()
        down_s = time.perf_counter() - leaving_s
    return FaultBlock(
        up_s=up_s,
        down_s=down_s,
        begin_s={kind: Spread.of(times) for kind, times in began.items()},
        end_s={kind: Spread.of(times) for kind, times in ended.items()},
        reset_s=Spread.of(reset_s),
    )


def _block(made: Stack, kind: str, parameters: Mapping[str, str]) -> tuple[float, float]:
    started_s = time.perf_counter()
    with made.fault(kind, **parameters):
        in_s = time.perf_counter()
    return in_s - started_s, time.perf_counter() - in_s


def _reset(made: Stack, pause_s: float) -> float:
    time.sleep(pause_s)  # a test's own time, in which the stack makes ready for the reset
    started_s = time.perf_counter()
    made.reset()
    return time.perf_counter() - started_s


def rows(figures: FaultBlock) -> tuple[Row, ...]:
    return (
        Row("a stack of a test's own, up under its guardian", f"{figures.up_s:.2f} s"),
        Row("taken down again", f"{figures.down_s:.2f} s"),
        *(
            Row(f"`{kind}` applied and proven to bite", text(spread, "s"), "under 0.1 s")
            for kind, spread in figures.begin_s.items()
        ),
        *(
            Row(f"`{kind}` reverted and proven to be healed", text(spread, "s"), "under 0.1 s")
            for kind, spread in figures.end_s.items()
        ),
        Row("the stack reset to how it came up", text(figures.reset_s, "s"), "under 0.1 s"),
    )


BENCHMARK = Benchmark(
    name="fault_block",
    title="A fault in a test of one's own",
    about="`with stack() as s: with s.fault(...)`, on real processes, both vendors, clock at rate 1.",
    figures=FaultBlock,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1),
)
