"""Types of arguments."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    pass


class DurationType(click.ParamType[float]):
    """Seconds, written `30s` or `5m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from brownout.harness.base.durations import parse_duration_s

        if isinstance(value, float):
            return value
        try:
            return parse_duration_s(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)


class NumberType(click.ParamType[float]):
    """A finite number in decimal digits, from `least` to `most`; `whole` takes whole ones only."""

    def __init__(self, least: float, most: float, *, whole: bool = False) -> None:
        self.least, self.most, self.whole = least, most, whole
        self.name = "integer" if whole else "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from brownout.harness.base.plain import parse_number, parse_whole

        try:
            found = value if isinstance(value, int | float) else (parse_whole if self.whole else parse_number)(value)
        except ValueError as wrong:
            self.fail(str(wrong), param, ctx)
        if not self.least <= found <= self.most:
            self.fail(f"{found:g} is not from {self.least:g} to {self.most:g}", param, ctx)
        return found


PORT = NumberType(1, 65_535, whole=True)
EPISODES = NumberType(1, 1000, whole=True)
MARGIN = NumberType(0, 100)
SEED = NumberType(0, 2**63 - 1, whole=True)
RATE_PER_S = NumberType(1e-6, 1e6)


def clock(wall_s: float) -> str:
    """The time of day where the user is."""
    return datetime.fromtimestamp(wall_s).astimezone().strftime("%H:%M:%S")
