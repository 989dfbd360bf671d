"""The fault API as an OpenAPI document, with every installed fault and its parameters, so that clients can be generated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from brownout import __version__
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.operate.fault_api.messages import FaultList, FaultOrder, ProblemDocument, ShownFault, StackStatus

REFERENCE = "#/components/schemas/"
JSON, PROBLEM = "application/json", "application/problem+json"
NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "a name of your choice, or the id of a fault",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
}
WAIT = {
    "name": "wait",
    "in": "query",
    "description": "false answers at once, before the bite is proven; GET then tells what became of it",
    "schema": {"type": "boolean", "default": True},
}
REFUSALS = {
    400: "a wrong order or request; nothing was touched",
    401: "the token is missing or wrong",
    403: "a page of a browser asks",
    404: "there is no such fault or path",
    405: "the path does not take that method",
    409: "no bite was seen, or the name is taken; nothing is in place that was not before",
    410: "the stack is gone",
    413: "the payload is too large",
    415: "the payload is not said to be JSON",
    422: "the stack's world cannot do it",
    423: "everything was halted",
    500: "a fault could not be undone, or the harness failed",
    502: "a part of the stack does not answer",
}

DocumentPart = dict[str, Any]


def document(url: str) -> Mapping[str, Any]:
    """The OpenAPI 3.1 document of the API at `url`."""
    return {**_document(), "servers": [{"url": url}]}


@cache
def _document() -> Mapping[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Brownout faults",
            "version": __version__,
            "description": "Puts faults on a standing stack, proven to bite, and undoes them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {"schemas": _schemas(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _paths() -> DocumentPart:
    order = {"required": True, "content": {JSON: {"schema": {"$ref": f"{REFERENCE}Order"}}}}
    put = _operation("putFault", "Put a fault in place, or renew its lease", {
        200: ("its lease is renewed", ShownFault), 201: ("it is in place and was seen to bite", ShownFault),
        202: ("it is about to be put in place", ShownFault)}, (409, 410, 413, 415, 422, 423))  # fmt: skip
    put |= {"parameters": [NAME, WAIT], "requestBody": order}
    heal = _operation(
        "healFault", "Undo a fault and look for the heal", {200: ("the fault, undone", ShownFault)}, (404, 409, 410)
    )
    show = _operation("getFault", "A fault, also one that has ended", {200: ("the fault", ShownFault)}, (404, 409))
    return {
        "/faults": {
            "get": _operation("listFaults", "The faults that may be in place", {200: ("the faults", FaultList)}, ()),
            "delete": _operation(
                "healFaults", "Undo all faults of the stack", {200: ("what was in place, undone", FaultList)}, (410,)
            ),
        },
        "/faults/{name}": {
            "get": {**show, "parameters": [NAME]},
            "put": put,
            "delete": {**heal, "parameters": [NAME]},
        },
        "/status": {"get": _operation("getStatus", "The stack as it is seen now", {200: ("the stack", StackStatus)}, ())},
        "/openapi.json": {
            "get": {
                **_operation("getDocument", "This document", {}, ()),
                "responses": {"200": {"description": "OpenAPI 3.1", "content": {JSON: {"schema": {"type": "object"}}}}}
                | _refusals(()),
            }
        },
    }


def _operation(name: str, about: str, answers: Mapping[int, tuple[str, type]], refusals: tuple[int, ...]) -> DocumentPart:
    told = {
        str(status): {
            "description": text,
            "content": {JSON: {"schema": {"$ref": f"{REFERENCE}{model.__name__}"}}},
        }
        for status, (text, model) in answers.items()
    }
    return {"operationId": name, "summary": about, "responses": told | _refusals(refusals)}


def _refusals(also: tuple[int, ...]) -> DocumentPart:
    content = {PROBLEM: {"schema": {"$ref": f"{REFERENCE}ProblemDocument"}}}
    statuses = sorted({400, 401, 403, 405, 500, 502, *also})
    return {str(status): {"description": REFUSALS[status], "content": content} for status in statuses}


def _schemas() -> DocumentPart:
    told: tuple[type[BaseModel], ...] = (ShownFault, FaultList, StackStatus, ProblemDocument)
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "serialization") for model in told]
    _, made = models_json_schema([*models, (FaultOrder, "validation")], ref_template=f"{REFERENCE}{{model}}")
    schemas: DocumentPart = made["$defs"]
    kinds = sorted(plugins.faults().items())
    for kind, fault in kinds:
        schemas[_name(kind)] = _order(kind, fault, schemas["FaultOrder"], schemas)
    named = {kind: f"{REFERENCE}{_name(kind)}" for kind, _ in kinds}
    schemas["Order"] = {
        "oneOf": [{"$ref": each} for each in named.values()],
        "discriminator": {"propertyName": "fault", "mapping": named},
    }
    del schemas["FaultOrder"]
    return schemas


def _order(kind: str, fault: type[Fault], order: DocumentPart, schemas: DocumentPart) -> DocumentPart:
    """The order of one kind of fault: its own parameters, of which its target may fill some, in place of any."""
    found = fault.model_json_schema(by_alias=True, ref_template=f"{REFERENCE}{_name(kind)}.{{model}}")
    schemas |= {f"{_name(kind)}.{name}": part for name, part in found.pop("$defs", {}).items()}
    required = [name for name in found.pop("required", []) if name not in fault.target]
    for part in found.get("properties", {}).values():
        if part.get("type") == "string" and isinstance(part.get("default"), float):
            part["default"] = f"{part['default']:g}s"  # a duration is written as text, and kept as a number
    about, parameters = found.pop("description", ""), {**found, **({"required": required} if required else {})}
    properties = {**order["properties"], "fault": {"type": "string", "const": kind}, "parameters": parameters}
    if not fault.target:
        del properties["target"]
    needed = ["fault", *(["parameters"] if required else [])]
    return {**order, "title": _name(kind), "description": about, "properties": properties, "required": needed}


def _name(kind: str) -> str:
    return "".join(word.capitalize() for word in kind.split("-"))
