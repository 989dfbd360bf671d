"""What a control is, and how it came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["experiment", "invariant", "gate", "fault"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`red`: the control came out as it must. `green`: its twin came out the other way, None where it has none here."""

    red: bool
    green: bool | None
    seen: str

    @property
    def proves(self) -> bool:
        """Whether what is controlled can go red, and is not always red."""
        return self.red and self.green is not False

    def __str__(self) -> str:
        if not self.red:
            return f"STAYS GREEN: {self.seen}"
        return f"ALWAYS RED: {self.seen}" if self.green is False else f"red: {self.seen}"


@dataclass(frozen=True, slots=True)
class Control:
    """The case in which something that ships must go red: `what` in words, `run` carries it out, and its twin."""

    kind: Kind
    name: str
    what: str
    run: Callable[[], Outcome]

    def line(self, outcome: Outcome) -> str:
        return f"{self.kind:<10}  {self.name:<34}  {self.what}  ->  {outcome}"
