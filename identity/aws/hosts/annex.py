"""What a host keeps for AWS: role credentials of its machines, and what a fault wants its endpoints to say.

A machine's first request gets credentials from a token node. From then on the host asks for new ones by itself, well before
the old ones end, and requests are answered from the cache. While the region's token nodes do not answer, the old ones are
served, in the end also past their expiry: SDKs that read them from IMDS know that and go on with them
(docs/reference/aws-wire.md#credentials-of-an-instance). A role that is gone or trusts the service no more is told once the
credentials that it had are due.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws.hosts.credential_cache import CredentialCache
from brownout.identity.aws.hosts.instances import Instance, zone_names
from brownout.identity.aws.instance_credentials import EC2, PAGE, InstanceCredentials, InstanceCredentialsRequest
from brownout.identity.aws.records.principals import InstanceProfile
from brownout.identity.aws.records.seed import CREATED_S, account_of, initial_account, role_of
from brownout.identity.core import trail
from brownout.identity.core.annex import Annex
from brownout.identity.core.holds import Switch, Value
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.forced_answers import ForcedAnswer, ForcedAnswers
from brownout.identity.core.nodes.host import UNREACHABLE, Host
from brownout.identity.core.records import Json, Machine
from brownout.identity.core.surface import Failure
from brownout.identity.core.topology import REGIONS
from brownout.identity.core.trail import Hop

VENDOR = "aws"
SWITCH = "metadata-answer"
REFRESH_CHECK_S = 30.0  # how often a host looks what is due
REQUESTS = ("token", "role", "credentials", "container", "other")  # what a hold may name


@dataclass(frozen=True, slots=True)
class Given:
    """Credentials that were asked for, or why there are none; the hop says whether the host's cache helped."""

    hop: Hop
    inner: str = ""
    credentials: InstanceCredentials | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        assert (self.credentials is None) != (self.failure is None), "credentials or a failure, and not both"


class HostAnnex(Annex):
    """AWS's part of one host. Nothing of it is durable: caches are lost with the host, and tokens outlive it."""

    vendor = VENDOR

    def __init__(self, node: Host) -> None:
        self.node = node
        self.account_id = account_of(node.stack)
        self._profiles = initial_account(node.stack).table(InstanceProfile)
        self.cache = CredentialCache(refresh_fraction=node.settings.host_refresh_fraction)
        self.requests: dict[str, int] = {}  # for credentials, by machine's address
        self._forced = ForcedAnswers(node.holds, SWITCH)
        self.switches = {SWITCH: Switch(self._start_answering, self._forced.switch.disengage)}
        self._region = REGIONS[node.region].aws_name

    async def _start_answering(self, fault_id: str, value: Value) -> Value:
        if value.get("request") not in (None, *REQUESTS):
            raise ValueError(f"no request {value['request']!r}; requests are {', '.join(REQUESTS)}")
        return await self._forced.switch.engage(fault_id, value)

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (self._refresh_forever(),)

    def state(self) -> Json:
        return {"cached": len(self.cache), "requests": dict(self.requests)}

    async def control(self, request: Request, path: str) -> Response | None:
        if path == "/drop-caches" and request.method == "POST":
            return Response(200, {"dropped": self.drop_caches()})
        return None

    def drop_caches(self) -> int:
        dropped = len(self.cache)
        self.cache.clear()
        return dropped

    def instance(self, machine: Machine) -> Instance:
        """The machine as EC2 sees it, with the instance profile that its group had when the stack was made."""
        zones = self.node.stack.zones
        name, zone_id = zone_names(self._region, zones.index(machine.zone) if machine.zone in zones else 0)
        profile = self._profiles.get(role_of(machine.name).lower())
        return Instance(self.account_id, self._region, name, zone_id, machine.address, CREATED_S, profile)

    def client_time(self, at_s: float) -> float:
        """What a machine's clock shows at `at_s`: the stack's time, or the real one with the setting `real_client_clocks`."""
        return self.node.ports.machine_time(at_s) if self.node.settings.real_client_clocks else at_s

    def forced_answer(self, machine: str, request: str) -> ForcedAnswer | None:
        """What a hold wants said to that request (one of REQUESTS) of the machine of that address; None without one."""
        assert request in REQUESTS, request
        return self._forced.take(
            lambda value: value.get("machine") in (None, machine) and value.get("request") in (None, request)
        )

    def count_request(self, machine: str) -> None:
        """Counts one request of the machine of that address for credentials, for the node's state."""
        self.requests[machine] = self.requests.get(machine, 0) + 1

    async def credentials(self, instance: Instance, machine: Machine, *, service: str = EC2) -> Given:
        """Credentials of the machine's role, from the cache or, when there are none, from a token node.

        Failures are `unreachable` and those of token nodes: `not-found` for a role that is gone or does not trust the service.
        """
        found = self.cached(instance, machine, service=service)
        return found or await self._ask(machine, _wanted(instance, machine, service))

    def cached(self, instance: Instance, machine: Machine, *, service: str = EC2) -> Given | None:
        """Credentials of the machine's role out of the cache; None when it has none."""
        wanted = _wanted(instance, machine, service)
        found = self.cache.get(wanted)
        if found is None:
            return None
        past = self.cache.is_past_refresh(wanted, self.node.ports.now())
        return Given(Hop(self.node.name, cache="stale" if past else "hit"), credentials=found)

    async def _ask(self, machine: Machine, wanted: InstanceCredentialsRequest) -> Given:
        """What a token node says; new credentials go into the cache."""
        hop = Hop(self.node.name, cache="miss")
        request = self.node.internal("POST", f"/{VENDOR}{PAGE}", wanted.to_json())
        response = await self.node.ask_token_nodes(machine.zone, request)
        if response is None:
            return Given(hop, failure=UNREACHABLE)
        inner = trail.of(response)
        if response.ok and response.body is not None:
            credentials = InstanceCredentials.from_json(response.body)
            if self.node.settings.host_cache:
                self.cache.put(wanted, credentials)
            return Given(hop, inner, credentials=credentials)
        return Given(hop, inner, failure=Failure.from_response(response))

    async def _refresh_forever(self) -> None:
        while True:
            await self.node.ports.sleep(REFRESH_CHECK_S)
            await self.refresh()

    async def refresh(self) -> None:
        """Asks for what is due. Where token nodes do not answer, the rest of the zone waits for the next attempt unasked."""
        silent: set[str] = set()
        retry_s = max(self.node.settings.host_refresh_backoff_s, REFRESH_CHECK_S)
        for wanted in self.cache.due(self.node.ports.now()):
            machine = self.node.machine(wanted.machine)
            if machine is None:
                self.cache.drop(wanted)
                continue
            if machine.zone not in silent:
                asked = await self._ask(machine, wanted)
                if asked.credentials is not None:
                    continue
                assert asked.failure is not None
                if not asked.failure.is_outage:
                    self.cache.drop(wanted)
                    continue
                silent.add(machine.zone)
            self.cache.postpone(wanted, self.node.ports.now() + retry_s)


def _wanted(instance: Instance, machine: Machine, service: str) -> InstanceCredentialsRequest:
    return InstanceCredentialsRequest(machine.address, instance.role, instance.instance_id, service)


def annex_of(node: Host) -> HostAnnex:
    """AWS's part of a host that has one."""
    annex = node.annexes[VENDOR]
    assert isinstance(annex, HostAnnex), annex
    return annex
