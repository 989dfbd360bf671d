"""The endpoints of a host's machines: which machine and which of its endpoints a request means, and how a token is given.

Each machine is below `/{address}`, for clients whose base URL may have a path; a slash too many or at the end does not matter.
A client that knows only a host asks for an endpoint's own path: it means the machine that the host name `{address}.localhost`
names, and with any other host name the region's default machine (docs/design.md#which-machine-a-client-means). Only IMDS, App
Service's endpoint and the VM extension's can be asked so.
"""

from __future__ import annotations

from brownout.identity.azure.errors import error
from brownout.identity.azure.hosts import instance as imds_instance
from brownout.identity.azure.hosts.annex import SWITCH, annex_of
from brownout.identity.azure.hosts.app_service import AppService
from brownout.identity.azure.hosts.arc import Arc
from brownout.identity.azure.hosts.cloud_shell import CloudShell
from brownout.identity.azure.hosts.endpoint import Asked, MachineEndpoint, Unclear
from brownout.identity.azure.hosts.flaws import FLAWS
from brownout.identity.azure.hosts.imds import ROOT, Imds
from brownout.identity.azure.hosts.pods.pod_identity import PodIdentity
from brownout.identity.azure.hosts.request import query_of, refusal
from brownout.identity.azure.hosts.service_fabric import ServiceFabric
from brownout.identity.azure.hosts.vm_extension import VmExtension
from brownout.identity.core.messages import EMPTY, BadPayload, Request, Response
from brownout.identity.core.nodes.forced_answers import ForcedAnswer
from brownout.identity.core.nodes.host import Host, fresh_token
from brownout.identity.core.records import Machine
from brownout.identity.core.surface import Overloaded, Served
from brownout.identity.core.topology import REGIONS

HOST_NAMES = ".localhost"
ROOTS = (ROOT, "msi", "oauth2")  # the first words of what may be asked without a machine


