"""Applications of the tenant, registered and changed by control requests of the directory.

Real applications are registered through Microsoft Graph, which is not emulated: here the operator creates them, with the
stack's control token. Below `/_brownout/admin/azure/applications`:

    GET                                        all applications, without secrets
    POST {name, uris?, token_version?, roles?} a new one
    DELETE /CLIENT_ID                          ends it
    POST /CLIENT_ID/secrets {name?, lifetime_s?}          a new secret, told in this answer and never again
    DELETE /CLIENT_ID/secrets/KEY_ID
    POST /CLIENT_ID/certificates {certificate, name?}     a certificate in PEM
    PUT /CLIENT_ID/federated-credentials {credentials: [{name, issuer, subject, audiences}]}   all of them

A change is published to every region before it is answered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from brownout.identity.azure.entra.applications import KIND, Application, Certificate, ClientSecret, new_secret
from brownout.identity.azure.entra.assertions import public_key
from brownout.identity.azure.records import FederatedCredential
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.directory import Directory
from brownout.identity.core.records import Json, Principal
from brownout.identity.core.surface import error

PREFIX = "/applications"
YEAR_S = 365 * 86_400.0
Change = Callable[[Application, Json], tuple[Application, Mapping[str, Any]]]


class Registrations:
    """The applications that one directory knows."""

    def __init__(self, node: Directory) -> None:
        self._node = node
        self._changing: set[str] = set()  # applications of which a change is on its way to the disk

    async def control(self, request: Request, path: str) -> Response | None:
        """The answer to a control request, None for any other path; raises KeyError, TypeError or ValueError for a bad body."""
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            return None
        words, body = path.removeprefix(PREFIX).strip("/").split("/"), request.body or {}
        if words == [""]:
            return await self._collection(request.method, body)
        known = self._find(words[0])
        if known is None:
            return error(404, "NoApplication", f"there is no application with the client id {words[0]}")
        if words[1:] == [] and request.method == "DELETE":
            return await self._alone(known, lambda: self._end(known))
        change = self._change(request.method, words[1:])
        if change is None:
            return error(404, "NotFound", f"an application has no {request.method} {'/'.join(words[1:])}")
        return await self._alone(known, lambda: self._apply(known, change, body))

    async def _collection(self, method: str, body: Json) -> Response:
        if method == "GET":
            return Response(200, {"applications": [_shown(Application.of(known)) for known in self._alive()]})
        if method != "POST":
            return error(405, "MethodNotAllowed", "applications are listed and created")
        ports = self._node.ports
        made = Application.make(str(body["name"]), self._node.stack.home_region, ports.new_id, ports.now())
        version = int(body.get("token_version", 1))
        if version not in (1, 2):
            raise ValueError("token_version is 1 or 2")
        uris, roles = _texts(body, "uris"), _texts(body, "roles")
        made = made.with_registration(signs_in=True, uris=uris, roles=roles, token_version=version)
        await self._save(made.to_principal())
        return Response(201, _shown(made))

    def _alive(self) -> tuple[Principal, ...]:
        return tuple(known for known in self._node.catalog.alive() if known.identity.kind == KIND)

    def _find(self, client_id: str) -> Principal | None:
        return next((each for each in self._alive() if each.identity.client_id == client_id.lower()), None)

    async def _alone(self, known: Principal, work: Callable[[], Awaitable[Response]]) -> Response:
        """Works on an application unless something else does: of two changes at once one would be lost."""
        object_id = known.identity.object_id
        if object_id in self._changing:
            return error(409, "Conflict", f"another change of {known.identity.client_id} is under way: try again")
        self._changing.add(object_id)
        try:
            return await work()
        finally:
            self._changing.discard(object_id)

    async def _apply(self, known: Principal, change: Change, body: Json) -> Response:
        made, told = change(Application.of(known), body)
        await self._save(made.to_principal())
        return Response(200, told)

    async def _end(self, known: Principal) -> Response:
        await self._save(replace(known, deleted=True))
        return Response(200, {"deleted": known.identity.client_id})

    async def _save(self, principal: Principal) -> None:
        await self._node.catalog.save(principal)
        await self._node.publish()

    def _change(self, method: str, words: list[str]) -> Change | None:
        if (method, words) == ("POST", ["secrets"]):
            return self._add_secret
        if method == "DELETE" and len(words) == 2 and words[0] == "secrets":
            return lambda application, _: _without_secret(application, words[1])
        if (method, words) == ("POST", ["certificates"]):
            return self._add_certificate
        return _set_federated if (method, words) == ("PUT", ["federated-credentials"]) else None

    def _add_secret(self, application: Application, body: Json) -> tuple[Application, Mapping[str, Any]]:
        ports, now_s = self._node.ports, self._node.ports.now()
        lifetime_s = float(body.get("lifetime_s", YEAR_S))
        chance = (ports.new_id() + ports.new_id()).replace("-", "")
        made, text = new_secret(ports.new_id(), str(body.get("name", "")), chance, now_s, now_s + lifetime_s)
        secrets = (*application.registration.secrets, made)
        return application.with_registration(secrets=secrets), {"key_id": made.key_id, "secret": text, "ends_s": made.ends_s}

    def _add_certificate(self, application: Application, body: Json) -> tuple[Application, Mapping[str, Any]]:
        from cryptography import x509  # takes a tenth of a simulated stack's start, and few stacks have certificates
        from cryptography.hazmat.primitives.serialization import Encoding

        found = x509.load_pem_x509_certificate(str(body["certificate"]).encode())
        der = found.public_bytes(Encoding.DER)
        public_key(der)  # raises ValueError for one that cannot sign assertions
        starts_s, ends_s = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
        made = Certificate(self._node.ports.new_id(), str(body.get("name", "")), der, starts_s, ends_s)
        certificates = (*application.registration.certificates, made)
        return application.with_registration(certificates=certificates), {"key_id": made.key_id, "ends_s": ends_s}


def _without_secret(application: Application, key_id: str) -> tuple[Application, Mapping[str, Any]]:
    kept = tuple(each for each in application.registration.secrets if each.key_id != key_id)
    if len(kept) == len(application.registration.secrets):
        raise ValueError(f"the application has no secret {key_id}")
    return application.with_registration(secrets=kept), {"deleted": key_id}


def _set_federated(application: Application, body: Json) -> tuple[Application, Mapping[str, Any]]:
    found = tuple(FederatedCredential.from_json(raw) for raw in body["credentials"])
    return replace(application, federated=found), {"federated_credentials": [each.to_json() for each in found]}


def _texts(body: Json, name: str) -> tuple[str, ...]:
    """A list of texts; raises ValueError."""
    found = body.get(name) or []
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise ValueError(f"{name} is a list of texts")
    return tuple(found)


def _shown(application: Application) -> dict[str, Any]:
    """An application for the operator, without what recognises its secrets."""
    known = application.registration
    return {
        "name": application.identity.name,
        "client_id": application.client_id,
        "object_id": known.object_id,
        "principal_id": application.identity.object_id,
        "uris": list(known.uris),
        "token_version": known.token_version,
        "roles": list(known.roles),
        "secrets": [_credential(each) | {"hint": each.hint} for each in known.secrets],
        "certificates": [_credential(each) for each in known.certificates],
        "federated_credentials": [each.to_json() for each in application.federated],
    }


def _credential(known: ClientSecret | Certificate) -> dict[str, Any]:
    return {"key_id": known.key_id, "name": known.name, "ends_s": known.ends_s}
