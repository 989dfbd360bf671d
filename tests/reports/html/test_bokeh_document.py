"""A report's charts are Bokeh's models as plain data: Bokeh itself reads them, and writes the same."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bokeh.core.json_encoder import serialize_json
from bokeh.core.serialization import DeserializationError
from bokeh.document import Document

from brownout.harness.record.history import read_history
from brownout.harness.record.result import Result
from brownout.reports.buckets import timeline
from brownout.reports.html import charts
from brownout.reports.html.bokeh_document import Model, document, field, javascript, mapping, source, value


def attributes(content: Any, found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The properties of every model of a document, by its id."""
    if isinstance(content, dict):
        if content.get("type") == "object":
            found[content["id"]] = {"": content["name"], **content.get("attributes", {})}
        for each in content.values():
            attributes(each, found)
    elif isinstance(content, list):
        for each in content:
            attributes(each, found)
    return found


def outline(content: Any) -> Any:
    """A property as it can be compared: a model by its id, and no number by its type."""
    if isinstance(content, dict):
        return content["id"] if "id" in content else {name: outline(each) for name, each in content.items()}
    return [outline(each) for each in content] if isinstance(content, list) else content


def test_bokeh_reads_a_reports_charts_and_writes_them_again(
    build_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """It knows every model, property and value, and has nothing to add."""
    folder = build_folder()
    result = Result.model_validate_json((folder / "result.json").read_bytes())
    lines = timeline(result, read_history(folder).requests)
    assert lines is not None
    ours: Any = charts.build(result, lines).document
    again = json.loads(serialize_json(Document.from_json(ours).to_json()))
    assert caplog.messages == []
    assert ours["version"] == again["version"]
    made, read = (attributes(each["roots"], {}) for each in (ours, again))
    assert made.keys() == read.keys()
    for model_id, properties in read.items():
        known = {name: outline(made[model_id].get(name)) for name in properties}
        assert known == {name: outline(each) for name, each in properties.items()}, properties[""]


@pytest.mark.parametrize("model", [Model("Rangeld"), Model("Range1d", start="one"), Model("Span", level="behind")])
def test_bokeh_would_refuse_what_it_does_not_know(model: Model) -> None:
    """So the test before this one would notice a model or a value that Bokeh no longer has."""
    ours: Any = document([model])
    with pytest.raises((ValueError, DeserializationError)):
        Document.from_json(ours)


def test_bokeh_would_warn_of_a_property_that_it_does_not_know(caplog: pytest.LogCaptureFixture) -> None:
    """As of one that a later version no longer has."""
    ours: Any = document([Model("Range1d", begin=1)])
    Document.from_json(ours)
    assert "'begin'" in caplog.text


def test_a_model_that_is_used_twice_is_one() -> None:
    """Where it is met first it is told, and from there on it is named, also from another root."""
    shared = Model("Range1d", start=1, end=2)
    first, second = document([Model("Plot", x_range=shared, y_range=shared), Model("Plot", x_range=shared)])["roots"]
    told = first["attributes"]["x_range"]
    assert told["attributes"] == {"start": 1, "end": 2}
    assert first["attributes"]["y_range"] == second["attributes"]["x_range"] == {"id": told["id"]}
    assert len({first["id"], second["id"], told["id"]}) == 3


def test_what_is_no_number_is_said_so() -> None:
    """JSON has no word for it."""
    (root,) = document([source({"x": [1.0, math.nan]})])["roots"]
    assert root["attributes"]["data"]["entries"] == [["x", [1.0, {"type": "number", "value": "nan"}]]]


@pytest.mark.parametrize(
    ("told", "plain"),
    [
        (field("x"), {"type": "field", "field": "x"}),
        (value(0.5), {"type": "value", "value": 0.5}),
        (mapping({1.0: "one"}), {"type": "map", "entries": [[1.0, "one"]]}),
    ],
)
def test_kinds_of_values_are_told_apart(told: dict[str, Any], plain: dict[str, Any]) -> None:
    """A column, a value for all rows, a table."""
    assert told == plain


def test_the_script_can_stand_in_a_page() -> None:
    """It is BokehJS' core, and nothing in it ends the element that it stands in."""
    script = javascript()
    assert "embed_items" in script
    assert "</script" not in script
