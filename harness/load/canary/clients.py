"""The clients that canaries run: each a small class around one real, unmodified library, and one row of `CLIENTS`.

A client takes its turns without end: what to do next, on which machine. An attempt is what an application would do, with
fresh objects, because libraries keep credentials in memory, and with the library's own retries.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from brownout.harness.base.models import FrozenModel
from brownout.harness.load.canary.botocore_clock import botocore_clock
from brownout.harness.record.attempts import Kind
from brownout.identity.server.clock import Clock

AUTHORITY_VARIABLE = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
METADATA_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
SCOPE = "https://vault.azure.net/.default"
SESSION_NAME, SECRET_NAME = "canary", "sample"
TOKEN, ASSUME_ROLE, INSTANCE_CREDENTIALS, SECRET_VALUE = "token", "AssumeRole", "instance-credentials", "GetSecretValue"


class CanaryConfig(FrozenModel):
    """The configuration of one canary. `host_url` is the host node's URL for clients; `clock` as in a LoadPlan.

    A client goes by the machines that are named: no `scale_set` means no new machines, no `warm_machine` none at all.
    `role_arn` is the role that a client of AWS assumes. Its keys and ways come in its environment alone: run folders, where
    this configuration is kept, are handed round.
    """

    client: Kind
    host_url: str
    warm_machine: str = ""
    scale_set: str = ""
    clock: Mapping[str, float]
    folder: Path
    role_arn: str = ""

    def machine_url(self, machine: str) -> str:
        """Where a process on that machine finds its metadata service."""
        return f"{self.host_url.rstrip('/')}/{machine}"


@dataclass(frozen=True, slots=True)
class Turn:
    """What a client does next. `machine` is "" for what needs none, `fresh` whether it has only just been scaled out."""

    operation: str
    machine: str = ""
    fresh: bool = False


class CanaryClient(Protocol):
    """One real library in use. `attempt` raises whatever its caller would have seen; async ones return an awaitable."""

    def turns(self) -> Iterator[Turn]: ...

    def attempt(self, turn: Turn) -> Awaitable[None] | None: ...


@dataclass(frozen=True, slots=True)
class ClientKind:
    """`first_number`: machines of the load's own arrivals are numbered from 0 up, those of a canary from here on."""

    make: Callable[[CanaryConfig], CanaryClient]
    first_number: int
    is_async: bool = False


def machines(config: CanaryConfig) -> Iterator[tuple[str, bool]]:
    """Machine and whether it is new, without end: the warm one and a fresh one in turn, as far as there are such."""
    for number in itertools.count(CLIENTS[config.client].first_number):
        yield config.warm_machine, False
        if config.scale_set:
            yield f"{config.scale_set}_{number}", True


class AzureSync:
    """azure-identity's sync managed identity, on MSAL."""

    def __init__(self, config: CanaryConfig) -> None:
        from azure.identity import ManagedIdentityCredential

        self._config, self._credential = config, ManagedIdentityCredential

    def turns(self) -> Iterator[Turn]:
        return _token_turns(self._config)

    def attempt(self, turn: Turn) -> None:
        _become(self._config, turn.machine)
        with self._credential() as credential:
            credential.get_token(SCOPE)


class AzureAsync:
    """azure-identity's async managed identity, which is other code with other errors."""

    def __init__(self, config: CanaryConfig) -> None:
        from azure.identity.aio import ManagedIdentityCredential

        self._config, self._credential = config, ManagedIdentityCredential

    def turns(self) -> Iterator[Turn]:
        return _token_turns(self._config)

    async def attempt(self, turn: Turn) -> None:
        _become(self._config, turn.machine)
        async with self._credential() as credential:
            await credential.get_token(SCOPE)


def _token_turns(config: CanaryConfig) -> Iterator[Turn]:
    return (Turn(TOKEN, machine, fresh) for machine, fresh in machines(config))


def _become(config: CanaryConfig, machine: str) -> None:
    """Sets this process's environment so that azure-identity takes it for a process on `machine`."""
    os.environ[AUTHORITY_VARIABLE] = config.machine_url(machine)


class Boto3:
    """boto3 in its default retry mode: a role assumed with a user's key, an instance's credentials, a secret read.

    The user's key is taken out of the environment, where botocore would find it before it asked for an instance's credentials.
    """

    def __init__(self, config: CanaryConfig) -> None:
        import boto3

        self._config, self._boto3 = config, boto3
        self._keys = {name.lower(): os.environ.pop(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        self._now_s = Clock.from_record(config.clock).now

    def turns(self) -> Iterator[Turn]:
        for machine, fresh in machines(self._config):
            yield Turn(ASSUME_ROLE)
            if machine:
                yield Turn(INSTANCE_CREDENTIALS, machine, fresh)
            yield Turn(SECRET_VALUE)

    def attempt(self, turn: Turn) -> None:
        with botocore_clock(self._now_s):
            self._call(turn)

    def _call(self, turn: Turn) -> None:
        if turn.operation == ASSUME_ROLE:
            self._client("sts").assume_role(RoleArn=self._config.role_arn, RoleSessionName=SESSION_NAME)
        elif turn.operation == SECRET_VALUE:
            self._client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)
        else:
            self._find_credentials(turn.machine)

    def _client(self, service: str) -> Any:
        return self._boto3.Session().client(service, **self._keys)

    def _find_credentials(self, machine: str) -> None:
        """Raises what an application's next signed call would, where botocore's own providers find nothing."""
        from botocore.exceptions import NoCredentialsError

        os.environ[METADATA_VARIABLE] = self._config.machine_url(machine)
        found = self._boto3.Session().get_credentials()
        if found is None:
            raise NoCredentialsError
        found.get_frozen_credentials()


CLIENTS: Mapping[Kind, ClientKind] = {
    "sync": ClientKind(AzureSync, 900_000),
    "async": ClientKind(AzureAsync, 950_000, is_async=True),
    "boto3": ClientKind(Boto3, 980_000),
}
