"""Real clients of Azure's token endpoints on a simulated stack's virtual clock: azure-identity sync and async, and msal.

Their HTTP transport is the stack, their clock and their waits are its time. So a day of a client's cache passes in no time, and
what a client does at each hour is its own code's doing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import azure.identity
import azure.identity.aio
import msal
from azure.core.pipeline.transport import AsyncHttpTransport, HttpTransport
from azure.core.rest import HttpRequest
from azure.core.rest._http_response_impl import HttpResponseImpl
from azure.core.rest._http_response_impl_async import AsyncHttpResponseImpl

from brownout.harness.effects import SwitchThrow
from brownout.harness.world import Carrier
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Request, Response

EPOCH_S = 1_588_809_600.0  # 2020-05-07T00:00:00Z
VAULT_SCOPE = "https://vault.azure.net/.default"
VAULT = "https://vault.azure.net"
HOUR_S = 3600.0
PATIENCE_S = 300.0  # as the clients read
Get = Callable[[], Any]


class SimulatedAzure:
    """One stack with clients on its machines. `asked` has the requests of the clients, in order."""

    def __init__(self, world: SimulationWorld) -> None:
        self.world = world
        self.asked: list[Request] = []

    @property
    def now_s(self) -> float:
        return self.world.now()

    def time(self) -> float:
        """The clients' clock."""
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.world.run(self.world.sleep_until(self.now_s + duration_s))

    def machine_ids(self, *names: str) -> list[str]:
        return [machine.resource_id for machine in self.world.spec.machines if machine.name in names]

    def client_id(self, identity: str) -> str:
        return self.world.spec.identity(identity).client_id

    def identity_id(self, name: str) -> str:
        group = self.machine_ids(self.world.spec.machines[0].name)[0].partition("/providers/")[0]
        return f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"

    def attach(self, *machines: str, identity: str = "addon-id") -> None:
        """Attaches the identity, as an add-on does; `detach` undoes it."""
        wanted = identity if identity == "system" else self.identity_id(identity)
        throw = SwitchThrow("attach-identity", {"identity": wanted, "machines": self.machine_ids(*machines)})
        self.world.run(self.world.hold(Carrier("control", "sydney.management"), "add-on", throw))

    def detach(self) -> None:
        self.world.run(self.world.release(Carrier("control", "sydney.management"), "add-on"))

    def raw(self, machine: str, **query: str) -> Response:
        """What `curl -H Metadata:true` gets."""
        asked = {"api-version": "2018-02-01", "resource": VAULT, **query}
        request = Request("GET", f"/{machine}/metadata/identity/oauth2/token", asked, {"metadata": "true"})
        return self.world.run(self.world.client("sydney.host", request, timeout_s=PATIENCE_S))

    def sync(self, machine: str, **options: Any) -> Get:
        """azure-identity's credential in a process on that machine; each call asks for a token."""
        credential = azure.identity.ManagedIdentityCredential(transport=_Transport(self, machine), **options)
        return lambda: credential.get_token_info(VAULT_SCOPE)

    def asynchronous(self, machine: str, **options: Any) -> Get:
        """The same of azure-identity's asyncio half."""
        credential = azure.identity.aio.ManagedIdentityCredential(transport=_AsyncTransport(self, machine), **options)
        return lambda: asyncio.run(credential.get_token_info(VAULT_SCOPE))

    def msal(self, machine: str, identity: Mapping[str, str] | None = None) -> Get:
        """msal without azure-identity around it; raises LookupError with the error that msal returns."""
        who = msal.UserAssignedManagedIdentity(**identity) if identity else msal.SystemAssignedManagedIdentity()
        client = msal.ManagedIdentityClient(who, http_client=_Session(self, machine))

        def get() -> Any:
            found = client.acquire_token_for_client(resource=VAULT)
            if "access_token" not in found:
                raise LookupError(found)
            return found

        return get

    def send(self, machine: str, url: str, headers: Mapping[str, str]) -> Response:
        """One request of a client, whose URL is the fixed one of IMDS."""
        asked = dict(parse_qsl(urlsplit(url).query))
        lowered = {name.lower(): value for name, value in headers.items()}
        request = Request("GET", f"/{machine}/metadata/identity/oauth2/token", asked, lowered)
        self.asked.append(request)
        return self.world.run(self.world.client("sydney.host", request, timeout_s=PATIENCE_S))


class _Transport(HttpTransport[Any, Any]):
    """azure-core's transport, through the stack."""

    def __init__(self, azure_: SimulatedAzure, machine: str) -> None:
        self._azure, self._machine = azure_, machine

    def send(self, request: Any, **_: Any) -> Any:
        response = _answer(HttpResponseImpl, request, self._azure.send(self._machine, request.url, request.headers))
        response.read()
        return response

    def sleep(self, duration: float) -> None:
        self._azure.sleep(duration)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class _AsyncTransport(AsyncHttpTransport[Any, Any]):
    def __init__(self, azure_: SimulatedAzure, machine: str) -> None:
        self._azure, self._machine = azure_, machine

    async def send(self, request: Any, **_: Any) -> Any:
        response = _answer(AsyncHttpResponseImpl, request, self._azure.send(self._machine, request.url, request.headers))
        await response.read()
        return response

    async def sleep(self, duration: float) -> None:
        self._azure.sleep(duration)

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class _Ended:
    def close(self) -> None: ...


class _EndedAsync:
    async def close(self) -> None: ...


def _answer(kind: Any, request: Any, answer: Response) -> Any:
    text = json.dumps(answer.body).encode()

    async def pieces() -> Any:
        yield text

    is_async = kind is AsyncHttpResponseImpl
    return kind(
        request=request,
        internal_response=_EndedAsync() if is_async else _Ended(),
        block_size=4096,
        status_code=answer.status,
        reason="",
        content_type="application/json",
        headers=answer.headers,
        stream_download_generator=lambda *_, **__: pieces() if is_async else iter([text]),
    )


class _Session:
    """What msal needs of an HTTP client."""

    def __init__(self, azure_: SimulatedAzure, machine: str) -> None:
        self._azure, self._machine = azure_, machine

    def get(self, url: str, params: Mapping[str, str] | None = None, headers: Any = None, **_: Any) -> Any:
        request = HttpRequest("GET", url, params=params)
        answer = self._azure.send(self._machine, request.url, headers or {})
        return SimpleNamespace(status_code=answer.status, text=json.dumps(answer.body), headers=answer.headers)

    post = get

    def close(self) -> None: ...


@contextmanager
def simulated_azure(machines: Mapping[str, Mapping[str, Any]], **settings: Any) -> Iterator[SimulatedAzure]:
    """A stack in Sydney that is up, on whose clock every client of this process lives meanwhile."""
    spec = build_stack(seed=1, settings={"publish_interval_s": HOUR_S, **settings}, machines=machines, regions=("sydney",))
    world = SimulationWorld(spec, epoch_s=EPOCH_S)
    try:
        world.run(world.start())
        stack = SimulatedAzure(world)
        with mock.patch.object(time, "time", stack.time), mock.patch.object(time, "sleep", stack.sleep):
            yield stack
    finally:
        world.kernel.close()
