"""A simulated stack, and real clients of Azure that talk to it on its virtual clock: azure-core's, azure-identity's and msal's.

All of them send through requests, so what is replaced is the adapter of a session: a request for any of Azure's names lands on
the node that the name leads to for clients of one region. Clients see https URLs, as their policies want.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock
from urllib.parse import urlsplit

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ManagedIdentityCredential
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.azure.control.directory import CHANGE_PAGE, ControlChange
from brownout.identity.azure.entra.applications import Application, seeded_application, seeded_secret
from brownout.identity.azure.records import FederatedCredential, RoleAssignment
from brownout.identity.azure.service_accounts import cluster_issuer
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.records import Principal

EPOCH_S = 1_735_689_600.0  # 2025-01-01T00:00:00Z
PATIENCE_S, HOUR_S = 60.0, 3600.0
LOGIN, IMDS = "login.microsoftonline.com", "169.254.169.254"
ROLES: Mapping[str, str] = {  # by the end of a name
    LOGIN: "token.z1",
    ".login.microsoft.com": "token.z1",
    ".vault.azure.net": "vault",
    ".blob.core.windows.net": "vault",
    "graph.microsoft.com": "management",
    "management.azure.com": "management",
    IMDS: "host",
}
MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney"},
    "south": {"region": "melbourne"},
    "single": {"region": "sydney", "identities": ["only-id"]},
}
T = TypeVar("T")


class SimulatedAzure:
    """One world. `answers` are all that clients were sent."""

    def __init__(self, world: SimulationWorld) -> None:
        self.world = world
        self.spec = world.spec
        self.requests: list[Request] = []
        self.answers: list[Response] = []

    @property
    def tenant(self) -> str:
        return self.spec.tenant_id

    @property
    def now_s(self) -> float:
        return self.world.now()

    @property
    def application(self) -> Application:
        """The one that every stack has from the start."""
        return seeded_application(self.spec)

    @property
    def secret(self) -> str:
        return seeded_secret(self.spec)

    def time(self) -> float:
        """What the clocks of clients show."""
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.world.run(self.world.sleep_until(self.now_s + duration_s))

    def node(self, name: str) -> Node:
        node = self.world._nodes[name].node
        assert node is not None, f"{name} is down"
        return node

    def session(self, region: str = "sydney", machine: str = "web") -> requests.Session:
        """A session of requests for a client in a region, on that machine; also an msal `http_client`."""
        made = requests.Session()
        made.trust_env = False
        for scheme in ("https://", "http://"):
            made.mount(scheme, StackAdapter(self, region, machine))
        return made

    def transport(self, region: str = "sydney", machine: str = "web") -> RequestsTransport:
        """The same as a transport of azure-core's pipelines."""
        return RequestsTransport(session=self.session(region, machine), session_owner=False)

    def send(self, url: str, method: str = "GET", region: str = "sydney", **more: Any) -> requests.Response:
        """One request by hand."""
        return self.session(region).request(method, url, **more)

    def call(self, node: str, request: Request) -> Response:
        """What a client gets from that node."""
        return self.world.run(self.world.client(node, request, timeout_s=PATIENCE_S))

    def internal(self, node: str, method: str, path: str, body: Any = None) -> Response:
        """What another node gets from that one."""
        asked = self.node(node)
        return self.world.run(asked.handle(asked.internal(method, path, body)))

    def save(self, principal: Principal) -> None:
        """Makes a principal known to the directory, and waits until every region has it."""
        path = f"/principals/{principal.identity.object_id}"
        answer = self.internal(f"{self.spec.home_region}.directory", "PUT", path, principal.content())
        assert answer.status == 200, answer
        self.settle()

    def delete(self, object_id: str) -> None:
        """Deletes a principal in the directory, and tells no region."""
        assert self.internal(f"{self.spec.home_region}.directory", "DELETE", f"/principals/{object_id}").ok

    def settle(self) -> None:
        """Waits until every region has what the directory knows."""
        node = self.node(f"{self.spec.home_region}.directory")
        self.sleep(node.settings.publish_interval_s + 1)

    def save_application(self, application: Application) -> None:
        self.save(application.to_principal())

    def principal(self, name: str) -> Principal:
        """A user-assigned identity of the stack as the directory has it."""
        node: Any = self.node(f"{self.spec.home_region}.directory")
        found: Principal = node.catalog.identities[self.spec.identity(name).object_id]
        return found

    def grant(self, object_id: str, role: str, scope: str = "") -> None:
        """Gives a principal a role, by its GUID, at a scope (the subscription), and waits until every region knows."""
        where = scope or f"/subscriptions/{self.spec.subscription_id}"
        name = self.node("sydney.directory").ports.new_id()
        made = RoleAssignment(name, where, role, object_id, "ServicePrincipal")
        change = ControlChange(made.KIND, made.key, made)
        answer = self.internal("sydney.directory", "POST", f"/azure{CHANGE_PAGE}", change.to_json())
        assert answer.ok, answer
        self.settle()

    def credential(self, machine: str = "web", region: str = "sydney") -> ManagedIdentityCredential:
        """The credential that a program on that machine has."""
        return ManagedIdentityCredential(transport=self.transport(region, machine))

    def trust(self, name: str, *credentials: FederatedCredential) -> None:
        """Gives an identity federated credentials, as ARM does."""
        known = self.principal(name)
        told = {**known.details, "federatedCredentials": [credential.to_json() for credential in credentials]}
        self.save(Principal(known.identity, details=told))

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token over these claims, signed as every issuer of the stack signs."""
        node: Any = self.node(f"{self.spec.home_region}.directory")
        signing = node.catalog.signing
        return self.world.signer.sign(signing.key_id, signing.private, claims)

    def service_account_token(self, account: str = "default/app", region: str = "sydney", **changed: Any) -> str:
        """A token of the region's cluster for one of its service accounts."""
        claims = {
            "iss": cluster_issuer(self.spec, region),
            "sub": f"system:serviceaccount:{account.replace('/', ':')}",
            "aud": ["api://AzureADTokenExchange"],
            "iat": int(self.now_s),
            "exp": int(self.now_s) + 3600,
        }
        return self.sign(claims | changed)

    def operator_token(self) -> str:
        return self.world.run(sign_in(self.world))


