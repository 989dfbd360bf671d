"""pydantic's complaints in plain words, each with the place of the culprit and a way out."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from brownout.harness.base.pydantic_errors import Problem, dotted, explain


class Part(BaseModel):
    """A part with a choice."""

    model_config = ConfigDict(extra="forbid")

    name: StrictStr
    way: Literal["up", "down"] = "up"


class Whole(BaseModel):
    """A model with parts, a table of parts and numbers."""

    model_config = ConfigDict(extra="forbid")

    parts: tuple[Part, ...] = Field(min_length=1, max_length=2)
    table: dict[str, Part] = Field(default_factory=dict)
    rate: float = Field(1.0, gt=0)
    maybe: Part | None = None
    with_: int = Field(0, alias="with")


def problems(**data: Any) -> list[Problem]:
    data.setdefault("parts", [{"name": "a"}])
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(data)
    return list(explain(caught.value, Whole.model_json_schema()))


@pytest.mark.parametrize(
    ("data", "text", "hint"),
    [
        ({"parts": [{}]}, "parts[0]: the key 'name' is missing", ""),
        ({"rat": 2.0}, "rat: there is no key 'rat' here", "did you mean 'rate'?"),
        ({"parts": [{"nmae": "a"}]}, "parts[0].nmae: there is no key 'nmae' here", "did you mean 'name'?"),
        ({"parts": [{"name": 12}]}, "parts[0].name: text is needed here, not 12", 'write it in quotes: "12"'),
        ({"parts": [{"name": None}]}, "parts[0].name: text is needed here, not nothing", ""),
        ({"parts": [{"name": "a", "way": "dwn"}]}, "parts[0].way: 'dwn' is not one of up, down", "did you mean 'down'?"),
        ({"parts": [{"name": "a", "way": True}]}, "parts[0].way: true is not one of up, down", ""),
        ({"parts": []}, "parts: at least 1 is needed here", ""),
        ({"parts": [{"name": "a"}] * 3}, "parts: at most 2 is allowed here", ""),
        ({"parts": "a"}, "parts: a list is needed here, not 'a'", ""),
        ({"parts": ["a"]}, "parts[0]: keys and values are needed here, not 'a'", ""),
        ({"table": {"x": {"name": "a", "way": "upp"}}}, "table.x.way: 'upp' is not one of up, down", "did you mean 'up'?"),
        ({"maybe": {"name": "a", "wya": "up"}}, "maybe.wya: there is no key 'wya' here", "did you mean 'way'?"),
        ({"rate": 0}, "rate: this should be greater than 0, not 0", ""),
        ({"rate": [1]}, "rate: this should be a valid number, not a list", ""),
        ({"wiht": 1}, "wiht: there is no key 'wiht' here", "did you mean 'with'?"),
    ],
)
def test_a_complaint_is_one_sentence_with_a_way_out(data: dict[str, Any], text: str, hint: str) -> None:
    """What was given is shown as the file has it, and the words that a place allows come from the model's schema."""
    (found,) = problems(**data)
    assert (str(found), found.hint) == (text, hint)


def test_a_misspelt_key_that_is_needed_is_one_problem() -> None:
    """To pydantic it is an unknown key and a missing one."""
    (found,) = problems(parts=[{"nam": "a"}])
    assert found.at_key
    assert "did you mean 'name'" in found.hint


def test_a_list_whose_items_are_wrong_is_not_called_too_short() -> None:
    """Only the items are complained about."""
    assert [found.path for found in problems(parts=[{"name": 1}])] == [("parts", 0, "name")]


def test_problems_can_be_put_below_a_place() -> None:
    """A part that is validated by itself, such as a fault's parameters, is told with its place in the whole file."""
    with pytest.raises(ValidationError) as caught:
        Part.model_validate({})
    (found,) = explain(caught.value, Part.model_json_schema(), prefix=("schedule", 0, "with"))
    assert str(found) == "schedule[0].with: the key 'name' is missing"


@pytest.mark.parametrize(
    ("path", "text"), [((), ""), (("a",), "a"), (("slos", 0, "name"), "slos[0].name"), (("a", 1, 2, "b"), "a[1][2].b")]
)
def test_a_path_is_written_as_in_code(path: tuple[str | int, ...], text: str) -> None:
    """Keys are joined by dots, places in lists are in brackets."""
    assert dotted(path) == text
