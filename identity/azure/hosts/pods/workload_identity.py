"""What a pod of AKS finds when it starts: a token of its service account, and whom that is for.

On a node of a cluster the kubelet gets the token from the cluster and mounts it as a file, and a webhook sets AZURE_CLIENT_ID
and AZURE_TENANT_ID. Clients of a load have no file system, so they read all three here, with the secret of their own machine.
The page is the emulation's own; what they do next is the real contract: they exchange the token at Entra.
Wire facts: docs/reference/azure-wire.md#workload-identity.
"""

from __future__ import annotations

from brownout.identity.azure.errors import error
from brownout.identity.azure.hosts.annex import annex_of
from brownout.identity.azure.hosts.endpoint import WORKLOAD_IDENTITY
from brownout.identity.azure.hosts.probes import POD_PAGE
from brownout.identity.azure.machine_secrets import endpoint_key, is_secret, secret_of_machine
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.surface import Served


class Pods:
    """The surface. It takes `GET /{machine}/pod/identity`."""

    def __init__(self, node: Host) -> None:
        self._node, self._annex = node, annex_of(node)
        self._key = endpoint_key(node.stack.control_token, WORKLOAD_IDENTITY)

    def takes(self, request: Request) -> bool:
        return POD_PAGE[0] in request.path and request.words[1:] == POD_PAGE  # the words are costly, for each request

    async def serve(self, request: Request) -> Served:
        node, address = self._node, request.words[0]
        machine = node.machine(address)
        if machine is None:
            return Served(error(404, "MachineNotFound", f"{node.region} has no machine {address!r}"), node.hop())
        if request.method != "GET":
            return Served(error(405, "MethodNotAllowed", f"the page is read, not {request.method}"), node.hop())
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not is_secret(shown, secret_of_machine(self._key, machine.address)):
            return Served(error(401, "Unauthorized", "the secret of the pods on this machine is needed"), node.hop())
        identity = next((each for each in machine.identities if not each.is_system), None)
        if identity is None:
            text = f"{machine.name} has no user-assigned identity, which alone can have federated credentials"
            return Served(error(404, "NoWorkloadIdentity", text), node.hop())
        token = await self._annex.service_account_token(machine)
        if not token.text:
            unavailable = error(503, "ClusterUnavailable", "the cluster gives no token of the service account")
            return Served(unavailable, node.hop(), token.trail)
        found = {"client_id": identity.client_id, "tenant_id": node.stack.tenant_id, "token": token.text}
        return Served(Response(200, found), node.hop(), token.trail)
