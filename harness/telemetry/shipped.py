"""The dashboard for Grafana and the alerting rules for Prometheus that come with the package."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).with_name("data")


def dashboard() -> str:
    """The dashboard as JSON. It asks for its data source when it is imported; its annotations are a query like its panels."""
    return (DATA / "dashboard.json").read_text(encoding="utf-8")


def rules() -> str:
    """The alerting rules as YAML."""
    return (DATA / "rules.yaml").read_text(encoding="utf-8")
