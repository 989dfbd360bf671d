"""The base of the pydantic models of files and documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.pydantic_errors import explain
from brownout.harness.errors import UsageError

_WRITTEN = (str, bool, float)  # not `str | bool | float`, which would be made anew for every value of every document
IN_CODE = {"in_code": True}  # the context in which a duration may be a number: its field's name has the unit


class FrozenModel(BaseModel):
    """Immutable, and a key that the model does not have is an error: a misspelt one must not be ignored.

    A number is a number as written: neither text nor true or false become one, and nothing is infinite. `model_copy` checks its
    changes as a file is checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before", check_fields=False)
    @classmethod
    def _number_as_written(cls, value: Any, info: ValidationInfo) -> Any:
        """Without it pydantic reads "5" as 5, true as 1 and 3.0 as the whole number 3."""
        if isinstance(value, _WRITTEN):
            kinds = _numbers_of(cls, str(info.field_name))
            if kinds:
                _check_number(value, kinds)
        return value

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values, validated; raises UsageError for a key that the model lacks and for a wrong value.

        Keys are the names of the attributes or of the file (`deadline_s` or `deadline`). Durations are numbers in the unit of
        the attribute's name, or text as in a file.
        """
        if not update:
            return super().model_copy(deep=deep)
        kept = {name: getattr(self, name) for name in self.model_fields_set}
        named = {self._attribute(key): value for key, value in update.items()}
        try:
            return type(self).model_validate({**kept, **named}, context=IN_CODE, by_name=True, by_alias=True)
        except ValidationError as error:
            problems = explain(error, type(self).model_json_schema())
            hints = "; ".join(problem.hint for problem in problems if problem.hint)
            raise UsageError(f"{type(self).__name__}: " + "; ".join(map(str, problems)), hint=hints) from None

    def _attribute(self, key: str) -> str:
        fields = type(self).model_fields
        by_alias = {field.alias: name for name, field in fields.items() if field.alias}
        if key not in fields and key not in by_alias:
            raise UsageError(
                f"{type(self).__name__} has no key {key!r}", hint=did_you_mean(str(key), (*fields, *filter(None, by_alias)))
            )
        return by_alias.get(key, key)


@cache  # the fields of models are few, and are asked for every value of every document
def _numbers_of(model: type[FrozenModel], name: str) -> frozenset[Any]:
    """The types that a value of the field may have, where a number is one of them and is written plainly; else none."""
    field: FieldInfo = model.model_fields[name]
    if any(isinstance(mark, BeforeValidator) for mark in field.metadata):
        return frozenset()  # it has its own way of being written
    kinds = frozenset(_plain_types(field.annotation))
    return kinds if kinds & {int, float} else frozenset()


def _check_number(value: str | bool | float, kinds: frozenset[Any]) -> None:
    """Raises ValueError where the field is a number of another type than the value."""
    if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
        raise ValueError(f"a number is needed here, not {str(value).lower()}")
    if isinstance(value, str) and kinds & {int, float} and str not in kinds:
        raise ValueError(f"a number is needed here, not {value[:40]!r}")
    if isinstance(value, float) and int in kinds and float not in kinds:
        raise ValueError(f"a whole number is needed here, not {value!r}")


def _plain_types(annotation: Any) -> Iterator[Any]:
    """The types that a value may have; all of them for a part that has its own way of being written, as durations have."""
    if get_origin(annotation) is Annotated:
        annotation, *marks = get_args(annotation)
        if any(isinstance(mark, BeforeValidator) for mark in marks):
            yield from (str, bool, int, float)
    if get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _plain_types(each)
    else:
        yield annotation
