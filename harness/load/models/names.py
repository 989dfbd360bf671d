"""The name of a client model as a pydantic type: one of a list of words, which is read when it is needed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from brownout.harness.load.models import registry


class _OneOfTheInstalled:
    """Validates and describes a name as pydantic does a Literal of all names; a Literal itself could not grow."""

    def __get_pydantic_core_schema__(self, source: type[str], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._known)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": list(registry.names()), "type": "string"}

    @staticmethod
    def _known(name: object) -> str:
        if isinstance(name, str) and registry.is_known(name):
            return name
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, registry.names()))})


ModelName = Annotated[str, _OneOfTheInstalled()]
