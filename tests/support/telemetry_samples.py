"""A snapshot with a sample of everything that can be told."""

from __future__ import annotations

from brownout.harness.telemetry.samples import (
    FaultSeries,
    GeneratorSeries,
    KeySeries,
    MetricsSnapshot,
    NodeSeries,
    ObjectiveSeries,
    RequestSeries,
    StackSeries,
)

ODD = 'a "quoted"\nname with \\ and ü'
EVERYTHING = MetricsSnapshot(
    about={"experiment": ODD, "world": "processes"},
    started_s=1000.5,
    requests=(RequestSeries("warm", "sydney", {"happened": 5, "unknown": 2}, 4, (5.0, 250.0), (3, 2, 2), 4321.0),),
    objectives=(ObjectiveSeries("tokens", 0.99, 7, 3, 42.5), ObjectiveSeries("quiet", 0.9, 0, 0, None)),
    faults=(
        FaultSeries("key-rollover", "roll", "sydney.store", "fault", active=True, bitten=True),
        FaultSeries("link-refuse", "cut", "client->sydney.host", "fault", active=False, bitten=True, stack="up-1"),
    ),
    phases={"baseline": False, "onset": True},
    nodes=(NodeSeries("sydney.token.z1", "1.0", up=True, stack="up-1"), NodeSeries("sydney.store", "", up=False, stack="up-1")),
    keys=(KeySeries("sydney.token.z1", "uses", "manual-sydney-1", "manual", "sydney", "up-1"),),
    stacks=(StackSeries("up-1", "processes", up=True),),
    generator=GeneratorSeries(10, 9, 1, 0, 12.5),
)
