"""The page on telemetry: its shell works when pasted, its configuration is one that Prometheus takes, its table is whole."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from brownout.harness.operate import stacks as standing
from brownout.harness.telemetry.prometheus import families
from support.docs_pages import DOCS, blocks, pasted, read
from support.prometheus_server import programs_or_skip
from support.telemetry_samples import EVERYTHING

PAGE = DOCS / "telemetry.md"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """This environment's commands on PATH, a state folder of its own; no stack is left up."""
    home = str(tmp_path / "home")
    monkeypatch.setenv("BROWNOUT_HOME", home)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    yield {**os.environ, "PATH": path, "BROWNOUT_HOME": home, "NO_PROXY": "*"}
    for row in standing.stacks():
        asyncio.run(standing.tear_down(row))


@pytest.mark.slow
def test_the_page_works_when_pasted(environment: Mapping[str, str], tmp_path: Path) -> None:
    """A fault is seen in the metrics, rules and dashboard are written, and a run without a collector says so and ends well."""
    told = pasted("\n".join(block.text for block in blocks(PAGE, "sh")), environment, tmp_path)
    assert re.search(r'brownout_fault_active{fault="key-rollover".*target="sydney.store"} 1.0', told)
    assert re.search(r'brownout_node_build_info{build="1.0",node="melbourne.token.z1"', told)
    assert "7 of 7 spans did not reach http://127.0.0.1:4318/v1/traces" in told or "Trace: " in told
    assert "Traceback" not in told
    assert (tmp_path / "brownout.json").stat().st_size > 5000
    _, promtool = programs_or_skip()
    (config,) = blocks(PAGE, "yaml")
    (tmp_path / config.mark).write_text(config.text, encoding="utf-8")
    command = [promtool, "check", "config", str(tmp_path / config.mark)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_metric_is_in_the_table() -> None:
    """And the table names none that there is not."""
    served = {sample.name for family in families(EVERYTHING) for sample in family.samples}
    served = {re.sub(r"(duration_seconds)_(bucket|count|sum)$", r"\1", name) for name in served}
    rows = [line.split("|")[1] for line in read(PAGE).splitlines() if line.startswith("| `brownout_")]
    written = {name for row in rows for name in re.findall(r"`(brownout_\w+)`", row)}
    arrivals = {f"brownout_load_arrivals{end}" for row in rows for end in re.findall(r"`(_\w+)`", row)}
    assert written | arrivals == served
