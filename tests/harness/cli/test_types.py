"""Options are numbers and durations by the rule of files: decimal, finite, in bounds."""

from __future__ import annotations

import click
import pytest

from brownout.harness.cli.types import PORT, RATE_PER_S, SEED, DurationType


@pytest.mark.parametrize(
    ("kind", "text", "value"), [(SEED, "7", 7), (SEED, "0", 0), (PORT, "8089", 8089), (RATE_PER_S, ".5", 0.5)]
)
def test_a_number_is_read_as_written(kind: click.ParamType[float], text: str, value: float) -> None:
    """Defaults, which are numbers already, stay as they are."""
    assert kind.convert(text, None, None) == value
    assert kind.convert(value, None, None) == value


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (SEED, "010", "no whole number"),
        (SEED, "1_000", "no whole number"),
        (SEED, "0x10", "no whole number"),
        (SEED, "٣", "no whole number"),
        (SEED, "1.0", "no whole number"),
        (SEED, "-1", "not from 0"),
        (SEED, str(2**63), "at most 2"),
        (SEED, "9" * 5_000, "at most 2"),
        (PORT, "65536", "not from 1 to 65535"),
        (RATE_PER_S, "nan", "no number"),
        (RATE_PER_S, "inf", "no number"),
        (RATE_PER_S, "1e999", "inf is no finite number"),
        (RATE_PER_S, "0", "not from 1e-06"),
        (RATE_PER_S, "", "no number"),
        (DurationType(), "1e3s", "is not a duration"),
        (DurationType(), "9" * 400 + "s", "a duration is from 0 s"),
    ],
)
def test_what_is_no_number_in_bounds_is_refused(kind: click.ParamType[float], text: str, words: str) -> None:
    """In one short line."""
    with pytest.raises(click.BadParameter, match=words) as refused:
        kind.convert(text, None, None)
    assert len(refused.value.message) < 200
