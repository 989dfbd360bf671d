"""Federated credentials of user-assigned identities in ARM.

They travel with their identity (`Principal.details`), to its home store and to all replicas, so the token service trusts one
once its region has it. Wire facts: docs/reference/azure-wire.md#arm-federated-credentials.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brownout.identity.azure.arm import refusals, versions
from brownout.identity.azure.arm.calls import ArmCall, Handlers
from brownout.identity.azure.arm.computed import own_url
from brownout.identity.azure.arm.identities import served_failure
from brownout.identity.azure.arm.paging import page
from brownout.identity.azure.control.desk import AzureDesk
from brownout.identity.azure.errors import error
from brownout.identity.azure.records import (
    FEDERATED_CREDENTIALS,
    MOST_FEDERATED_CREDENTIALS,
    FederatedCredential,
    federated_credentials,
)
from brownout.identity.core.messages import Response
from brownout.identity.core.records import Json, Principal
from brownout.identity.core.surface import Served

LONGEST = 600  # characters of an issuer, a subject, an audience


class ArmFederation:
    """What ARM serves of federated credentials."""

    def __init__(self, desk: AzureDesk) -> None:
        self._node = desk.front_end

    @property
    def handlers(self) -> Handlers:
        one = {"GET": self._get, "PUT": self._put, "DELETE": self._delete}
        return {"credentials": {"GET": self._list}, "credential": one}

    async def _identity(self, call: ArmCall) -> Principal | None:
        """The identity that the call is about."""
        path = f"{call.group_path}/providers/{versions.USER_ASSIGNED}/{call.name}"
        known = await self._node.identities.find(path)
        return known if known is not None and known.identity.kind == "user" else None

    async def _list(self, call: ArmCall) -> Served:
        known = await self._identity(call)
        if known is None:
            return Served(refusals.no_resource(call))
        shown = [_shown(known, each) for each in federated_credentials(known.details)]
        base = own_url(self._node, call)
        return Served(page(call, sorted(shown, key=lambda each: str(each["name"])), base))

    async def _get(self, call: ArmCall) -> Served:
        known = await self._identity(call)
        found = None if known is None else _find(known, call.values["credential"])
        if known is None or found is None:
            return Served(refusals.no_resource(call))
        return Served(Response(200, _shown(known, found)))

    async def _put(self, call: ArmCall) -> Served:
        known = await self._identity(call)
        if known is None:
            text = f"The parent resource '{call.name}' of the federated identity credential was not found."
            return Served(error(404, "ParentResourceNotFound", text))
        problem = _problem(call.body)
        if problem:
            return Served(error(400, "BadRequest", problem))
        wanted = _read(call)
        before = _find(known, wanted.name)
        others = [each for each in federated_credentials(known.details) if each != before]
        refused = _conflict(wanted, others, known)
        if refused is not None:
            return Served(refused)
        kept = [*others, replace(wanted, name=wanted.name if before is None else before.name)]
        return await self._save(known, kept, Response(201 if before is None else 200, _shown(known, kept[-1])))

    async def _delete(self, call: ArmCall) -> Served:
        known = await self._identity(call)
        found = None if known is None else _find(known, call.values["credential"])
        if known is None or found is None:
            return Served(Response(204))
        kept = [each for each in federated_credentials(known.details) if each != found]
        return await self._save(known, kept, Response(200))

    async def _save(self, known: Principal, kept: list[FederatedCredential], answer: Response) -> Served:
        details = {**known.details, FEDERATED_CREDENTIALS: [each.to_json() for each in kept]}
        written = await self._node.identities.write(replace(known, details=details))
        return served_failure(written) if written.failure is not None else Served(answer, written.hop, written.inner)


def _find(known: Principal, name: str) -> FederatedCredential | None:
    return next((each for each in federated_credentials(known.details) if each.name.lower() == name.lower()), None)


def _shown(known: Principal, credential: FederatedCredential) -> dict[str, Any]:
    return {
        "id": f"{known.identity.resource_id}/federatedIdentityCredentials/{credential.name}",
        "name": credential.name,
        "type": versions.FEDERATED_CREDENTIALS,
        "properties": {
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": list(credential.audiences),
        },
    }


def _read(call: ArmCall) -> FederatedCredential:
    properties = call.body["properties"]
    audiences = tuple(properties["audiences"])
    return FederatedCredential(call.values["credential"], properties["issuer"], properties["subject"], audiences)


def _problem(body: Json) -> str:
    """What is wrong with a credential that a client sent, "" for nothing."""
    properties = body.get("properties") or {}
    for name in ("issuer", "subject"):
        value = properties.get(name)
        if not isinstance(value, str) or not value:
            return f"The property '{name}' of the federated identity credential is required."
        if len(value) > LONGEST:
            return f"The property '{name}' of the federated identity credential is longer than {LONGEST} characters."
    if not properties["issuer"].startswith("https://"):
        return f"The issuer '{properties['issuer']}' of the federated identity credential is not an https URL."
    audiences = properties.get("audiences")
    if not isinstance(audiences, list) or len(audiences) != 1 or not isinstance(audiences[0], str) or not audiences[0]:
        return "The property 'audiences' of the federated identity credential has exactly one audience."
    return ""


def _conflict(wanted: FederatedCredential, others: list[FederatedCredential], known: Principal) -> Response | None:
    """Why the identity cannot have the credential beside its others; None when it can."""
    if any((each.issuer, each.subject) == (wanted.issuer, wanted.subject) for each in others):
        text = f"Issuer and subject combination already exists for this Managed Identity '{known.identity.name}'."
        return error(409, "Conflict", text)
    if len(others) >= MOST_FEDERATED_CREDENTIALS:
        most = MOST_FEDERATED_CREDENTIALS
        text = f"Too many federated identity credentials on '{known.identity.name}': at most {most} are allowed."
        return error(400, "BadRequest", text)
    return None
