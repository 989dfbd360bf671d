"""The directory: the control plane in the home region. It knows every identity, keeps the secrets, and publishes.

A whole snapshot goes to every region at a constant rate, whether or not anything changed, so that a busy day and a quiet
one load the data plane alike; a node that did not take it is asked again sooner. The key manager lives here: `switch-keys`
makes a region's store key a managed one and rolls it at once; with the readiness gate on it first asks every node that
reads that store whether it could follow (claim C25).

A directory whose disk was lost begins again, a stranger to its replicas (identity.core.replica). So it notices, and learns
from the newest of them what was published: identities, deletions, the keys that tokens are signed with. Switches held on it
are lost. The other way round, it gives an identity to a store that has lost its own (`POST /principals/ID/restore`).
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from brownout.identity.core.keys import MANAGED
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import PASSIVE, Node, Refused, Switch, Unreachable, Value, error, nothing_to_undo
from brownout.identity.core.ports import Ports
from brownout.identity.core.settings import BUILDS
from brownout.identity.core.topology import DIRECTORY, MANAGEMENT, TOKEN, VAULT, NodeName, NodeSpec

USER_TOKEN_AUDIENCE = "https://management.azure.com"
VERSIONS_AHEAD = 1000  # versions are reserved durably in blocks, so that a new life never gives one out again


class Directory(Node):
    """The one directory of a stack."""

    role = DIRECTORY

    def __init__(self, spec: NodeSpec, ports: Ports) -> None:
        super().__init__(spec, ports)
        self.version = 1
        self._reserved = 0
        self.identities: dict[str, dict[str, Any]] = {}
        self.signing: dict[str, str] = {}
        self.lines: list[str] = []
        self._learned: Mapping[str, Any] = {}  # from a replica, after the disk was lost
        self._is_learning = False
        self.switches = {
            "switch-keys": Switch(self._switch_keys, self._switch_back),
            "pause-replication": Switch(self._pause, nothing_to_undo),
            "push-keys": Switch(self._push_keys, nothing_to_undo),
            "freeze": PASSIVE,
        }

    async def start(self) -> None:
        await super().start()
        seeded = {spec.object_id: asdict(spec) | {"deleted": False, "version": 1} for spec in self.stack.identities}
        self.identities = {**seeded, **self._learned.get("identities", {}), **self.identities}
        self.version = max(self.version, self._reserved)
        await self._reserve()
        if not self.lines:
            await self._go_back_to([self.ports.new_id()])
        if not self.signing:
            key_id = f"signing-{self.ports.new_id()[:8]}"  # a name that no other life of ours gives to another key
            await self._sign_with({"key_id": key_id, "private": self.ports.signer.generate(key_id)})
        current = {self.signing["key_id"]: self.ports.signer.public(self.signing["key_id"], self.signing["private"])}
        self.key_set = {**self._learned.get("key_set", {}), **current}

    async def _go_back_to(self, lines: list[str]) -> None:
        self.lines = lines
        await self.ports.persist("lines:", {"known": lines})

    async def _sign_with(self, signing: Mapping[str, str]) -> None:
        self.signing = dict(signing)
        await self.ports.persist("signing:current", self.signing)

    def take_up(self, kind: str, name: str, record: Value) -> None:
        if kind == "identity":
            self.identities[name] = dict(record)
        elif kind == "lines":
            self.lines = [str(line) for line in record["known"]]
        elif kind == "learned":
            self._learned = record
        elif kind == "signing":
            self.signing = {str(key): str(value) for key, value in record.items()}
        elif kind == "versions":
            self._reserved = int(record["reserved"])

    @property
    def managed_keys(self) -> dict[str, dict[str, Any]]:
        """Per region the key that nodes should use: that of its newest switch that is still held."""
        switched = (value for value in self.held("switch-keys") if "key_id" in value)
        return {
            value["region"]: {name: value[name] for name in ("region", "key_id", "secret")} | {"kind": MANAGED}
            for value in switched
        }

    async def _reserve(self) -> None:
        """Makes sure that the next versions are ours, before any of them is given out."""
        if self.version + VERSIONS_AHEAD // 2 > self._reserved:
            self._reserved = self.version + VERSIONS_AHEAD
            await self.ports.persist("versions:", {"reserved": self._reserved})

    def state(self) -> Value:
        return {
            "version": self.version,
            "identities": sum(1 for known in self.identities.values() if not known["deleted"]),
            "managed_keys": {region: key["key_id"] for region, key in self.managed_keys.items()},
            "signing_key_id": self.signing.get("key_id", ""),
        }

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return tuple(self._publish_for_ever(node) for node in self._readers())

    async def _publish_for_ever(self, node: str) -> None:
        """One node's own round, so that a node that hangs delays nobody else's."""
        interval_s = self.settings.publish_interval_s
        soon_s = min(interval_s, max(1.0, interval_s / 20))
        while True:
            taken = (await self.publish((node,))).get(node, True)
            await self.ports.sleep(interval_s if taken else soon_s)

    def _readers(self) -> tuple[str, ...]:
        wanted = (TOKEN, MANAGEMENT, VAULT)
        return tuple(name for name in self.stack.nodes() if NodeName.parse(name).role in wanted)

    def _paused(self) -> frozenset[str]:
        return frozenset(region for value in self.held("pause-replication") for region in value["regions"])

    async def publish(self, nodes: Iterable[str]) -> dict[str, bool]:
        """Sends the snapshot to each node whose region is not paused; which of them took it."""
        paused = self._paused()
        taken = {}
        for node in nodes:
            parsed = NodeName.parse(node)
            if parsed.region not in paused:
                taken[node] = await self._publish_to(node, parsed.role)
        return taken

    async def _publish_to(self, node: str, role: str) -> bool:
        answer = await self._ask(node, self.internal("PUT", "/snapshot", self.snapshot(role)))
        if answer is None or not answer.ok:
            return False  # the next round tries again; a replica that lags is seen by its version
        if (answer.body or {}).get("stranger") and not self._is_learning:
            await self._learn()
        return True

    async def _ask(self, node: str, request: Request) -> Response | None:
        try:
            return await self.ports.call(node, request, timeout_s=self.settings.call_timeout_ms / 1000)
        except CallFailed:
            return None

    async def _learn(self) -> None:
        """Takes over what we had published before we lost our disk, from the newest replica that does not know us."""
        self._is_learning = True
        try:
            answers = [await self._ask(node, self.internal("GET", "/snapshot")) for node in self._readers()]
            found = [answer.body for answer in answers if answer is not None and answer.ok and answer.body]
            lost = [each for each in found if each["lines"] and not any(line in self.lines for line in each["lines"])]
            if lost:
                await self._take_over(sorted(lost, key=lambda each: int(each["version"])))
        finally:
            self._is_learning = False
        await self._publish_now()

    async def _take_over(self, lost: list[Mapping[str, Any]]) -> None:
        """Goes on from the last of these snapshots, well ahead of replicas that did not answer.

        What we were told since our start is newer. Our own key stays good, for tokens may have been signed with it meanwhile.
        """
        newest = lost[-1]
        self.key_set = {**newest["key_set"], **self.key_set}
        self._learned = {"identities": newest["identities"], "key_set": self.key_set}
        await self.ports.persist("learned:", self._learned)
        told = {name: known for name, known in self.identities.items() if int(known["version"]) > 1}
        self.identities = {**self.identities, **newest["identities"], **told}
        self.version = max(self.version, int(newest["version"])) + VERSIONS_AHEAD
        await self._reserve()
        await self._go_back_to([*self.lines, *newest["lines"]])
        signings = [each["signing"] for each in lost if each.get("signing")]
        if signings:
            await self._sign_with(signings[-1])

    def snapshot(self, role: str) -> dict[str, Any]:
        """What a role is sent: everybody the identities and public keys, token nodes the signing key, readers store keys.

        A snapshot never changes after it was made: whatever changes here is a new object.
        """
        common: dict[str, Any] = {"version": self.version, "identities": self.identities, "key_set": self.key_set}
        common["lines"] = self.lines
        if role == TOKEN:
            common["signing"] = self.signing
        if role in (TOKEN, MANAGEMENT):
            common["store_keys"] = self.managed_keys
        return common

    async def serve(self, request: Request) -> Response:
        if not self.is_internal(request):
            return error(401, "Unauthorized", "the directory answers this stack's nodes only")
        if request.path == "/snapshot/keys":
            return Response(200, {"store_keys": self.managed_keys, "version": self.version})
        if request.path == "/resources" and request.method == "GET":
            return self._by_resource(request.query.get("id", "").lower())
        if request.path.startswith("/principals/") and request.path.endswith("/restore"):
            return await self._restore(request.path.split("/")[2])
        if request.path.startswith("/principals/"):
            return await self._principal(request, request.path.removeprefix("/principals/"))
        return error(404, "NotFound", request.path)

    def _by_resource(self, resource_id: str) -> Response:
        for known in self.identities.values():
            if known["resource_id"].lower() == resource_id and not known["deleted"]:
                return Response(200, known)
        return error(404, "ResourceNotFound", resource_id)

    async def _principal(self, request: Request, object_id: str) -> Response:
        known = self.identities.get(object_id, {})
        if request.method == "PUT":
            return await self._save(object_id, {**known, **(request.body or {}), "deleted": False})
        if request.method == "DELETE" and known:
            return await self._save(object_id, {**known, "deleted": True})
        return Response(204)

    async def _restore(self, object_id: str) -> Response:
        """Gives an identity to its home store, which has lost it; 201 when the store took it."""
        known = self.identities.get(object_id)
        if known is None or known["deleted"]:
            return error(404, "ResourceNotFound", object_id)
        record = {key: value for key, value in known.items() if key not in ("deleted", "version")}
        request = self.internal("PUT", f"/admin/records/{object_id}", record)
        answer = await self._ask(f"{known['home_region']}.store", request)
        if answer is None:
            return error(502, "Unreachable", "the store did not answer")
        return Response(answer.status, answer.body)  # its headers were for one journey

    async def _save(self, object_id: str, record: dict[str, Any]) -> Response:
        await self._reserve()
        await self.ports.persist(f"identity:{object_id}", {**record, "version": self.version + 1})
        self.version += 1
        made = {**record, "version": self.version}
        self.identities = {**self.identities, object_id: made}
        return Response(200, made)

    async def control(self, request: Request) -> Response:
        if request.path == "/admin/user-token" and request.method == "POST":
            return Response(200, {"access_token": self._user_token(float((request.body or {}).get("lifetime_s", 3600)))})
        return await super().control(request)

    def _user_token(self, lifetime_s: float) -> str:
        """A token of the stack's operator for ARM (people do not sign in through managed identities)."""
        now = int(self.ports.now())
        made = {
            "aud": USER_TOKEN_AUDIENCE,
            "iss": f"https://sts.windows.net/{self.stack.tenant_id}/",
            "iat": now,
            "nbf": now - 300,
            "exp": now + int(lifetime_s),
            "oid": "operator",
            "tid": self.stack.tenant_id,
        }
        return self.ports.signer.sign(self.signing["key_id"], self.signing["private"], made)

    async def _switch_keys(self, fault_id: str, value: Value) -> Value:
        region = self._known_region(value)
        if self.held("freeze"):
            raise Refused("all changes are frozen")
        if self.settings.readiness_gate:
            await self._require_readiness(region)
        secret = self.ports.new_id()
        roll = {"secret": secret, "overlap_s": value.get("overlap_s", self.settings.key_overlap_s)}
        answer = await self._tell_store(
            region, self.internal("PUT", f"/admin/holds/{fault_id}", {"switch": "roll-key", "value": roll})
        )
        key_id = str(answer["hold"]["value"]["made"])
        await self.decide(fault_id, key_id=key_id, secret=secret)
        return {"key_id": key_id, "published": await self._publish_now()}

    async def _publish_now(self) -> dict[str, bool]:
        """A change of keys is a change of the snapshot, so it gets a version of its own; which nodes took it."""
        await self._reserve()
        self.version += 1
        return await self.publish(self._readers())

    async def _switch_back(self, fault_id: str, value: Value) -> None:
        region = self._known_region(value)
        await self._tell_store(region, self.internal("DELETE", f"/admin/holds/{fault_id}"))
        await self._publish_now()

    async def _tell_store(self, region: str, request: Request) -> Value:
        try:
            answer = await self.ports.call(f"{region}.store", request, timeout_s=self.settings.call_timeout_ms / 1000)
        except CallFailed as failed:
            raise Unreachable(f"the store of {region} did not answer: {failed.failure}") from failed
        if answer.status >= 500:
            raise Unreachable(f"the store of {region} answered {answer.status}: {answer.body}")
        if not answer.ok:
            raise ValueError(f"the store of {region} answered {answer.status}: {answer.body}")
        return answer.body or {}

    def _known_region(self, value: Value) -> str:
        region = str(value["region"])
        if region not in self.stack.regions:
            raise ValueError(f"no region {region!r}")
        return region

    async def _require_readiness(self, region: str) -> None:
        """Raises Refused unless every node that reads the region's store could use a managed key."""
        unready: dict[str, str] = {}
        for node in self._readers():
            parsed = NodeName.parse(node)
            if parsed.role != VAULT:
                why = await self._unready(node)
                if why:
                    unready.setdefault(parsed.region, why)
        if unready:
            listed = "; ".join(f"{name}: {why}" for name, why in sorted(unready.items()))
            raise Refused(f"the store key of {region} must not roll over yet, regions are not ready ({listed})")

    async def _unready(self, node: str) -> str:
        try:
            answer = await self.ports.call(node, self.internal("GET", "/admin/state"), timeout_s=1.0)
        except CallFailed as failed:
            return f"{node} did not answer ({failed.failure})"
        state: Mapping[str, Any] = answer.body or {}
        build = BUILDS[str(state["build"])]
        forced = bool(state["config"].get("force_managed_key")) and build.accepts_managed_key
        return "" if build.uses_managed_keys or forced else f"{node} runs build {state['build']}, manual key"

    async def _push_keys(self, fault_id: str, value: Value) -> Value:
        self._known_region(value)
        return {"published": await self._publish_now()}

    async def _pause(self, fault_id: str, value: Value) -> Value:
        """The publisher looks at the holds; here only what could not be meant is refused."""
        regions = value["regions"]
        if not isinstance(regions, list | tuple):
            raise ValueError(f"regions is a list of names, not {regions!r}")
        return {"regions": [self._known_region({"region": region}) for region in regions]}
