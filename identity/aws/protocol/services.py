"""Services and their operations, from the service models in botocore's data files.

Only the files are read; botocore is not imported. A model is loaded once per process, an operation compiled when it is
first asked for.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.abc import ResourceLoader
from importlib.util import find_spec
from typing import Any, Literal, cast

from brownout.identity.aws.protocol import json_params, json_results, query_params, xml_results
from brownout.identity.aws.protocol.constraints import ShapeCheck, check_of
from brownout.identity.aws.protocol.shapes import RawShape, Shape, ShapeTable

Params = Mapping[str, Any]  # an operation's input or output: values by the names of the model's members
WireProtocol = Literal["query", "json"]

# The API version of each service, which is the folder of its model.
VERSIONS: Mapping[str, str] = {
    "cloudformation": "2010-05-15",
    "iam": "2010-05-08",
    "secretsmanager": "2017-10-17",
    "sts": "2011-06-15",
}
HIDES_VALUES = frozenset({"iam"})  # docs/reference/aws-wire.md#validation-errors


@dataclass(frozen=True, slots=True, eq=False)
class AwsOperation:
    """One operation of a service, ready to read its calls and to write its results.

    `is_signed` is False for calls that carry their proof in their parameters. `read` turns a tree of fields or a JSON object
    into parameters, `check` finds what their constraints forbid, `write` turns a result into an XML element or a JSON object.
    """

    service: str
    name: str
    version: str
    is_signed: bool
    input: Shape | None = field(repr=False)
    output: Shape | None = field(repr=False)
    read: Callable[[Any], Params] = field(repr=False)
    check: ShapeCheck | None = field(repr=False)
    write: Callable[[Params], Any] = field(repr=False)

    @property
    def action(self) -> str:
        """The operation as policies name it: `sts:AssumeRole`."""
        return f"{self.service}:{self.name}"


class Service:
    """A service and its operations, by the words of its model."""

    def __init__(self, name: str, version: str, model: RawShape) -> None:
        metadata = model["metadata"]
        self.name = name
        self.version = version
        self.protocol = cast(WireProtocol, metadata["protocol"])
        assert self.protocol in ("query", "json"), name
        self.namespace = str(metadata.get("xmlNamespace", ""))
        self.target_prefix = str(metadata.get("targetPrefix", ""))
        self.media_type = "text/xml" if self.protocol == "query" else f"application/x-amz-json-{metadata['jsonVersion']}"
        self.type_line = (b"content-type", self.media_type.encode())
        self._shapes = ShapeTable(model["shapes"], hides_values=name in HIDES_VALUES)
        self._raw: Mapping[str, RawShape] = model["operations"]
        self._made: dict[str, AwsOperation] = {}

    @property
    def operation_names(self) -> tuple[str, ...]:
        """All that the model names, in its order."""
        return tuple(self._raw)

    def operation(self, name: str) -> AwsOperation | None:
        """The operation of that name, None for one that the service does not have."""
        if name not in self._made and name in self._raw:
            self._made[name] = self._make(name, self._raw[name])
        return self._made.get(name)

    def _make(self, name: str, raw: RawShape) -> AwsOperation:
        given, returned = (self._shapes[raw[way]["shape"]] if way in raw else None for way in ("input", "output"))
        return AwsOperation(
            self.name,
            name,
            self.version,
            raw.get("authtype") != "none",
            given,
            returned,
            self._reader(given) if given else _nothing_to_read,
            check_of(given) if given else None,
            self._writer(name, returned),
        )

    def _reader(self, given: Shape) -> Callable[[Any], Params]:
        return query_params.reader_of(given) if self.protocol == "query" else json_params.reader_of(given)

    def _writer(self, name: str, returned: Shape | None) -> Callable[[Params], Any]:
        if self.protocol == "query":
            return xml_results.writer_of(returned, f"{name}Result") if returned else _writer_of_nothing("")
        return json_results.writer_of(returned) if returned else _writer_of_nothing({})


def _nothing_to_read(given: Any) -> Params:
    return {}


def _writer_of_nothing(written: Any) -> Callable[[Params], Any]:
    def write(result: Params) -> Any:
        assert not result, "the operation has no output"
        return written

    return write


@cache
def service(name: str) -> Service:
    """The service of that name ("sts"), the same object at each call; raises KeyError for one that VERSIONS lacks."""
    return Service(name, VERSIONS[name], load_model(name, VERSIONS[name]))


def load_services() -> None:
    """Loads every model now, so that processes that are forked later share them."""
    for name in VERSIONS:
        service(name)


def load_model(name: str, version: str) -> dict[str, Any]:
    """A service model as botocore ships it."""
    found = find_spec("botocore")
    assert found is not None, "a stack with AWS is refused where its packages are missing"
    assert found.submodule_search_locations, "botocore is a package"
    path = f"{found.submodule_search_locations[0]}/data/{name}/{version}/service-2.json.gz"
    loader = cast(ResourceLoader, found.loader)  # of an installed package: it reads from archives too
    model = json.loads(gzip.decompress(loader.get_data(path)))
    return {part: model[part] for part in ("metadata", "operations", "shapes")}
