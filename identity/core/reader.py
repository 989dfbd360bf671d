"""What token and management nodes share: a build, a replica, and a store client that follows both."""

from __future__ import annotations

from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import Node, Value, error
from brownout.identity.core.ports import Ports
from brownout.identity.core.replica import Replica
from brownout.identity.core.store_client import StoreClient
from brownout.identity.core.topology import DIRECTORY, NodeSpec
from brownout.identity.core.trail import Hop, of


class Reader(Node):
    """A node that signs requests to stores."""

    takes_builds = True

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.ready = False
        self.replica = Replica()
        self.store = StoreClient(self.stack, ports, timeout_ms=self.settings.call_timeout_ms)

    @property
    def forced(self) -> bool:
        return bool(self.config.get("force_managed_key"))

    def state(self) -> Value:
        keys = self.store.report(self.features, forced=self.forced)
        return {"store_keys": keys, "config": self.config, "replica_version": self.replica.version}

    def take_up(self, kind: str, name: str, record: Value) -> None:
        if kind == "replica":
            self.replica.take(record)
            self._follow()

    async def take_snapshot(self, request: Request) -> Response:
        """The answer to the directory's `/snapshot`."""
        response = await self.replica.serve(request, self.ports)
        self._follow()
        return response

    def _follow(self) -> None:
        self.store.learn(self.replica.store_keys, self.replica.version)
        self.ready = self.replica.version > 0

    async def ask_store(self, region: str, request: Request) -> tuple[Response, Hop, str]:
        """The store's answer, our hop for the trail (with the key that was used) and the store's own trail.

        An answer that did not come is one of status 504 (`timeout`) or 502 with the failure as its code. A store that does
        not have an identity which we know has lost it with its disk: it is given it again and asked again.
        """
        answered = await self._ask_store(region, request)
        object_id = (*request.path.split("/"), "", "")[2]
        if answered[0].status == 404 and self.knows(object_id) and await self._is_restored(object_id):
            return await self._ask_store(region, request)
        return answered

    def knows(self, object_id: str) -> bool:
        """True when the identity exists as far as this node was told."""
        return self.replica.has(object_id)

    async def _is_restored(self, object_id: str) -> bool:
        """Has the directory give the identity to its store again; False when there was nothing to restore."""
        return (await self.tell_directory(self.internal("POST", f"/principals/{object_id}/restore"))).ok

    async def tell_directory(self, request: Request) -> Response:
        """The directory's answer; 502 with the failure's name when there is none."""
        directory = f"{self.stack.home_region}.{DIRECTORY}"
        try:
            return await self.ports.call(directory, request, timeout_s=self.settings.call_timeout_ms / 1000)
        except CallFailed as failed:
            return error(502, failed.failure, str(failed))

    async def _ask_store(self, region: str, request: Request) -> tuple[Response, Hop, str]:
        try:
            response, key = await self.store.send(region, request, self.features, forced=self.forced, renew=self._renew_keys)
        except CallFailed as failed:
            status = 504 if failed.failure == "timeout" else 502
            return Response(status, {"error": {"code": failed.failure, "message": str(failed)}}), self.hop(), ""
        return response, Hop(self.name, self.build, key.key_id, key.kind), of(response)

    async def _renew_keys(self) -> None:
        answer = await self.tell_directory(self.internal("GET", "/snapshot/keys"))
        if answer.ok and answer.body is not None:  # else the keys that we have stay, and the store's refusal is the answer
            self.store.learn(answer.body["store_keys"], int(answer.body["version"]))
