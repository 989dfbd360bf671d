"""Claim C23 as a whole run: with the global name of STS gone its clients fail, and those of a regional name do not."""

from __future__ import annotations

from pathlib import Path

from brownout.harness.api import run
from brownout.harness.experiment.loader import load
from brownout.harness.run.options import Options

EXPERIMENT = """\
schema: brownout/experiment/v1
name: global-name-gone
title: The global name of STS does not exist, regional names do
timeline: {date: "2025-10-20", warm_up: "06:00", baseline: "06:02", fault: "06:10", recovery: "06:18", end: "06:22", edge: 1m}
posture: plain
postures: {plain: {description: the stack as it comes, expect: breach}}
stack: {vendors: [aws], regions: [virginia, dublin]}
schedule:
  - {name: no-name, at: "06:10", until: "06:18", role: fault, fault: name-nxdomain, with: {name: sts.amazonaws.com}}
load:
  cohorts:
    - {name: legacy, model: assume-role, region: dublin, rate_per_s: 1, front_ends: {global: 1}}
    - {name: regional, model: assume-role, region: dublin, rate_per_s: 1, front_ends: {regional: 1}}
slos:
  - {name: legacy-clients, indicator: {ratioMetric: {total: {cohorts: [legacy]}}}, objectives: [{target: 0.99}]}
  - {name: regional-clients, indicator: {ratioMetric: {total: {cohorts: [regional]}}}, objectives: [{target: 0.99}]}
"""


def test_who_uses_the_broken_name_is_out_and_nobody_else(tmp_path: Path) -> None:
    """One objective is breached and the other met, in a run that healed and whose fault was met by the first alone."""
    path = tmp_path / "names.yaml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    result = run(load(path), Options(out=tmp_path / "runs")).result
    assert result.verdict == "breach"
    assert {slo.name: slo.status for slo in result.slos} == {"legacy-clients": "breached", "regional-clients": "met"}
    (step,) = result.steps
    assert step.state == "healed"
