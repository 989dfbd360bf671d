"""A load under way on the stack that is up, as its user sees it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

from brownout.harness.base.ports import ephemeral_port
from support.brownout_command import Brownout, Started

TOKEN = "the-token"


def view_at(url: str, shown: int = 120) -> Any:
    """What the pages draw; None when nobody answers there."""
    try:
        with urllib.request.urlopen(f"{url}faults/data?shown={shown}", timeout=10) as answer:
            return json.load(answer)
    except OSError:
        return None


class Dashboard:
    """A load under way with its web UI."""

    def __init__(self, brownout: Brownout, *arguments: str) -> None:
        self.url = f"http://127.0.0.1:{(port := ephemeral_port())}/"
        wanted = ("load", "--rate", "60", "--dashboard-port", str(port), *arguments)
        self.command: Started = brownout.start(*wanted, BROWNOUT_LOAD_TOKEN=TOKEN)
        self.command.wait_for("dashboard: ")

    def data(self, shown: int = 120) -> Any:
        return view_at(self.url, shown)

    def bands(self) -> list[Any]:
        return list(self.data()["bands"])


def folder_of(brownout: Brownout) -> Path:
    (stack,) = brownout.stacks()
    return stack.folder / "load"


def generators(brownout: Brownout) -> list[int]:
    return [pid for pid, command in brownout.processes().items() if "locustfile" in command]
