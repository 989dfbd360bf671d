"""A project of somebody else's that uses the plugin: a few experiments, tests written for the occasion, pytest in a process."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Plugins of this environment that would be loaded for nothing (Locust's with all of gevent); Allure's unless it is wanted.
WITHOUT = ("-p", "no:locust", "-p", "no:hypothesispytest", "-p", "no:anyio")

TIMEOUT_S = 120

# Twenty emulated minutes; for ten of them clients cannot reach their host.
EXPERIMENT = """
schema: brownout/experiment/v1
name: {name}
title: Clients are cut off
timeline: {{date: "2024-07-12", warm_up: "00:00", baseline: "00:01", fault: "00:05", recovery: "00:15", end: "00:20"}}
posture: bare
postures:
  bare: {{description: nothing takes over, expect: breach}}
machines:
  scaleout: {{region: sydney, scale_set: true}}
schedule:
  - {{name: cut, at: "00:05", until: "00:15", role: fault, fault: link-refuse, with: {{link: client->sydney.host}}}}
load:
  cohorts:
    - {{name: clients, model: token, region: sydney, rate_per_s: {rate_per_s}, machines: [scaleout], fresh: true}}
slos:
  - name: tokens
    indicator: {{ratioMetric: {{total: {{cohorts: [clients]}}}}}}
    objectives: [{{target: {target}}}]
"""


@dataclass(frozen=True)
class Project:
    """The project's folder; `run` is `pytest` in it."""

    pytester: pytest.Pytester

    @property
    def folder(self) -> Path:
        return self.pytester.path

    def write(self, tests: str, ini: str = "") -> None:
        """`breached.yaml` ends as a breach, `fine.yaml` passes, `few.yaml` has too few requests to decide anything."""
        self.pytester.makepyfile(test_theirs=tests)
        self.pytester.makeini(f"[pytest]\nfilterwarnings = error\naddopts = --strict-markers --strict-config\n{ini}")
        for name, rate_per_s, target in (("breached", 0.5, 0.9), ("fine", 0.5, 0.05), ("few", 0.02, 0.9)):
            text = EXPERIMENT.format(name=name, rate_per_s=rate_per_s, target=target)
            (self.folder / f"{name}.yaml").write_text(text)

    def run(self, *arguments: str | os.PathLike[str], timeout_s: float = TIMEOUT_S) -> pytest.RunResult:
        allure = () if "--alluredir" in arguments else ("-p", "no:allure_pytest")
        return self.pytester.runpytest_subprocess(*WITHOUT, *allure, *arguments, timeout=timeout_s)


def counted(ended: pytest.RunResult) -> dict[str, int]:
    """The numbers of pytest's last line."""
    counts: dict[str, int] = ended.parseoutcomes()
    return {word: count for word, count in counts.items() if word not in ("warnings", "deselected")}


def junit_properties(path: Path) -> dict[str, list[tuple[str, str]]]:
    """The properties of each test in a JUnit file."""
    cases = ET.parse(path).iter("testcase")
    return {
        case.attrib["name"]: [(entry.attrib["name"], entry.attrib["value"]) for entry in case.iter("property")]
        for case in cases
    }


def allure_results(folder: Path) -> dict[str, Any]:
    """Allure's result of each test, by the test's name."""
    found = (json.loads(path.read_text()) for path in folder.glob("*-result.json"))
    return {result["name"]: result for result in found}


def step_names(steps: Iterable[dict[str, Any]], depth: int) -> list[str]:
    """Names of Allure steps at that depth below these, 0 for these themselves."""
    if depth == 0:
        return [step["name"] for step in steps]
    return [name for step in steps for name in step_names(step.get("steps", ()), depth - 1)]
