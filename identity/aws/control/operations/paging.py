"""Pages of a list: what IAM calls Marker and MaxItems.

A marker is the key that the page before ended with, so what is made or deleted meanwhile neither repeats nor hides another
entry. It is handed out in a form that says nothing about names (docs/reference/aws-wire.md#paging-in-iam).
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws.errors import validation_error

USUAL_ITEMS = 100


@dataclass(frozen=True, slots=True)
class ListPage:
    """The keys of one page in order. `marker` is where the next one goes on, "" after the last."""

    keys: tuple[str, ...]
    marker: str = ""

    def result(self, member: str, items: Sequence[Any]) -> dict[str, Any]:
        """The output of a list operation whose entries stand under `member`."""
        found: dict[str, Any] = {member: items, "IsTruncated": bool(self.marker)}
        return found | ({"Marker": self.marker} if self.marker else {})


def page(params: Mapping[str, Any], keys: Sequence[str]) -> ListPage:
    """The page of `keys`, which are in order, that `params` ask for; raises ValidationError for a marker of no page."""
    start = bisect_right(keys, read_marker(params["Marker"])) if params.get("Marker") else 0
    wanted = int(params.get("MaxItems") or USUAL_ITEMS)
    found = tuple(keys[start : start + wanted])
    return ListPage(found, write_marker(found[-1]) if start + wanted < len(keys) else "")


def write_marker(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def read_marker(marker: str) -> str:
    """The key that a marker stands for; raises ValidationError."""
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise validation_error("Invalid Marker.") from None
