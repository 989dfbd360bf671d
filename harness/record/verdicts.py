"""The five verdicts, from good to bad but for `inconclusive`, which is neither. Apart, so that naming them loads nothing."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["pass", "breach", "inconclusive", "harness-error", "unsafe"]
VERDICTS: tuple[Verdict, ...] = ("pass", "breach", "inconclusive", "harness-error", "unsafe")
