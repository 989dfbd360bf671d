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


def clock(wall_s: float) -> str:
    """The time of day where the user is."""
    return datetime.fromtimestamp(wall_s).astimezone().strftime("%H:%M:%S")
