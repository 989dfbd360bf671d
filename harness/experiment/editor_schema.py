"""The JSON Schema that editors complete experiment files from: the model's, with what is installed in it.

The model knows that a step names a fault and has parameters, not which faults there are. Here each installed fault adds its
name with a description, and, where a step names it, its own parameters in place of any. Client models add their names.
"""

from __future__ import annotations

import json
from typing import Any

from brownout.harness.experiment import plugins
from brownout.harness.experiment.fault_files import SUFFIX
from brownout.harness.experiment.model import Experiment
from brownout.harness.fault import Fault
from brownout.harness.load.models.model import ClientModel
from brownout.harness.load.models.registry import client_models

SCHEMA_ID = "urn:brownout:experiment:v1"
_REFERENCE = "#/$defs/"

SchemaPart = dict[str, Any]


def schema() -> SchemaPart:
    """JSON Schema (2020-12) of an experiment file, with every fault and client model that is installed and can be used."""
    made: SchemaPart = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **Experiment.model_json_schema(by_alias=True),
    }
    parts = made["$defs"]
    _name_faults(parts["Step"], parts)
    _name_models(parts["Cohort"])
    return made


def schema_text() -> str:
    """The schema as the text of `docs/experiment.schema.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _name_faults(step: SchemaPart, parts: SchemaPart) -> None:
    """Has a step accept the installed faults, each with its own parameters, and any fault of a file."""
    kinds = sorted(plugins.faults().items())
    own = {"type": "string", "pattern": rf"\{SUFFIX}$", "description": "a file that defines a fault, such as ./region_cut.py"}
    step["properties"]["fault"] |= {"anyOf": [*({"const": kind, "description": _about(fault)} for kind, fault in kinds), own]}
    step["allOf"] = [_when(kind, _parameters(kind, fault, parts)) for kind, fault in kinds]


def _when(kind: str, parameters: SchemaPart) -> SchemaPart:
    then: SchemaPart = {"properties": {"with": parameters}}
    if parameters.get("required"):
        then["required"] = ["with"]
    return {"if": {"properties": {"fault": {"const": kind}}, "required": ["fault"]}, "then": then}


def _parameters(kind: str, fault: type[Fault], parts: SchemaPart) -> SchemaPart:
    """The fault's parameters; what their schema defines of its own goes to `parts`, under names with the fault's in front."""
    found = fault.model_json_schema(by_alias=True)
    own: SchemaPart = found.pop("$defs", {})
    names = {f"{_REFERENCE}{name}": f"{_REFERENCE}{kind}.{name}" for name in own}
    parts |= {f"{kind}.{name}": _renamed(part, names) for name, part in own.items()}
    made: SchemaPart = _renamed(found, names)
    return made


def _renamed(node: Any, names: dict[str, str]) -> Any:
    """The schema with its references to these names replaced."""
    if isinstance(node, dict):
        return {key: names.get(value, value) if key == "$ref" else _renamed(value, names) for key, value in node.items()}
    return [_renamed(each, names) for each in node] if isinstance(node, list) else node


def _about(fault: type[Fault]) -> str:
    """What the fault does: its docstring up to the first empty line, on one line."""
    return " ".join((fault.__doc__ or "").partition("\n\n")[0].split())


def _name_models(cohort: SchemaPart) -> None:
    """Has a cohort accept the installed client models, each with what its clients do."""
    named = cohort["properties"]["model"]
    named.pop("enum", None)  # the same names without a word about them
    own = {"type": "string", "pattern": r"\.py$|^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", "description": "a client model of your own"}
    named["anyOf"] = [*({"const": model.name, "description": _clients(model)} for model in client_models()), own]


def _clients(model: ClientModel) -> str:
    asked = ", ".join(each.name for each in model.operations)
    return f"clients of {model.vendor}: {asked}" if model.vendor else f"clients of the subject: {asked}"
