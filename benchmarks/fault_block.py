"""How long a test waits for a stack of its own, and at the begin and the end of a fault's block."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.crash_faults import FAULTS as STANDARD
from benchmarks.report import Benchmark, Figures, Row, Spread, text
from benchmarks.stands import own_home
from brownout.harness.testing import Stack, stack

# At one node, link or machine where a fault can be. What else the standard stack can have is in `crash_faults`.
SMALLEST: Mapping[str, Mapping[str, Any]] = {
    "admit": {"node": "sydney.token.z1", "share": 0.1},
    "capacity": {"node": "sydney.token.z1", "at_once": 2, "queue": 10},
    "cold-start": {"node": "sydney.token.z1"},
    "iam-latency": {"delay": "50ms"},
    "identity-attach": {"region": "sydney", "machines": ["web-1"]},
    "link-refuse": {"link": "client->sydney.host"},
    "link-slow": {"link": "client->sydney.host", "latency": "40ms"},
    "link-stall": {"link": "client->sydney.host"},
    "name-slow": {"name": "sts.amazonaws.com", "delay": "200ms"},
    "node-kill": {"node": "sydney.token.z1"},
    "node-pause": {"node": "sydney.token.z1"},
}
# A stack on which nothing else happens does not show them: they need a change, or another fault before them.
SITUATIONAL = frozenset(
    {
        *("host-cache-stale", "iam-describe-lag", "iam-replication-pause", "iam-replication-slow"),
        *("key-accept", "key-push", "key-set-stale", "replication-pause"),
    }
)
# The time of these is part of what they do: their delay, or how long the service takes over it.
OWN_TIME: Mapping[str, str] = {
    "access-key-revoke": "IAM publishes every second",
    "configure": "nodes have a new configuration after 2 s",
    "iam-latency": "a call of 50 ms",
    "link-slow": "three answers of 40 ms",
    "name-slow": "a look-up of 200 ms",
    "region-kill": "seven processes start",
}
FAULTS: Mapping[str, Mapping[str, Any]] = {
    kind: SMALLEST.get(kind, parameters) for kind, parameters in STANDARD.items() if kind not in SITUATIONAL
}


@dataclass(frozen=True, slots=True)
class Settings:
    rounds: int = 15
    pause_s: float = 0.5
    kinds: tuple[str, ...] = tuple(FAULTS)


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
    began: dict[str, list[float]] = {kind: [] for kind in settings.kinds}
    ended: dict[str, list[float]] = {kind: [] for kind in settings.kinds}
    with own_home():
        started_s = time.perf_counter()
        with stack() as made:
            up_s = time.perf_counter() - started_s
            for _ in range(settings.rounds):
                for kind in settings.kinds:
                    begin_s, end_s = _block(made, kind, FAULTS[kind])
                    began[kind].append(begin_s)
                    ended[kind].append(end_s)
                made.reset()  # of what lasts, such as a key that was rolled
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


def _block(made: Stack, kind: str, parameters: Mapping[str, Any]) -> tuple[float, float]:
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
        *(_row(kind, figures) for kind in figures.begin_s),
        Row("the stack reset to how it came up", text(figures.reset_s, "s"), "under 0.1 s"),
    )


def _row(kind: str, figures: FaultBlock) -> Row:
    value = f"{text(figures.begin_s[kind], 's')}, {text(figures.end_s[kind], 's')}"
    if kind in OWN_TIME:
        return Row(f"`{kind}` ({OWN_TIME[kind]}) until proven to bite, to be healed", value)
    return Row(f"`{kind}` until proven to bite, to be healed", value, "under 0.1 s each")


BENCHMARK = Benchmark(
    name="fault_block",
    title="A fault in a test of one's own",
    about="`with stack() as s: with s.fault(...)`, on real processes, both vendors, clock at rate 1.",
    figures=FaultBlock,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, kinds=("link-refuse", "node-pause", "key-invalidate")),
)
