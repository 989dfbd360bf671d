"""The rows of the matrix: events as data, each a name and the faults that make it up.

A cut is one of packets. What is sent from one region to the other is lost, so over links in that direction requests are lost,
and over links in the other direction answers. No connection is made across a cut in either direction, so clients of the away
region cannot reach names that lead to the home region; what stands for that is a reset of the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brownout.harness.world import DIRECTORY
from brownout.identity.aws.names import GLOBAL_STS, IAM
from brownout.identity.core.topology import TOKEN

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class FaultCall:
    """A fault by its kind, with its parameters."""

    kind: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MatrixEvent:
    """One event."""

    name: str
    title: str
    faults: tuple[FaultCall, ...] = field(default=())


def matrix_events(home: str, away: str) -> tuple[MatrixEvent, ...]:
    """All events of a stack with its control plane in `home`."""
    cut_off = FaultCall("name-reset", {"name": GLOBAL_STS, "regions": [away]})
    to_home, from_home = f"{away}->{home}", f"{home}->{away}"
    return (
        MatrixEvent(NOTHING, "nothing is wrong"),
        MatrixEvent("cut", f"nothing passes between {home} and {away}", (_lost(to_home), _lost(from_home), cut_off)),
        MatrixEvent(
            "cut-to-home",
            f"what {away} sends to {home} is lost",
            (_lost(to_home, "upstream"), _lost(from_home, "downstream"), cut_off),
        ),
        MatrixEvent(
            "cut-from-home",
            f"what {home} sends to {away} is lost",
            (_lost(to_home, "downstream"), _lost(from_home, "upstream"), cut_off),
        ),
        MatrixEvent(
            "control-plane-down",
            f"IAM's control plane in {home} is down",
            (FaultCall("node-kill", {"node": f"{home}.{DIRECTORY}"}),),
        ),
        MatrixEvent("home-down", f"all of {home} is down", (FaultCall("region-kill", {"region": home}),)),
        MatrixEvent("sts-down", f"all token nodes of {away} are down", (FaultCall("node-kill", {"node": f"{away}.{TOKEN}"}),)),
        MatrixEvent(
            "replication-paused",
            f"no newer account reaches {away}",
            (FaultCall("iam-replication-pause", {"regions": [away]}),),
        ),
        MatrixEvent("no-global-sts", f"{GLOBAL_STS} does not exist", (FaultCall("name-nxdomain", {"name": GLOBAL_STS}),)),
        MatrixEvent("no-iam-name", f"{IAM} does not exist", (FaultCall("name-nxdomain", {"name": IAM}),)),
    )


def _lost(link: str, direction: str = "both") -> FaultCall:
    return FaultCall("link-stall", {"link": link, "direction": direction})
