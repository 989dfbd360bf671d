"""Experiment files about an application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

READY = "http://127.0.0.1:{port}/healthz"
DAY = {"date": "2026-01-05", "warm_up": "10:00", "baseline": "10:01", "fault": "10:02", "recovery": "10:03", "end": "10:04"}


def document(**changes: Any) -> dict[str, Any]:
    """A sound experiment about an application."""
    return {
        "schema": "brownout/experiment/v1",
        "name": "my-app",
        "title": "My application",
        "timeline": {**DAY, "edge": "5s"},
        "postures": {"as-is": {"description": "as it is", "expect": "pass"}},
        "posture": "as-is",
        "subject": {"command": ["python3", "app.py"], "env_of": "web-1", "ready": READY},
        "load": {"cohorts": [visitors()]},
        "slos": [
            {"name": "served", "indicator": {"ratioMetric": {"total": {}, "good": {}}}, "objectives": [{"target": 0.9}]},
        ],
        **changes,
    }


def visitors(**changes: Any) -> dict[str, Any]:
    return {"name": "visitors", "model": "http", "region": "sydney", "rate_per_s": 5, **changes}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "app.yaml"
    path.write_text(yaml.safe_dump(document(**changes)))
    return path
