"""name-wrong: an endpoint's name leads to another region, as with a record that was not updated or is still cached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._names import Look, RecordFault
from brownout.faults._targets import known_region
from brownout.harness.world import StackSpec


class NameWrong(RecordFault):
    """Clients get to the same service of another region, which may refuse what they signed for this one."""

    kind = "name-wrong"
    effect = "wrong"

    to: str = Field(description="the region that the name leads to instead")

    def what(self) -> str:
        return f"leads to {self.to}"

    def more(self, spec: StackSpec) -> Mapping[str, Any]:
        return {**super().more(spec), "to": known_region(spec, self.to)}

    def shows(self, look: Look) -> bool:
        return look.served_by.startswith(f"{self.to}.")
