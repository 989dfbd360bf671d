"""name-wrong: an endpoint's name leads to another region, as with a record that was not updated or is still cached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from brownout.faults._names import Look, RecordFault
from brownout.faults._targets import known_region
from brownout.harness.errors import UsageError
from brownout.harness.world import StackSpec, led_to


class NameWrong(RecordFault):
    """Clients get to the same service of another region, which may refuse what they signed for this one."""

    kind = "name-wrong"
    effect = "wrong"

    to: str = Field(description="the region that the name leads to instead")

    def what(self) -> str:
        return f"leads to {self.to}"

    def concerned(self, spec: StackSpec) -> tuple[str, ...]:
        """Those whose clients the name leads elsewhere: for the others the wrong record says what the right one says."""
        right = led_to(spec, self.name)
        return tuple(region for region in super().concerned(spec) if right[region] != self.to)

    def more(self, spec: StackSpec) -> Mapping[str, Any]:
        to = known_region(spec, self.to)
        if not self.concerned(spec):
            raise UsageError(f"{self.name} leads to {to} in any case", hint="name another region with `to`")
        return {**super().more(spec), "to": to}

    def shows(self, look: Look) -> bool:
        return look.served_by.startswith(f"{self.to}.")
