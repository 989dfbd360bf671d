"""Answers that the holds of one switch force: an endpoint says what a fault wants, so many times or always.

The oldest hold that fits a request decides. What `value` names besides (a machine, a kind of request) is for the endpoint to
compare.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from brownout.identity.core.holds import HoldSet, Switch, Value
from brownout.identity.core.records import Json


@dataclass(frozen=True, slots=True)
class ForcedAnswer:
    """What a hold wants an endpoint to say; without a body and a text the vendor's own words for that status.

    A `flaw` is made in the answer before it is sent; which flaws there are is the endpoint's to know. With a flaw there may be
    no status (0): then the endpoint answers as it would without the hold.
    """

    status: int
    body: Json | None = None
    text: str = ""
    retry_after_s: float | None = None
    flaw: str = ""


class ForcedAnswers:
    """The holds of one switch on a node, with how many answers each has left."""

    def __init__(self, holds: HoldSet, switch: str) -> None:
        self._holds, self._switch = holds, switch
        self._left: dict[str, int] = {}
        self.switch = Switch(self._start, self._stop)

    def take(self, fits: Callable[[Value], bool]) -> ForcedAnswer | None:
        """What the oldest hold that fits wants said, which counts as one of its times; None without one."""
        for fault_id, hold in self._holds.items():
            value = hold.value
            if hold.switch != self._switch or not fits(value):
                continue
            if value.get("times") is not None:
                left = self._left.get(fault_id, int(value["times"]))
                if left <= 0:
                    continue
                self._left[fault_id] = left - 1
                assert self._left[fault_id] >= 0, "no answer is given more often than its times"
            retry_after_s = value.get("retry_after_s")
            retry_after_s = None if retry_after_s is None else float(retry_after_s)
            said = value.get("body") or None, value.get("text") or "", retry_after_s, str(value.get("flaw") or "")
            return ForcedAnswer(int(value.get("status") or 0), *said)
        return None

    async def _start(self, fault_id: str, value: Value) -> Value:
        status = int(value.get("status") or 0 if value.get("flaw") else value["status"])
        if not 200 <= status <= 599 and not (status == 0 and value.get("flaw")):
            raise ValueError(f"status {status} is not the status of an HTTP answer")
        if not isinstance(value.get("body") or {}, Mapping):
            raise ValueError("body is a JSON object")
        if not isinstance(value.get("text") or "", str):
            raise ValueError("text is text")
        for name in ("times", "retry_after_s"):
            if value.get(name) is not None and float(value[name]) < 0:
                raise ValueError(f"{name} is not negative")
        return {"status": status}

    async def _stop(self, fault_id: str, value: Value) -> None:
        self._left.pop(fault_id, None)
