"""Combines single probes into one observation: the effect is everywhere, nowhere, or in some places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from brownout.harness.fault import Observation


def everywhere(effect: str, looks: Mapping[str, tuple[bool, str]]) -> Observation:
    """`bitten` when each look (name -> seen, what was seen) shows `effect`, `absent` when none does, else `unclear`."""
    hits = sum(seen for seen, _ in looks.values())
    state: Literal["bitten", "absent", "unclear"] = "bitten" if hits == len(looks) else "unclear" if hits else "absent"
    detail = {name: what for name, (_, what) in looks.items()}
    seen_text = "; ".join(f"{name}: {what}" for name, what in list(detail.items())[:3])
    more = f"; and {len(detail) - 3} more" if len(detail) > 3 else ""
    return Observation(state, f"{effect}: {hits} of {len(looks)} ({seen_text}{more})", detail)
