"""What token and management nodes share: a build, a replica, and a store client that follows both."""

from __future__ import annotations

from typing import ClassVar

from brownout.identity.core import trail
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.ports import Ports
from brownout.identity.core.records import Json, keys_from_json
from brownout.identity.core.replication.replica import Replica
from brownout.identity.core.store_client import StoreClient
from brownout.identity.core.surface import Failure, Served, error
from brownout.identity.core.topology import DIRECTORY, NodeSpec
from brownout.identity.core.trail import Hop


def object_id_of(request: Request) -> str:
    """The identity that a request to a store (`/identities/ID...`) is about."""
    return (*request.path.split("/"), "", "")[2]


def failure_of_store(response: Response) -> Failure:
    """What a store's answer that is no success means for an identity that exists."""
    told = Failure.from_response(response)
    return (
        told if told.code == "overloaded" else Failure("unavailable", str((response.body or {}).get("error", response.status)))
    )


class Reader(Node):
    """A node that signs requests to stores."""

    takes_builds = True
    pages: ClassVar[tuple[str, ...]] = ("snapshot",)

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.ready = False
        self.replica = Replica()
        self.store = StoreClient(self.stack, ports, timeout_s=self.call_timeout_s)

    @property
    def forced(self) -> bool:
        return bool(self.config.get("force_managed_key"))

    def state(self) -> Json:
        keys = self.store.report(self.features, forced=self.forced)
        return {"store_keys": keys, "config": self.config, **self.holdings()}

    def holdings(self) -> Json:
        return {"replica_version": self.replica.version}

    def take_up(self, kind: str, name: str, record: Json) -> None:
        if kind == "replica":
            self.replica.take(record)
            self._follow()

    async def serve(self, request: Request, path: str) -> Served | None:
        if path == "/snapshot" and request.method in ("GET", "PUT"):
            response = await self.replica.serve(request, self.ports)
            self._follow()
            served = Served(response)
            if self.replica.came_in(request):
                self.ready_answers.repeat(request, served)
            return served
        return None

    def _follow(self) -> None:
        self.store.learn(self.replica.snapshot.store_keys or {}, self.replica.version)
        ready = self.replica.version > 0
        assert ready or not self.ready, "a node that has a replica does not lose it"
        self.ready = ready

    async def ask_store(self, region: str, request: Request) -> Served:
        """The store's answer, with our hop (it names the key that was used) and the store's own trail.

        An answer that did not come is one of status 504 (`timeout`) or 502 with the failure as its code. A store that has
        no identity of that id, when this node knows one, has lost it with its disk: the directory gives it back, and the
        store is asked again.
        """
        answered = await self._ask_store(region, request)
        object_id = object_id_of(request)
        if answered.response.status == 404 and self.knows(object_id) and await self._is_restored(object_id):
            return await self._ask_store(region, request)
        return answered

    def knows(self, object_id: str) -> bool:
        """True when the identity exists as far as this node knows."""
        return self.replica.has(object_id)

    async def _is_restored(self, object_id: str) -> bool:
        """Has the directory give the identity back to its store; False when there was nothing to restore."""
        return (await self.ask_directory(self.internal("POST", f"/principals/{object_id}/restore"))).ok

    async def ask_directory(self, request: Request) -> Response:
        """The directory's answer; 502 with the failure's name when there is none."""
        directory = f"{self.stack.home_region}.{DIRECTORY}"
        try:
            return await self.ports.call(directory, request, timeout_s=self.call_timeout_s)
        except CallFailed as failed:
            return error(502, failed.failure, str(failed))

    async def _ask_store(self, region: str, request: Request) -> Served:
        try:
            response, key = await self.store.send(region, request, self.features, forced=self.forced, renew=self._renew_keys)
        except CallFailed as failed:
            return Served(error(504 if failed.failure == "timeout" else 502, failed.failure, str(failed)), self.hop())
        return Served(response, Hop(self.name, self.build, key.key_id, key.kind), trail.of(response))

    async def _renew_keys(self) -> None:
        """Asks the directory for newer keys; when it has none, the store's refusal is the answer."""
        answer = await self.ask_directory(self.internal("GET", "/snapshot/keys"))
        if answer.ok and answer.body is not None:
            self.store.learn(keys_from_json(answer.body["store_keys"]), int(answer.body["version"]))
            self.ready_answers.repeat_nothing()  # the next publication says which keys count
