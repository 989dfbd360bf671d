"""Durations and times of day: read from text, and written so that exactly the same value is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from brownout.harness.base.durations import (
    ClockTime,
    Duration,
    clock_text,
    duration_text,
    parse_clock_s,
    parse_duration_s,
)


class Both(BaseModel):
    """A model with one of each."""

    lasts_s: Duration
    at: ClockTime


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("10s", 10), ("5m", 300), ("24h", 86_400), ("1h30m", 5400), ("1.5d", 129_600)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    """Units may be joined, and numbers may have decimals."""
    assert parse_duration_s(text) == seconds


def test_a_number_without_end_is_refused_at_once() -> None:
    """What is read of it grows with its length and no faster: a file of a megabyte would else keep `validate` for hours."""
    for tail in ("", "x", "1.1"):
        with pytest.raises(ValueError, match="is not a duration"):
            parse_duration_s("9" * 300_000 + tail)


@pytest.mark.parametrize("wrong", [10, None, "", "10", "10 s", "s", "1h 30m", "-1s", "1e3s"])
def test_what_is_no_duration_is_refused_with_an_example(wrong: object) -> None:
    """The message shows how one is written."""
    with pytest.raises(ValueError, match='"10s"'):
        parse_duration_s(wrong)


@pytest.mark.parametrize("wrong", [1230, "48:00", "1:30", "12:60", "12:30:60", "noon"])
def test_what_is_no_time_of_day_is_refused_with_an_example(wrong: object) -> None:
    """A number is most likely a time without quotes, and the message says so."""
    with pytest.raises(ValueError, match=r"HH:MM|quoted text"):
        parse_clock_s(wrong)


@given(seconds=st.floats(min_value=0, max_value=3e9))
def test_every_duration_survives_being_written(seconds: float) -> None:
    """What a dump writes is read back as the very same number."""
    assert parse_duration_s(duration_text(seconds)) == seconds


@given(second=st.integers(0, 48 * 3600 - 1))
def test_every_time_of_day_survives_being_written(second: int) -> None:
    """What a dump writes is read back as the very same second."""
    assert parse_clock_s(clock_text(second)) == second


def test_a_model_writes_them_as_a_file_does() -> None:
    """In both kinds of dump they are text, so that the dump validates to an equal model."""
    model = Both.model_validate({"lasts_s": "300ms", "at": "06:28"})
    assert model.model_dump() == model.model_dump(mode="json") == {"lasts_s": "0.3s", "at": "06:28:00"}
    assert Both.model_validate(model.model_dump()) == model
