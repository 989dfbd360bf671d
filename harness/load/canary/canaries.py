"""The canaries beside a load: one process for each real client of the vendors, started and stopped together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from brownout.harness.load.canary.clients import CanaryConfig
from brownout.harness.load.child import Child
from brownout.harness.record.attempts import Kind
from brownout.identity.aws.auth.caller import Credentials

_PATIENCE_S = 3.0
# Anything that would make azure-identity believe that it runs somewhere other than on a virtual machine.
_ELSEWHERE = (
    "IDENTITY_ENDPOINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "AZURE_FEDERATED_TOKEN_FILE",
)
# What botocore would take from the user's files.
_NO_FILES = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@dataclass(frozen=True, slots=True)
class CanaryMachines:
    """What clients are on: the host's URL in one region, through the very link that its clients use.

    `warm` is an established machine, `scale_set` the name of a scale set whose machines are `NAME_<digits>`; "" is none.
    """

    host_url: str
    warm: str = ""
    scale_set: str = ""


@dataclass(frozen=True, slots=True)
class AwsWays:
    """How clients of AWS in one region reach the stack, and who they are.

    `environment` has the region and the way: a proxy for AWS's names, or the endpoints' URLs.
    """

    machines: CanaryMachines
    environment: Mapping[str, str]
    role_arn: str
    key: Credentials = field(repr=False)

    def variables(self) -> Mapping[str, str]:
        """The environment of a process of that user."""
        key = {"AWS_ACCESS_KEY_ID": self.key.access_key_id, "AWS_SECRET_ACCESS_KEY": self.key.secret_access_key}
        return {**_NO_FILES, **self.environment, **key}


class Canaries:
    """All canaries. They see one region, through the very links that its clients use."""

    def __init__(self) -> None:
        self._children: dict[Kind, Child] = {}
        self._found: list[str] = []

    def start(self, azure: CanaryMachines | None, aws: AwsWays | None, clock: Mapping[str, float], folder: Path) -> None:
        """Starts those of the vendors given; logs go to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for config, environment in _planned(azure, aws, clock, folder.resolve()):
            path = config.folder / f"canary-{config.client}.json"
            path.write_text(config.model_dump_json(indent=1), encoding="utf-8")
            self._children[config.client] = Child(
                ["-m", "brownout.harness.load.canary.process", str(path)],
                environment=environment,
                folder=folder,
                log=folder / f"canary-{config.client}.log",
                without=("AWS_",),
            )

    async def stop(self) -> None:
        """Ends them all; an attempt under way is recorded as unfinished. May run twice."""
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


def _planned(
    azure: CanaryMachines | None, aws: AwsWays | None, clock: Mapping[str, float], folder: Path
) -> Iterator[tuple[CanaryConfig, Mapping[str, str]]]:
    """The configuration of each canary, and its environment."""
    if azure is not None:
        kinds: tuple[Kind, ...] = ("sync", "async")
        for kind in kinds:
            yield _config(kind, azure, clock, folder), dict.fromkeys(_ELSEWHERE, "")
    if aws is not None:
        yield _config("boto3", aws.machines, clock, folder, aws.role_arn), aws.variables()


def _config(kind: Kind, on: CanaryMachines, clock: Mapping[str, float], folder: Path, role_arn: str = "") -> CanaryConfig:
    return CanaryConfig(
        client=kind,
        host_url=on.host_url,
        warm_machine=on.warm,
        scale_set=on.scale_set,
        clock=clock,
        folder=folder,
        role_arn=role_arn,
    )
