"""Frozen models: a number is a number as written, and a copy with changes is checked as a file is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import Field, ValidationError

from brownout.harness.base.durations import ClockTime, Duration
from brownout.harness.base.models import FrozenModel
from brownout.harness.base.plain import OneLine, PlainData, Text, Word
from brownout.harness.errors import UsageError


class Part(FrozenModel):
    """With a duration that a file calls by another name than code does."""

    wait_s: Duration = Field(2.0, alias="wait")
    limit_s: Duration | None = Field(None, alias="limit")
    at: ClockTime = 0
    share: float = Field(0.5, gt=0, lt=1)
    count: int = 1


class Whole(FrozenModel):
    """With parts, words and plain data."""

    name: OneLine = "whole"
    text: Text = ""
    part: Part = Part()
    folders: Mapping[Word, int] = Field(default_factory=dict)
    settings: PlainData = Field(default_factory=dict)


@pytest.mark.parametrize("share", ["0.5", True, math.nan, math.inf, -math.inf, 0, 1, None, [0.5]])
def test_a_number_is_a_finite_number_in_bounds_as_written(share: Any) -> None:
    """Text, true and nan are none, whatever pydantic would make of them."""
    with pytest.raises(ValidationError):
        Part.model_validate({"share": share})


@pytest.mark.parametrize("count", ["1", True, 1.0, 1.5, math.nan])
def test_a_whole_number_is_written_as_one(count: Any) -> None:
    """3.0 is no whole number in a file."""
    with pytest.raises(ValidationError):
        Part.model_validate({"count": count})


def test_a_file_writes_durations_with_a_unit_and_code_in_the_attributes_unit() -> None:
    """Both give the same value in a copy; a file's number without a unit stays refused."""
    for changes in ({"wait_s": 3}, {"wait": "3s"}, {"wait_s": "3s"}, {"wait": 3.0}):
        assert Part().model_copy(update=changes).wait_s == 3.0
    assert Part().model_copy(update={"limit_s": 0.5, "at": 60}) == Part.model_validate({"limit": "500ms", "at": "00:01"})
    with pytest.raises(ValidationError, match="text with a unit"):
        Part.model_validate({"wait": 3})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wiat_s": 3}, "no key 'wiat_s'(.|\n)*did you mean 'wait_s'"),
        ({"waits": 3}, "no key 'waits'(.|\n)*did you mean 'wait_s'"),
        ({"share": 2}, "share: .*less than 1, not 2"),
        ({"wait_s": math.inf}, "wait.*a duration is from 0 s"),
        ({"wait_s": -1}, "a duration is from 0 s"),
        ({"at": 172_800}, "a time of day is from 0 to 172799"),
        ({"count": True}, "count: a number is needed here, not true"),
    ],
)
def test_a_copy_with_a_wrong_key_or_value_is_refused(changes: dict[str, Any], words: str) -> None:
    """A misspelt key is an error as in a file: it would be silently ignored otherwise."""
    with pytest.raises(UsageError) as refused:
        Part().model_copy(update=changes)
    assert re.search(words, str(refused.value)), str(refused.value)


def test_a_copy_keeps_what_is_not_changed_and_takes_parts_as_models_or_tables() -> None:
    """Values that were set stay, also durations, and a table is validated as the part that it stands for."""
    part = Part.model_validate({"wait": "5s", "limit": "1s"})
    whole = Whole(part=part).model_copy(update={"name": "other"})
    assert (whole.name, whole.part) == ("other", part)
    assert whole.model_copy(update={"part": {"wait": "7s"}}).part.wait_s == 7.0
    assert whole.model_copy() == whole
    with pytest.raises(UsageError, match="there is no key 'wiat'"):
        whole.model_copy(update={"part": {"wiat": "7s"}})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "x" * 501},
        {"text": "\ud800"},
        {"text": "bell\a"},
        {"text": "x" * 20_001},
        {"folders": {"../up": 1}},
        {"folders": {"/etc": 1}},
        {"folders": {".hidden": 1}},
        {"folders": {"": 1}},
        {"folders": {"x" * 81: 1}},
        {"settings": {"a": math.nan}},
        {"settings": {"a": {"b": [2**63]}}},
        {"settings": {"a": object()}},
        {"settings": {"a": {1: 2}}},
        {"settings": {"\x1b": 1}},
    ],
)
def test_text_names_and_plain_data_are_what_can_be_shown_and_stored(changes: dict[str, Any]) -> None:
    """What could leave its folder, steer a terminal or break a file is refused wherever it enters."""
    with pytest.raises(UsageError):
        Whole().model_copy(update=changes)
    with pytest.raises(ValidationError):
        Whole.model_validate(changes)


def test_plain_data_that_holds_itself_is_refused() -> None:
    """Depth is bounded."""
    loop: dict[str, Any] = {}
    loop["again"] = loop
    with pytest.raises(UsageError, match="nested too deeply"):
        Whole().model_copy(update={"settings": loop})
