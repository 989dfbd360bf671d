"""The dashboard and the rules that come with the package ask for metrics that there are."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from brownout.harness.telemetry import shipped
from brownout.harness.telemetry.prometheus import families
from support.prometheus_server import expressions
from support.telemetry_samples import EVERYTHING

NAMES = {sample.name for family in families(EVERYTHING) for sample in family.samples}
RECORDED = re.compile(r"brownout:\w+(?::\w+)*")


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\bbrownout_\w+", expression))


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shipped.dashboard())
    return found


def test_every_query_of_the_dashboard_names_a_metric_that_is_served() -> None:
    """Panels, annotations and variables alike."""
    found = expressions(document())
    assert len(found) >= 15
    for title, expression in found:
        assert names_in(expression), title
        assert names_in(expression) <= NAMES, title


def test_annotations_are_queries_on_the_faults() -> None:
    """None needs Grafana's own store of annotations."""
    listed = document()["annotations"]["list"]
    assert [("brownout_fault_active" in one["expr"], one["datasource"]["type"]) for one in listed] == [(True, "prometheus")] * 2


def test_the_dashboard_belongs_to_no_installation() -> None:
    """Its data source is a variable, panels have ids of their own, and none lies over another."""
    panels = document()["panels"]
    assert {one["datasource"]["uid"] for one in panels} == {"${datasource}"}
    assert len({one["id"] for one in panels}) == len(panels)
    cells = [
        (x, y)
        for one in panels
        for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
        for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_rules_ask_for_metrics_that_are_served() -> None:
    """Or that they record themselves; each alert says what it means and how bad it is."""
    rules = [rule for group in yaml.safe_load(shipped.rules())["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        assert names_in(rule["expr"]) <= NAMES
        assert set(RECORDED.findall(rule["expr"])) <= recorded
    alerts = [rule for rule in rules if "alert" in rule]
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in alerts)
    assert len(alerts) == 2
