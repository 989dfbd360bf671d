"""A sound experiment file with a fault of its own, to be spoilt one mistake at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from brownout.harness.effects import SwitchThrow
from brownout.harness.errors import FileError, UsageError
from brownout.harness.experiment.loader import validate
from brownout.harness.fault import Fault, unknown_name
from brownout.harness.world import Carrier, StackSpec

SOUND = """\
schema: brownout/experiment/v1
name: tiny
title: A key rolls too early
timeline:
  date: 2024-07-12
  warm_up: "00:00"
  baseline: "00:10"
  fault: "00:55"
  recovery: "06:28"
  end: "07:00"
  edge: 1m
  rates: {processes: 200}
postures:
  broken: {description: as it was, expect: breach}
  repaired: {description: with the gate, expect: pass, defends: [roll]}
posture: broken
schedule:
  - name: roll
    at: "00:55"
    until: "06:28"
    role: fault
    fault: roll-key
    with: {region: sydney}
load:
  cohorts:
    - {name: new, model: token, region: sydney, rate_per_s: 0.5, fresh: true}
    - {name: calls, model: management, region: sydney, rate_per_s: 1, mix: {create: 1, list: 2}}
slos:
  - name: tokens
    indicator: {ratioMetric: {total: {cohorts: [new]}, good: {within: 300ms}}}
    objectives: [{target: 0.99}]
alerts:
  machines: {of: {cohorts: [new]}, target: 0.99, long: 5m, short: 1m}
controls:
  late: {posture: broken, drop: [roll], fault: "01:00", recovery: "05:00"}
"""


HEAD = "schema: brownout/experiment/v1\nname: tiny\ntitle: A key rolls too early\n"
ROLL = "role: fault, fault: roll-key, with: {region: sydney}"


class RollKey(Fault):
    """A fault with parameters, to validate against."""

    kind: ClassVar[str] = "roll-key"
    family: ClassVar[Literal["credential"]] = "credential"
    region: Literal["sydney", "melbourne"]
    overlap_s: float = 0.0
    node: str = "sydney.store"

    def carriers(self, spec: StackSpec) -> tuple[Carrier, ...]:
        if self.node not in spec.nodes():
            raise unknown_name("node", self.node, spec.nodes())
        return (Carrier("control", self.node),)

    def state(self, spec: StackSpec, carrier: Carrier) -> SwitchThrow:
        return SwitchThrow("roll-key", {})


FAULTS: Mapping[str, type[Fault]] = {"roll-key": RollKey}


def written(folder: Path, text: str) -> Path:
    """The text as a file in the folder."""
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, old: str, new: str) -> tuple[UsageError, ...]:
    """What is wrong with the sound file once `old` is `new`."""
    assert SOUND.count(old) >= 1, old
    return validate(written(folder, SOUND.replace(old, new, 1)), faults=FAULTS)


def assert_one_mistake(folder: Path, old: str, new: str, words: str) -> None:
    """The sound file with `old` replaced by `new` has one mistake, where § stands in `new`, told in these words."""
    (found,) = mistakes(folder, old, new.replace("§", ""))
    assert isinstance(found, FileError)
    before = SOUND.replace(old, new, 1).split("§")[0].split("\n")
    assert (found.line, found.column) == (len(before), len(before[-1]) + 1)
    assert re.search(words, str(found), re.DOTALL), str(found)
