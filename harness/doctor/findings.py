"""The result of one check of the doctor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """`fix` is what to do, empty where nothing has to be done."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
