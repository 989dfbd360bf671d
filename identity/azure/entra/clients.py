"""Who may ask the tenant for tokens: applications and user-assigned identities, found by client id in a node's replica."""

from __future__ import annotations

from collections.abc import Mapping

from brownout.identity.azure.entra import aadsts
from brownout.identity.azure.entra.applications import KIND, Application
from brownout.identity.core.records import Principal
from brownout.identity.core.replication.replica import Replica


class ClientIndex:
    """The clients and resources of one replica's newest snapshot, indexed when they are first asked for."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._of: object = None  # the identities that the index was made from
        self._clients: dict[str, Principal] = {}
        self._resources: dict[str, Application] = {}

    def client(self, client_id: str) -> Principal | None:
        """The living identity or application of that client id; case does not matter."""
        self._follow()
        return self._clients.get(client_id.lower())

    def resource(self, name: str) -> Application | None:
        """The application that tokens for `name` are for: its client id or one of its URIs, a slash more or less."""
        self._follow()
        return self._resources.get(name.lower().rstrip("/"))

    def _follow(self) -> None:
        identities: Mapping[str, Principal] = self._replica.snapshot.identities
        if self._of is identities:
            return
        alive = [known for known in identities.values() if not known.deleted]
        self._clients = {known.identity.client_id.lower(): known for known in alive}
        self._resources = {}
        for known in alive:
            if known.identity.kind == KIND:
                application = Application.of(known)
                names = (application.client_id, *application.registration.uris)
                self._resources |= {name.lower().rstrip("/"): application for name in names}
        self._of = identities


def registration_of(client: Principal, tenant_id: str) -> Application | None:
    """The client as an application, None for an identity; raises EntraError for one that has no service principal."""
    if client.identity.kind != KIND:
        return None
    application = Application.of(client)
    if not application.registration.signs_in:
        raise aadsts.no_service_principal(application.client_id, tenant_id)
    return application
