"""Bokeh's models as plain data, and a document of them as the JSON that BokehJS reads.

Bokeh's own classes do the same and more. To import them takes half a second, and to make the few hundred models of a report
another half, because each property is checked, compared with its theme and watched for changes. Nothing changes here once it is
made, and BokehJS checks what it reads. Defaults are BokehJS' own, so only what differs from them is said.
tests/reports/html/test_bokeh_document.py has Bokeh itself read a report's document and write the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class Model:
    """A model by the name of its class in Bokeh, with its properties. One that is used twice is one object for BokehJS too."""

    __slots__ = ("class_name", "properties")

    def __init__(self, class_name: str, **properties: Any) -> None:
        self.class_name, self.properties = class_name, properties


def field(column: str) -> dict[str, str]:
    """A property of a glyph that has a value of its own for each row: that of the source's column."""
    return {"type": "field", "field": column}


def value(content: Any) -> dict[str, Any]:
    """A property of a glyph that could be a column and is one value."""
    return {"type": "value", "value": content}


def mapping(entries: Mapping[Any, Any]) -> dict[str, Any]:
    """A property that is a table."""
    return {"type": "map", "entries": [[key, content] for key, content in entries.items()]}


def source(columns: Mapping[str, list[Any]]) -> Model:
    """The rows that glyphs draw, by column."""
    selected = Model("Selection", indices=[], line_indices=[])
    return Model("ColumnDataSource", selected=selected, selection_policy=Model("UnionRenderers"), data=mapping(columns))


def document(roots: Iterable[Model]) -> dict[str, Any]:
    """The document of these models and all that they lead to; the id of a root is its place, from `m1` on, among all models."""
    ids: dict[Model, str] = {}
    config = Model("DocumentConfig", notifications=Model("Notifications"))
    return {
        "version": version("bokeh"),
        "title": "Bokeh Application",
        "config": _plain(config, ids),
        "roots": [_plain(root, ids) for root in roots],
    }


def _plain(content: Any, ids: dict[Model, str]) -> Any:
    """The JSON of a property's value. A model's own is where it is met first, and only its id from there on."""
    if isinstance(content, Model):
        if content in ids:
            return {"id": ids[content]}
        ids[content] = f"m{len(ids) + 1}"
        plain = {"type": "object", "name": content.class_name, "id": ids[content]}
        attributes = {name: _plain(each, ids) for name, each in content.properties.items()}
        return {**plain, "attributes": attributes} if attributes else plain
    if isinstance(content, dict):
        return {name: _plain(each, ids) for name, each in content.items()}
    if isinstance(content, list):
        return [_plain(each, ids) for each in content]
    if isinstance(content, float) and math.isnan(content):
        return {"type": "number", "value": "nan"}
    return content


def is_installed() -> bool:
    """Whether there is a BokehJS, which the extra `report` brings."""
    return find_spec("bokeh") is not None


def javascript() -> str:
    """BokehJS' core, without its optional parts, as text that may stand inside a script element."""
    spec = find_spec("bokeh")
    assert spec is not None, "only asked for where it is installed"
    assert spec.submodule_search_locations, "it is a package"
    core = Path(spec.submodule_search_locations[0], "server", "static", "js", "bokeh.min.js")
    return core.read_text(encoding="utf-8").rstrip().replace("</script", "<\\/script")
