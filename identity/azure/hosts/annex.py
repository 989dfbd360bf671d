"""What a host keeps for Azure: what faults want its machines' endpoints to say, and what is in files on its machines."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import NamedTuple

from brownout.identity.azure.entra.cluster import PAGE, ServiceAccountRequest
from brownout.identity.azure.hosts.endpoint import ARC, IMDS, KINDS
from brownout.identity.azure.hosts.flaws import FLAWS
from brownout.identity.azure.machine_secrets import (
    SERVICE_ACCOUNT_FILE,
    arc_key_file,
    endpoint_key,
    extension_secret,
    secret_of_machine,
)
from brownout.identity.azure.service_accounts import EXCHANGE_AUDIENCE, service_account
from brownout.identity.core import trail
from brownout.identity.core.annex import Annex
from brownout.identity.core.holds import Switch, Value
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.forced_answers import ForcedAnswer, ForcedAnswers
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import Json, Machine
from brownout.identity.core.surface import error

VENDOR = "azure"
SWITCH = "answer"
SERVICE_ACCOUNT_LIFETIME_S = 86_400.0  # the longest that a cluster gives: nothing here renews the file
EXTENSION_FILE = "/var/lib/waagent/Microsoft.ManagedIdentity.ManagedIdentityExtensionForLinux/credentials.json"


class ServiceAccountToken(NamedTuple):
    """A token of a service account, "" where there is none, and the trail over which it came."""

    text: str
    trail: str


class AzureHostAnnex(Annex):
    """Azure's part of one host. Nothing of it is durable: caches are lost with the host, and tokens outlive it."""

    vendor = VENDOR

    def __init__(self, node: Host) -> None:
        self.node = node
        self.requests: defaultdict[str, dict[str, int]] = defaultdict(dict)  # by endpoint's kind and machine's address
        self._forced = ForcedAnswers(node.holds, SWITCH)
        self.switches = {SWITCH: Switch(self._start_answering, self._forced.switch.disengage)}

    async def _start_answering(self, fault_id: str, value: Value) -> Value:
        for name, known in (("endpoint", KINDS), ("flaw", FLAWS)):
            if value.get(name) not in (None, *known):
                raise ValueError(f"no {name} {value[name]!r}; there are {', '.join(known)}")
        return await self._forced.switch.engage(fault_id, value)

    def state(self) -> Json:
        return {"requests": {kind: dict(counted) for kind, counted in self.requests.items()}}

    async def control(self, request: Request, path: str) -> Response | None:
        if path == "/files" and request.method == "GET":
            machine = self.node.machine(request.query.get("machine", ""))
            if machine is None:
                return error(404, "MachineNotFound", f"no machine {request.query.get('machine')!r}")
            token = (await self.service_account_token(machine)).text
            return Response(200, {"files": self.files(machine) | ({SERVICE_ACCOUNT_FILE: token} if token else {})})
        return None

    def forced_answer(self, machine: str, kind: str) -> ForcedAnswer | None:
        """What the oldest hold wants that endpoint of the machine to say, as one of its times; None without a hold."""
        forced = self._forced.take(
            lambda value: value.get("machine") in (None, machine) and (value.get("endpoint") or IMDS) == kind
        )
        if forced is not None and forced.status:
            self.count_request(machine, kind)
        return forced

    def count_request(self, machine: str, kind: str) -> None:
        """Counts one request for a token, for the node's state: those of IMDS beside others of the host, the rest here."""
        if kind == IMDS:
            self.node.count_request(machine)
        else:
            counted = self.requests[kind]
            counted[machine] = counted.get(machine, 0) + 1

    async def service_account_token(self, machine: Machine) -> ServiceAccountToken:
        """The token of the service account of the pods on the machine; without a text while no token node gives one."""
        wanted = ServiceAccountRequest(service_account(machine), EXCHANGE_AUDIENCE, SERVICE_ACCOUNT_LIFETIME_S)
        request = self.node.internal("POST", f"/{VENDOR}{PAGE}", wanted.to_json())
        # Not by an operator's fail-over: another region's cluster is another issuer.
        answer = await self.node.ask_token_nodes(machine.zone, request, failed_over=False)
        if answer is None:
            return ServiceAccountToken("", "")
        text = str(answer.body["token"]) if answer.ok and answer.body is not None else ""
        return ServiceAccountToken(text, trail.of(answer))

    def files(self, machine: Machine) -> dict[str, str]:
        """By path what programs on a machine can read, as far as it lets them get tokens.

        There are no keys among them but those of the VM extension, which kept them on the machine
        (docs/reference/azure-wire.md#vm-extension).
        """
        control_token = self.node.stack.control_token
        arc_key = endpoint_key(control_token, ARC)
        found = {arc_key_file(arc_key, machine.address): secret_of_machine(arc_key, machine.address)}
        if self.node.features.has_vm_extension:
            keys = [
                {
                    "client_id": identity.client_id,
                    "object_id": identity.object_id,
                    "tenant_id": self.node.stack.tenant_id,
                    "client_secret": extension_secret(control_token, identity.object_id),
                }
                for identity in machine.identities
            ]
            found[EXTENSION_FILE] = json.dumps({"identities": keys})
        return found


def annex_of(node: Host) -> AzureHostAnnex:
    """Azure's part of a host that has one."""
    annex = node.annexes[VENDOR]
    assert isinstance(annex, AzureHostAnnex), annex
    return annex
