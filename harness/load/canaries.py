"""The canaries beside a load: one process with the sync azure-identity, one with the async, started and stopped together."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from brownout.harness.load.canary import CanaryConfig
from brownout.harness.load.child import Child
from brownout.harness.record.attempts import Kind

_PATIENCE_S = 3.0
# Anything that would make azure-identity believe that it runs somewhere other than on a virtual machine.
_ELSEWHERE = (
    "IDENTITY_ENDPOINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "AZURE_FEDERATED_TOKEN_FILE",
)


class Canaries:
    """Both canaries. They see one region's host, through the very link that its clients use."""

    def __init__(self) -> None:
        self._children: dict[Kind, Child] = {}
        self._found: list[str] = []

    def start(self, host_url: str, warm_machine: str, scale_set: str, clock: Mapping[str, float], folder: Path) -> None:
        """Starts both; logs go to `folder`. `scale_set` is the name of a scale set whose machines are `NAME_<digits>`."""
        folder.mkdir(parents=True, exist_ok=True)
        for kind in get_args(Kind):
            config = CanaryConfig(
                client=kind,
                host_url=host_url,
                warm_machine=warm_machine,
                scale_set=scale_set,
                clock=clock,
                folder=folder.resolve(),
            )
            path = folder.resolve() / f"canary-{kind}.json"
            path.write_text(config.model_dump_json(indent=1), encoding="utf-8")
            self._children[kind] = Child(
                ["-m", "brownout.harness.load.canary", str(path)],
                environment=dict.fromkeys(_ELSEWHERE, ""),
                folder=folder,
                log=folder / f"canary-{kind}.log",
            )

    async def stop(self) -> None:
        """Ends both; an attempt under way is recorded as unfinished. May run twice."""
        for kind, child in self._children.items():
            code = child.exit_code
            if code is not None:
                self._found.append(self._death(kind, child, code))
            await child.stop(((signal.SIGTERM, _PATIENCE_S),))
        self._children.clear()

    def problems(self) -> tuple[str, ...]:
        """Canaries that ended by themselves, each a sentence with the last lines of its output."""
        dead = [(kind, child, child.exit_code) for kind, child in self._children.items()]
        return (*self._found, *(self._death(kind, child, code) for kind, child, code in dead if code is not None))

    @staticmethod
    def _death(kind: Kind, child: Child, code: int) -> str:
        return f"the {kind} canary ended by itself (exit code {code}):\n{child.last_lines()}"
