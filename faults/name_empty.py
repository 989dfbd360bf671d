"""name-empty: an endpoint's name exists and has no address, as in us-east-1 on 20 October 2025."""

from __future__ import annotations

from brownout.faults._names import RecordFault


class NameEmpty(RecordFault):
    """Resolvers answer with a record without addresses."""

    kind = "name-empty"
    effect = "empty"

    def what(self) -> str:
        return "has no address"
