"""Probes of links, and one observation of many looks: the effect is everywhere, nowhere, or in some places.

Silence is the effect that a look cannot see at once. A busy machine delays a healthy answer by a tenth of a second, so silence
alone has to last several times as long. A second witness saves most of that wait: the carrier, read afresh, is in the very
state that makes clients wait (the kernel has stopped the process, the proxy has the toxic), and nothing else is known that
would. Then SILENCE_MS are enough, some ten times what a healthy link takes. Neither is believed alone: a carrier may be held
without effect, and a healthy link may be late once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from brownout.harness.errors import WorldError
from brownout.harness.fault import Observation
from brownout.harness.world import Carrier, ProbeResult, World

SILENCE_MS = 50.0


async def probe_for_silence(world: World, link: str, *, effect: str, on: Carrier, patience_ms: float) -> ProbeResult:
    """One probe of `link`, of which silence is expected while `on` has `effect`.

    The outcome is `timeout` after `patience_ms` without an answer, or after SILENCE_MS where `on` is what makes it silent.
    Raises WorldError.
    """
    result = await world.probe(link, timeout_ms=SILENCE_MS)
    if result.outcome == "timeout" and not await _explains(world, link, effect, on):
        result = await world.probe(link, timeout_ms=patience_ms)
    return result


async def _explains(world: World, link: str, effect: str, on: Carrier) -> bool:
    """Whether `on` has this effect by its own reading, and neither it nor the link has another that could be the reason."""
    try:
        reading = await world.read(on)
    except WorldError:
        return False
    held = [hold["effect"] for hold in reading["holds"].values()]
    in_force = set(held) == {effect} and not reading.get("lacking") and not reading.get("foreign")
    return in_force and (on == Carrier("link", link) or not await is_faulty(world, link))


async def is_faulty(world: World, link: str) -> bool:
    """Whether the link has a fault of its own, and so is no evidence about the node behind it."""
    reading = await world.read(Carrier("link", link))
    return bool(reading["holds"] or reading.get("foreign"))


def everywhere(effect: str, looks: Mapping[str, tuple[bool, str]]) -> Observation:
    """`bitten` when each look (name -> seen, what was seen) shows `effect`, `absent` when none does, else `unclear`."""
    hits = sum(seen for seen, _ in looks.values())
    state: Literal["bitten", "absent", "unclear"] = "bitten" if hits == len(looks) else "unclear" if hits else "absent"
    detail = {name: what for name, (_, what) in looks.items()}
    seen_text = "; ".join(f"{name}: {what}" for name, what in list(detail.items())[:3])
    more = f"; and {len(detail) - 3} more" if len(detail) > 3 else ""
    return Observation(state, f"{effect}: {hits} of {len(looks)} ({seen_text}{more})", detail)
