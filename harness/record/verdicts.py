"""The five verdicts and which of them outweighs which. This module is cheap to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Verdict = Literal["pass", "breach", "inconclusive", "harness-error", "unsafe"]
VERDICTS: tuple[Verdict, ...] = ("pass", "breach", "inconclusive", "harness-error", "unsafe")

# What is found first decides: an unsafe end outweighs everything, and a breach that was seen outweighs doubts about the rest.
PRECEDENCE: tuple[Verdict, ...] = ("unsafe", "harness-error", "breach", "inconclusive", "pass")


def heaviest(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that outweighs the others, of which there is at least one."""
    return min(verdicts, key=PRECEDENCE.index)
