"""What came of one attempt of a client to get a token, and of all that one process made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acquisition:
    """`error` is the class that was raised, "" for a token.

    `seconds` are those that a client of Python chose to wait between its requests, and real ones for others. `token` and
    `refresh_in_s` are told by clients of Python alone; the latter is 0 where nothing is known of a refresh.
    """

    error: str
    seconds: float
    token: str = ""
    refresh_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ClientStory:
    """One process of a client in the version that is installed: its acquisitions in order."""

    version: str
    acquisitions: tuple[Acquisition, ...]
