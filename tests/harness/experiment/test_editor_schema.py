"""The schema that editors complete experiment files from: of the model, and of everything that is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from brownout.harness.experiment import plugins
from brownout.harness.experiment.editor_schema import schema, schema_text
from brownout.harness.load.models.registry import client_models
from support.places import ROOT

FAULTS = sorted(plugins.faults())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


@pytest.fixture(scope="module")
def step() -> dict[str, Any]:
    found: dict[str, Any] = schema()["$defs"]["Step"]
    return found


def test_the_published_schema_is_the_one_of_the_bundled_faults() -> None:
    """docs/experiment.schema.json is what `brownout schema` prints."""
    assert (ROOT / "docs" / "experiment.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_for_editors() -> None:
    """It names its dialect and itself, speaks the file's keys, and takes times as text."""
    made = json.loads(schema_text())
    assert made["$schema"].endswith("2020-12/schema")
    assert made["$id"] == "urn:brownout:experiment:v1"
    assert {"schema", "timeline"} <= set(made["properties"])
    assert made["$defs"]["Timeline"]["properties"]["fault"]["type"] == "string"
    assert made == schema()


def undescribed(node: Any, where: str = "") -> Iterator[str]:
    """The places of keys that say nothing of themselves; a reference and a constant speak by what they name."""
    if isinstance(node, list):
        for each in node:
            yield from undescribed(each, where)
    elif isinstance(node, dict):
        keys = node.get("properties", {})
        if isinstance(keys, dict) and not where.endswith("/properties"):
            spoken = {"description", "$ref", "const"}
            yield from (f"{where}/{name}" for name, about in keys.items() if not spoken & set(about))
        for name, part in node.items():
            yield from undescribed(part, f"{where}/{name}")


def test_every_key_has_a_description() -> None:
    """An editor shows it beside the key: those of the experiment, of each fault's parameters, of client models."""
    assert sorted(undescribed(schema())) == []


def test_every_reference_leads_somewhere() -> None:
    """What a fault's own schema defines is among the definitions, under a name that no other fault has."""
    made = schema()
    assert {name.removeprefix("#/$defs/") for name in references(made)} <= set(made["$defs"])


def test_every_installed_fault_is_offered_with_what_it_does(step: dict[str, Any]) -> None:
    """By name, with its docstring's first paragraph on one line; a file of one's own is accepted too."""
    *named, own = step["properties"]["fault"]["anyOf"]
    assert [each["const"] for each in named] == FAULTS
    assert all(each["description"] and "\n" not in each["description"] for each in named)
    assert own["pattern"] == r"\.py$"


@pytest.mark.parametrize("kind", FAULTS)
def test_a_step_has_the_parameters_of_its_fault(step: dict[str, Any], kind: str) -> None:
    """Exactly those, no other, and `with` is required where one of them is."""
    (then,) = (each["then"] for each in step["allOf"] if each["if"]["properties"]["fault"]["const"] == kind)
    fields = plugins.faults()[kind].model_fields
    parameters = then["properties"]["with"]
    assert set(parameters.get("properties", {})) == {field.alias or name for name, field in fields.items()}
    assert parameters["additionalProperties"] is False
    assert ("with" in then.get("required", ())) == any(field.is_required() for field in fields.values())


def test_every_client_model_is_offered() -> None:
    """With its vendor and operations."""
    named = schema()["$defs"]["Cohort"]["properties"]["model"]
    *ours, own = named["anyOf"]
    assert [each["const"] for each in ours] == [model.name for model in client_models()]
    assert own["pattern"], "a model of one's own is named by its file or its place"
    assert "enum" not in named
