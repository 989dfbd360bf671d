"""The five verdicts, from good to bad, except `inconclusive`, which is neither. This module is cheap to import."""

from __future__ import annotations

from typing import Literal

Verdict = Literal["pass", "breach", "inconclusive", "harness-error", "unsafe"]
VERDICTS: tuple[Verdict, ...] = ("pass", "breach", "inconclusive", "harness-error", "unsafe")