class StackAdapter(BaseAdapter):
    """Sends what requests has prepared to the node of a simulated stack that its URL's name leads to."""

    def __init__(self, azure: SimulatedAzure, region: str, machine: str) -> None:
        super().__init__()
        self._azure, self._region, self._machine = azure, region, machine

    def close(self) -> None:
        """Nothing is open."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        made = wire_request(request, f"/{self._machine}" if IMDS in str(request.url) else "")
        self._azure.requests.append(made)
        try:
            answer = self._azure.call(self._node_of(str(request.url)), made)
        except CallFailed as failed:
            raise requests.exceptions.ConnectionError(str(failed)) from failed
        self._azure.answers.append(answer)
        return self._built(request, answer)

    def _node_of(self, url: str) -> str:
        host = urlsplit(url).hostname or ""
        region = next((each for each in self._azure.spec.regions if host.startswith(f"brownout{each}")), self._region)
        region = next((each for each in self._azure.spec.regions if host.startswith(f"brownout-{each}.")), region)
        return f"{region}.{next(role for end, role in ROLES.items() if host.endswith(end))}"

    def _built(self, request: requests.PreparedRequest, answer: Response) -> requests.Response:
        headers = [(name.decode(), value.decode("latin-1")) for name, value in answer.raw_headers]
        payload = b"" if request.method == "HEAD" else answer.payload
        headers.append(("content-length", str(len(answer.payload))))
        raw = HTTPResponse(io.BytesIO(payload), headers, answer.status, preload_content=False, request_method=request.method)
        return requests.adapters.HTTPAdapter().build_response(request, raw)


def wire_request(prepared: requests.PreparedRequest, prefix: str = "") -> Request:
    """The request that requests would have put on the wire; `prefix` goes before its path."""
    parts = urlsplit(str(prepared.url))
    target = prefix + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [(b"host", parts.netloc.encode())]
    for name, value in prepared.headers.items():
        lines.append((_bytes(name), _bytes(value)))
    return Request.raw(str(prepared.method), target, lines, _payload(prepared.body))


def _payload(body: Any) -> bytes:
    if body is None:
        return b""
    if hasattr(body, "read"):
        read: bytes = body.read()
        return read
    if isinstance(body, str | bytes):
        return _bytes(body)
    return b"".join(body)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


@contextmanager
def simulated_azure(**settings: Any) -> Iterator[SimulatedAzure]:
    """A stack that is up; the clocks of this process are the stack's, and sleeping moves them."""
    spec = build_stack(seed=3, settings=settings, machines=MACHINES)
    world = SimulationWorld(spec, epoch_s=EPOCH_S)
    try:
        world.run(world.start())
        azure = SimulatedAzure(world)
        with mock.patch("time.time", side_effect=azure.time), mock.patch("time.sleep", side_effect=azure.sleep):
            yield azure
    finally:
        world.kernel.close()


def on_azure(story: Callable[[SimulatedAzure], T], **settings: Any) -> T:
    """Runs `story` on a fresh stack, and returns what it returns."""
    with simulated_azure(**settings) as azure:
        return story(azure)