class MachineEndpoints:
    """The surface of a host's machines. It takes every request that no other surface took."""

    def __init__(self, node: Host) -> None:
        self._node, self._annex = node, annex_of(node)
        self._imds: MachineEndpoint = PodIdentity(node) if node.settings.pod_identity else Imds(node)
        made: tuple[MachineEndpoint, ...] = (
            self._imds,
            AppService(node),
            VmExtension(node),
            ServiceFabric(node),
            Arc(node),
            CloudShell(node),
        )
        self._endpoints = {endpoint.path: endpoint for endpoint in made}
        self._first_words = {path.partition("/")[0] for path in self._endpoints}
        assert len(self._endpoints) == len(made), "each endpoint has a path of its own"

    def takes(self, request: Request) -> bool:
        return True

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        """In the words of the endpoint that is asked; of IMDS for any other page."""
        _, _, path = self._resolve(request)
        return self._endpoints.get(path, self._imds).says(request, refusal.status)

    def at_once(self, request: Request) -> Served | None:
        """A token that is fresh in a cache, as nearly every answer, while no hold, limit or capacity has a say in it."""
        node, (address, _, path) = self._node, request.path[1:].partition("/")
        machine, endpoint = node.machine(address), self._endpoints.get(path)
        if machine is None or endpoint is None or endpoint.limits is not None or node.holds.holds(SWITCH):
            return None
        try:
            asked = endpoint.read(request, machine)
        except BadPayload:
            return None
        if not isinstance(asked, Asked) or asked.bypass_cache:
            return None
        unnamed, now_s = endpoint.cache is None and not asked.selectors, node.ports.now()
        token = fresh_token(node, machine, asked.identity, asked.resource, now_s, unnamed=unnamed, cache=endpoint.cache)
        if token is None:
            return None
        self._annex.count_request(machine.address, endpoint.kind)
        if unnamed:
            node.unnamed.add(machine.address)
        return Served(endpoint.answer(request, asked, token, now_s), node.hops["hit"])

    async def serve(self, request: Request) -> Served:
        node, (address, _, path) = self._node, request.path[1:].partition("/")
        machine, endpoint = node.machine(address), self._endpoints.get(path)
        if machine is None or endpoint is None:
            address, machine, path = self._resolve(request)
            endpoint = self._endpoints.get(path)
        if machine is None:
            return Served(error(404, "MachineNotFound", f"{node.region} has no machine {address!r}"), node.hop())
        asked_of = endpoint or self._imds
        forced = self._annex.forced_answer(machine.address, asked_of.kind)
        if forced is not None and forced.status:
            served = Served(_forced(asked_of, request, forced), node.hop())
        elif endpoint is None:
            return Served(self._page(machine, path, request), node.hop())
        else:
            limits = endpoint.limits
            self._annex.count_request(machine.address, endpoint.kind)
            if limits is not None and not limits.begin(machine.address, node.ports.now()):
                return Served(endpoint.says(request, 429), node.hop())
            try:
                served = await self._give(endpoint, machine, request)
            finally:
                if limits is not None:
                    limits.end(machine.address)
        flaw = None if forced is None else FLAWS.get(forced.flaw)
        if flaw is None:
            return served
        own = served.response.with_headers(EMPTY)  # what is given to others too stays as it is
        return served._replace(response=flaw.make(own, node.ports.now()))

    async def _give(self, endpoint: MachineEndpoint, machine: Machine, request: Request) -> Served:
        """The answer to a request for a token that is within the limits."""
        node, asked = self._node, endpoint.read(request, machine)
        if isinstance(asked, Response):
            return Served(asked, node.hop())
        unnamed = endpoint.cache is None and not asked.selectors
        if unnamed:
            node.unnamed.add(machine.address)
        if isinstance(asked, Unclear):
            return self._from_memory(endpoint, machine, request, asked)
        issued = await node.issue(
            machine,
            asked.identity,
            asked.resource,
            bypass=asked.bypass_cache,
            unnamed=unnamed,
            cache=endpoint.cache,
        )
        if issued.failure is not None:
            return Served(endpoint.failed(request, issued.failure), issued.hop, issued.inner)
        assert issued.token is not None
        return Served(endpoint.answer(request, asked, issued.token, node.ports.now()), issued.hop, issued.inner)

    def _from_memory(self, endpoint: MachineEndpoint, machine: Machine, request: Request, asked: Unclear) -> Served:
        """What the host still has for requests that name no identity, now that nothing says which one they mean."""
        kept = None if asked.bypass_cache else self._node.kept(machine, asked.resource)
        if kept is None or kept.token is None:
            return Served(asked.refusal, self._node.hop())
        return Served(endpoint.answer(request, asked, kept.token, self._node.ports.now()), kept.hop)

    def _resolve(self, request: Request) -> tuple[str, Machine | None, str]:
        """The address that a request names, its machine if there is one, and the page of it that is asked for."""
        parts = request.words
        is_root = parts and parts[0] in ROOTS
        if not is_root or (len(parts) > 1 and parts[1] in self._first_words):  # a machine may be called like a root
            address = parts[0] if parts else ""
            return address, self._node.machine(address), "/".join(parts[1:])
        path = "/".join(parts)
        name = request.headers.get("host", "").partition(":")[0].lower()
        if name.endswith(HOST_NAMES):
            address = name.removesuffix(HOST_NAMES)
            return address, self._node.machine(address), path
        return "", self._node.default_machine(), path

    def _page(self, machine: Machine, path: str, request: Request) -> Response:
        """A page of the machine's that gives no token: IMDS' instance data, or none at all."""
        query = query_of(request)
        if isinstance(query, Response):
            return query
        stack, location = self._node.stack, REGIONS[self._node.region].azure_name
        if path.startswith("oauth2/"):
            return refusal(401, "unknown_source", f"Unknown Source /{path}")
        if not path.startswith(f"{ROOT}/"):
            return refusal(404, "not_found", f"/{path}")
        seen = imds_instance.InstanceData(machine, location, stack.subscription_id, stack.tenant_id)
        return imds_instance.page(path.removeprefix(f"{ROOT}/"), query, seen)


def _forced(endpoint: MachineEndpoint, request: Request, forced: ForcedAnswer) -> Response:
    """The answer that a hold wants: its status, with the endpoint's own body for it unless another is given."""
    own = endpoint.says(request, forced.status)
    if forced.text:
        answer = Response.raw(forced.status, ((b"content-type", b"text/plain; charset=utf-8"),), forced.text.encode())
    else:
        answer = Response(forced.status, forced.body or own.body, own.headers)
    retry_after_s = forced.retry_after_s
    return answer if retry_after_s is None else answer.with_headers({"retry-after": str(int(retry_after_s))})
