"""The cluster of each region, as an issuer of service account tokens: what pods of AKS show to Entra in place of a secret.

Such a token is signed with the key that the directory publishes, like all tokens of the stack, so the regions' token nodes make
and judge them alone. A cluster's public pages are those that verifiers outside would ask for.
Wire facts: docs/reference/azure-wire.md#workload-identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from brownout.identity.azure.service_accounts import NAMESPACE, cluster_issuer, subject_of
from brownout.identity.core.annex import Annex
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import read_as
from brownout.identity.core.nodes.token import UNREADY, TokenNode
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import REGIONS

VENDOR = "azure"
PAGE = "/service-account-tokens"


@dataclass(frozen=True, slots=True)
class ServiceAccountRequest:
    """What a node of a cluster asks its control plane for: a token of one service account, for one audience."""

    name: str
    audience: str
    lifetime_s: float

    @property
    def subject(self) -> str:
        return subject_of(self.name)

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "audience": self.audience, "lifetime_s": self.lifetime_s}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(str(raw["name"]), str(raw["audience"]), float(raw["lifetime_s"]))


class ClusterAnnex(Annex):
    """The control plane of the region's cluster, on each of its token nodes. It keeps nothing: its tokens outlive it."""

    vendor = VENDOR

    def __init__(self, node: TokenNode) -> None:
        self._node = node
        self._issuer = cluster_issuer(node.stack, node.region)

    def state(self) -> Json:
        return {"issuer": self._issuer}

    async def serve(self, request: Request, path: str) -> Served | None:
        if path != PAGE or request.method != "POST":
            return None
        if not self._node.ready:
            return Served(UNREADY.to_response(), self._node.hop())
        wanted = read_as(ServiceAccountRequest.from_json, request)
        return Served(Response(200, {"token": self._sign(wanted)}), self._node.hop())

    def _sign(self, wanted: ServiceAccountRequest) -> str:
        issued = int(self._node.ports.now())
        claims = {
            "aud": [wanted.audience],
            "exp": issued + int(wanted.lifetime_s),
            "iat": issued,
            "iss": self._issuer,
            "jti": self._node.ports.new_id(),
            "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": {"name": wanted.name}},
            "nbf": issued,
            "sub": wanted.subject,
        }
        signing = self._node.replica.signing
        return self._node.ports.signer.sign(signing.key_id, signing.private, claims)


class ClusterPages:
    """The public pages of the region's cluster as an issuer: its discovery document and its keys, below the issuer's path."""

    def __init__(self, node: TokenNode) -> None:
        self._node = node
        self._issuer = cluster_issuer(node.stack, node.region)
        self._root = "/" + self._issuer.removeprefix("https://").partition("/")[2]

    def takes(self, request: Request) -> bool:
        return request.path.startswith(self._root)

    async def serve(self, request: Request) -> Served:
        node, page = self._node, request.path.removeprefix(self._root)
        if not node.ready:
            return Served(UNREADY.to_response(), node.hop())
        if request.method == "GET" and page == "openid/v1/jwks":
            return Served(Response(200, {"keys": list(node.replica.snapshot.key_set.values())}), node.hop())
        if request.method == "GET" and page == ".well-known/openid-configuration":
            return Served(Response(200, self._discovery()), node.hop())
        text = f"{REGIONS[node.region].azure_name}'s cluster has no {request.method} {request.path}"
        return Served(Response(404, {"kind": "Status", "status": "Failure", "code": 404, "message": text}), node.hop())

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self._issuer,
            "jwks_uri": f"{self._issuer}openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._node.settings.token_alg],
        }
