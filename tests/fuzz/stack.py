"""One simulated stack with both vendors, and requests that each of its roles knows, for the fuzzing of their surfaces."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.protocol.services import VERSIONS, service
from brownout.identity.azure.arm.routes import ROUTES
from brownout.identity.azure.blobs.surface import OPERATIONS as BLOBS
from brownout.identity.azure.entra.applications import seeded_application, seeded_secret
from brownout.identity.azure.hosts.endpoint import KINDS
from brownout.identity.azure.vault.operations import OPERATIONS as SECRETS
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node
from brownout.identity.core.topology import CONTROL_PATH, EDGE_NODE
from fuzz.shaken import Sample
from fuzz.values import ARM_BODY, RECORD, SECRET, SWITCH, fields_of, json_of

EPOCH_S = 1_735_689_600.0  # 2025-01-01T00:00:00Z
MACHINES: Mapping[str, Mapping[str, Any]] = {
    "web": {"region": "sydney", "identities": ["app-id"]},
    "canary": {"region": "sydney"},
    "south": {"region": "melbourne"},
}
TOKEN, HOST, VAULT, MANAGEMENT, DIRECTORY = (
    f"sydney.{role}" for role in ("token.z1", "host", "vault", "management", "directory")
)


class FuzzedStack:
    """A stack that is up, with what its clients sign in with."""

    def __init__(self) -> None:
        spec = replace(build_stack(seed=3, machines=MACHINES, vendors=("aws", "azure")), edge=True)
        self.spec, self.world = spec, SimulationWorld(spec, epoch_s=EPOCH_S)
        self.world.run(self.world.start())
        self.signed_in = self.world.run(sign_in(self.world, endpoints=KINDS))

    def close(self) -> None:
        self.world.kernel.close()

    def node(self, name: str) -> Node:
        found = self.world._nodes[name].node
        assert found is not None, f"{name} is down"
        return found

    def ask(self, name: str, request: Request) -> Response:
        """The node's own answer; raises what the node raises."""
        return self.world.run(self.node(name).handle(request))

    def settle(self) -> None:
        """Lets the time pass that tokens and changes need."""
        self.world.run(self.world.sleep_until(self.world.now() + 1))

    def canaries(self) -> tuple[Sample, ...]:
        """Requests that each role answers alike for as long as it is well, of names that no sample has."""
        machine, keys = self._machine_token("canary"), f"/{self.spec.tenant_id}/discovery/v2.0/keys"
        health = [Sample(name, "GET", f"{CONTROL_PATH}/healthz") for name in self.spec.nodes()]
        return (*health, machine, Sample(TOKEN, "GET", keys), next(self._queries("sts", "GetCallerIdentity", TOKEN, "caller")))

    def samples(self, surface: str) -> tuple[Sample, ...]:
        """What is shaken for a surface: one of SURFACES."""
        return tuple(SURFACES[surface](self))

    def _machine_token(self, machine: str) -> Sample:
        query = (("api-version", "2018-02-01"), ("resource", "https://vault.azure.net"))
        return Sample(HOST, "GET", f"/{machine}/metadata/identity/oauth2/token", query, {"metadata": b"true"})

    def hosts(self) -> Iterator[Sample]:
        """Every token endpoint of a machine, the rest of IMDS, and AWS's of the same machine."""
        yield self._machine_token("web")
        surface: Any = next(each for each in self.node(HOST).surfaces if hasattr(each, "_endpoints"))
        query = (("api-version", "2019-08-01"), ("resource", "https://vault.azure.net"), ("client_id", "x"))
        headers = {"metadata": b"true", "x-identity-header": b"x", "secret": b"x", "authorization": b"Basic /x"}
        for path in surface._endpoints:
            yield Sample(HOST, "GET", f"/web/{path}", query, headers)
            yield Sample(HOST, "POST", f"/web/{path}", (), headers, [("resource", "https://vault.azure.net")], is_form=True)
        for path in ("metadata/instance", "metadata/versions", "metadata/identity/info", "pod/identity", "metadata"):
            yield Sample(HOST, "GET", f"/web/{path}", (("api-version", "2021-02-01"),), {"metadata": b"true"})
        lasts = {"x-aws-ec2-metadata-token-ttl-seconds": b"60"}
        yield Sample(HOST, "PUT", "/web/latest/api/token", headers=lasts)
        session = self.ask(HOST, Sample(HOST, "PUT", "/web/latest/api/token", headers=lasts).request()).payload
        for path in ("", "/meta-data/iam/security-credentials/", "/meta-data/iam/info", "/dynamic/instance-identity/document"):
            yield Sample(HOST, "GET", f"/web/latest{path}", headers={"x-aws-ec2-metadata-token": session})
        for path in ("v2/credentials/x", "v1/credentials", "v2/metadata"):
            yield Sample(HOST, "GET", f"/web/{path}", headers={"authorization": b"x"})

    def entra(self) -> Iterator[Sample]:
        """Grants at the token endpoint, and the pages beside it."""
        application = seeded_application(self.spec)
        known = [("client_id", application.client_id), ("client_secret", seeded_secret(self.spec))]
        tenant = self.spec.tenant_id
        scope = [("grant_type", "client_credentials"), ("scope", "https://vault.azure.net/.default")]
        head, claims = {"alg": "RS256", "kid": "x", "x5t": "x"}, {"iss": "a", "sub": "a", "aud": "b", "exp": 2e9, "nbf": 1}
        jwt = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, claims, {}))
        assertion = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", jwt),
        ]
        for version in ("v2.0/token", "token"):
            path = f"/{tenant}/oauth2/{version}"
            yield Sample(TOKEN, "POST", path, payload=[*known, *scope], is_form=True)
            yield Sample(TOKEN, "POST", path, payload=[*known[:1], *assertion, *scope], is_form=True)
            yield Sample(
                TOKEN, "POST", path, payload=[*known, ("grant_type", "refresh_token"), ("resource", "x")], is_form=True
            )
        for path in (
            f"/{tenant}/v2.0/.well-known/openid-configuration",
            f"/{tenant}/discovery/v2.0/keys",
            "/common/discovery/instance",
        ):
            yield Sample(TOKEN, "GET", path, (("api-version", "1.1"), ("authorization_endpoint", "https://x/y")))
        for path in ("/console", "/federation", "/logout", "/saml"):
            yield Sample(
                TOKEN,
                "POST",
                path,
                (("Action", "getSigninToken"), ("Session", "{}")),
                {"host": b"signin.aws.amazon.com"},
                [
                    ("action", "iam-user-authentication"),
                    ("account", self.spec.seed and "123456789012"),
                    ("username", "admin"),
                    ("password", "x"),
                    ("SAMLResponse", "PHNhbWxwOlJlc3BvbnNlLz4="),
                    ("mfa", "000000"),
                    ("client_id", "arn"),
                    ("redirect_uri", "https://x"),
                ],
                is_form=True,
            )

    def arm(self) -> Iterator[Sample]:
        """Every route with each of its verbs, by an operator."""
        bearer = {"authorization": f"Bearer {self.signed_in.user_token}".encode()}
        subscription = self.spec.subscription_id
        names = {
            "subscription": subscription,
            "group": "load",
            "scope": f"subscriptions/{subscription}",
            "location": "australiaeast",
        }
        group = f"/subscriptions/{subscription}/resourceGroups/load"
        identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app-id"
        for route in ROUTES:
            words = (names.get(word.strip("{}"), "web") if word.startswith("{") else word for word in route.segments)
            path = "/" + "/".join(words)
            for verb in (*route.verbs, "POST"):
                payload = ARM_BODY | {
                    "identity": {"type": "SystemAssigned, UserAssigned", "userAssignedIdentities": {identity: {}}}
                }
                sent = payload if verb in ("PUT", "PATCH", "POST") else b""
                yield Sample(MANAGEMENT, verb, path, (("api-version", route.api_versions[-1]),), bearer, sent)

    def vault(self) -> Iterator[Sample]:
        """Every operation on secrets and blobs, by a machine that may."""
        for words, verbs in SECRETS.items():
            path = "/" + "/".join("sample" if word == "*" else word for word in words if word != "@")
            for verb in verbs:
                body: Any = SECRET if verb in ("PUT", "PATCH", "POST") else b""
                yield Sample(VAULT, verb, path, (("api-version", "7.6"),), self._bearer("https://vault.azure.net"), body)
        headers = {**self._bearer("https://storage.azure.com"), "x-ms-version": b"2021-12-02", "x-ms-blob-type": b"BlockBlob"}
        levels = {"service": "/", "container": "/box", "blob": "/box/file"}
        for level, verb, comp in BLOBS:
            pairs = [("restype", "container")] if level == "container" else []
            pairs += [("comp", comp)] if comp else []
            more = [("blockid", "AAAA")] if comp == "block" else []
            content = b"<BlockList><Latest>AAAA</Latest></BlockList>" if comp == "blocklist" and verb == "PUT" else b"x" * 40
            yield Sample(VAULT, verb, levels[level], (*pairs, *more), headers, content if verb == "PUT" else b"")

    def _bearer(self, resource: str) -> Mapping[str, bytes]:
        asked = self._machine_token("web")
        answer = self.ask(
            HOST, Sample(HOST, "GET", asked.path, (asked.query[0], ("resource", resource)), asked.headers).request()
        )
        return {"authorization": f"Bearer {(answer.body or {}).get('access_token', '')}".encode()}

    def sts(self) -> Iterator[Sample]:
        for name in service("sts").operation_names:
            yield from self._queries("sts", name, TOKEN)

    def iam(self) -> Iterator[Sample]:
        for name in service("iam").operation_names:
            yield from self._queries("iam", name, MANAGEMENT)

    def cloudformation(self) -> Iterator[Sample]:
        for name in service("cloudformation").operation_names:
            yield from self._queries("cloudformation", name, MANAGEMENT)

    def secrets(self) -> Iterator[Sample]:
        known = service("secretsmanager")
        for name in known.operation_names:
            operation = known.operation(name)
            assert operation is not None, "the model has each of its operations"
            headers = {"x-amz-target": f"{known.target_prefix}.{name}".encode(), "content-type": b"application/x-amz-json-1.1"}
            body = json_of(operation.input) if operation.input else {}
            yield Sample(VAULT, "POST", "/", (), headers, body, sign=self._signer("secretsmanager", "ap-southeast-2"))

    def _queries(self, name: str, action: str, node: str, user: str = "admin") -> Iterator[Sample]:
        operation = service(name).operation(action)
        assert operation is not None, "the model has each of its operations"
        fields = [("Action", action), ("Version", VERSIONS[name])]
        fields += list(fields_of(operation.input, "")) if operation.input else []
        region = "us-east-1" if name == "iam" else "ap-southeast-2"
        yield Sample(node, "POST", "/", payload=fields, is_form=True, sign=self._signer(name, region, user))

    def _signer(self, name: str, region: str, user: str = "admin") -> Callable[[Request], Request]:
        return partial(self._sign, user, name, region)

    def _key(self, user: str) -> Credentials:
        found: Credentials = self.signed_in.access_keys[user]
        return found

    def _sign(self, user: str, name: str, region: str, request: Request) -> Request:
        """Signed over what it is, unless it says already who signed it."""
        if "authorization" in request.headers:
            return request
        host = f"{name}.amazonaws.com" if name == "iam" else f"{name}.{region}.amazonaws.com"
        try:
            return sign(request, self._key(user), service=name, region=region, now_s=self.world.now(), host=host)
        except (KeyError, ValueError):  # no SDK would send it so: it goes out without a signature
            return request

    def control(self) -> Iterator[Sample]:
        """The control plane of every role: pages of the stack's own, switches, and the vendors' parts."""
        token = {"authorization": f"Bearer {self.spec.control_token}".encode()}
        for name in self.spec.nodes():
            node = self.node(name)
            pages = [
                "healthz",
                "admin/state",
                "admin/build",
                "admin/config",
                *node.pages,
                *node.annexes,
                *(f"admin/{one}" for one in node.annexes),
            ]
            for page in pages:
                for verb in ("GET", "PUT", "POST", "DELETE"):
                    yield Sample(name, verb, f"{CONTROL_PATH}/{page}", (), token, RECORD if verb != "GET" else b"")
            for switch in node.holds.switches:
                yield Sample(name, "PUT", f"{CONTROL_PATH}/admin/holds/f1", (), token, {"switch": switch, "value": SWITCH})

    def editions(self) -> Iterator[Sample]:
        """What the directory has published, to each node that keeps a replica, as a newer edition and as the same one."""
        token = {"authorization": f"Bearer {self.spec.control_token}".encode()}
        for name in self.spec.nodes():
            path = f"{CONTROL_PATH}/snapshot"
            if "snapshot" not in self.node(name).pages or name == DIRECTORY:
                continue
            held = self.ask(name, Request("GET", path, headers={"authorization": token["authorization"].decode()})).body
            assert held is not None, "a replica is shown"
            yield Sample(name, "PUT", path, (), token, {**held, "version": int(held["version"]) + 1})
            yield Sample(name, "PUT", path, (), token, dict(held))

    def names(self) -> Iterator[Sample]:
        """Requests by name at the edge's own port, from clients of both regions, with a cache of their own and without."""
        for name in ("sts.amazonaws.com", "sts.ap-southeast-2.amazonaws.com", "login.microsoftonline.com", "nowhere.example"):
            for region in self.spec.regions:
                headers = {"host": name.encode(), "x-brownout-client-region": region.encode()}
                cache = {"x-brownout-client-name-cache": b"c1"}
                yield Sample(EDGE_NODE, "GET", "/", (("Action", "GetCallerIdentity"),), headers)
                yield Sample(EDGE_NODE, "GET", "/", (), headers | cache)

    def strangers(self) -> Iterator[Sample]:
        """The same without the token: none of it may do anything."""
        for sample in self.control():
            yield Sample(sample.node, sample.method, sample.path, sample.query, {"authorization": b"Bearer x"}, sample.payload)


SURFACES: Mapping[str, Callable[[FuzzedStack], Iterator[Sample]]] = {
    "hosts": FuzzedStack.hosts,
    "entra": FuzzedStack.entra,
    "arm": FuzzedStack.arm,
    "vault": FuzzedStack.vault,
    "sts": FuzzedStack.sts,
    "iam": FuzzedStack.iam,
    "cloudformation": FuzzedStack.cloudformation,
    "secrets": FuzzedStack.secrets,
    "control": FuzzedStack.control,
    "editions": FuzzedStack.editions,
    "names": FuzzedStack.names,
    "strangers": FuzzedStack.strangers,
}
