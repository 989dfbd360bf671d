"""Tenants, subscriptions, locations, providers and all resources as SDKs and command lines list them; ARM's own endpoints.

Wire facts: docs/reference/azure-wire.md#arm-subscriptions-and-providers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from brownout.identity.azure.arm import versions
from brownout.identity.azure.arm.calls import ArmCall, Handlers
from brownout.identity.azure.arm.computed import own_url
from brownout.identity.azure.arm.machines import ArmMachines
from brownout.identity.azure.arm.paging import page
from brownout.identity.azure.arm.routes import ROUTES
from brownout.identity.azure.arm.scale_sets import ArmScaleSets
from brownout.identity.azure.control import scopes
from brownout.identity.azure.control.desk import AzureDesk
from brownout.identity.azure.entra.claims import ARM_AUDIENCE
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import Request, Response, encode_json
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import REGIONS

NAMESPACES = (
    versions.IDENTITY_NAMESPACE,
    versions.COMPUTE_NAMESPACE,
    versions.AUTHORIZATION_NAMESPACE,
    versions.RESOURCES_NAMESPACE,
)
_FIRST_OBJECT, _SMALL = "2022-09-01", "2015-01-01"  # of the endpoints' page: an object alone, a shorter one
_TERM = re.compile(r"\s*(resourceType|name|resourceGroup|location)\s+eq\s+'([^']*)'\s*", re.I)


class ArmSubscriptions:
    """What ARM serves above resource groups."""

    def __init__(self, desk: AzureDesk, machines: ArmMachines, sets: ArmScaleSets) -> None:
        self._desk, self._node = desk, desk.front_end
        self._machines, self._sets = machines, sets

    @property
    def handlers(self) -> Handlers:
        return {
            "endpoints": {"GET": self._endpoints},
            "tenants": {"GET": self._tenants},
            "subscriptions": {"GET": self._subscriptions},
            "subscription": {"GET": self._subscription},
            "locations": {"GET": self._locations},
            "resources": {"GET": self._resources},
            "providers": {"GET": self._providers},
            "provider": {"GET": self._provider},
            "register": {"POST": self._provider},
        }

    async def _endpoints(self, call: ArmCall) -> Served:
        """Where the cloud's services are, for clients that have not signed in."""
        login = "https://login.microsoftonline.com"
        small: dict[str, Any] = {
            "galleryEndpoint": "https://gallery.azure.com/",
            "graphEndpoint": "https://graph.windows.net/",
            "portalEndpoint": "https://portal.azure.com/",
            "authentication": {
                "loginEndpoint": f"{login}/",
                "audiences": ["https://management.core.windows.net/", ARM_AUDIENCE],
            },
        }
        if call.version == _SMALL:
            return Served(Response(200, small))
        signing_in = small["authentication"] | {"tenant": "common", "identityProvider": "AAD"}
        whole: dict[str, Any] = {
            "name": "AzureCloud",
            "portal": "https://portal.azure.com",
            "authentication": signing_in,
            "media": "https://rest.media.azure.net",
            "graph": "https://graph.windows.net/",
            "graphAudience": "https://graph.windows.net/",
            "gallery": "https://gallery.azure.com/",
            "batch": "https://batch.core.windows.net/",
            "resourceManager": f"{ARM_AUDIENCE}/",
            "microsoftGraphResourceId": "https://graph.microsoft.com/",
            "suffixes": {
                "keyVaultDns": "vault.azure.net",
                "storage": "core.windows.net",
                "sqlServerHostname": "database.windows.net",
                "acrLoginServer": "azurecr.io",
            },
        }
        if call.version >= _FIRST_OBJECT:
            return Served(Response(200, whole))
        payload = b"[" + encode_json(whole) + b"]"
        return Served(Response.raw(200, ((b"content-type", b"application/json; charset=utf-8"),), payload))

    async def _tenants(self, call: ArmCall) -> Served:
        tenant = self._node.stack.tenant_id
        shown = {"id": f"/tenants/{tenant}", "tenantId": tenant, "displayName": "Brownout", "tenantCategory": "Home"}
        return Served(Response(200, {"value": [shown | {"countryCode": "AU", "domains": ["brownout.onmicrosoft.com"]}]}))

    def _shown(self) -> Json:
        stack = self._node.stack
        policies = {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"}
        return {
            "id": scopes.subscription(stack.subscription_id),
            "subscriptionId": stack.subscription_id,
            "displayName": "Brownout",
            "state": "Enabled",
            "tenantId": stack.tenant_id,
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionPolicies": policies,
        }

    async def _subscriptions(self, call: ArmCall) -> Served:
        """The subscription, for callers with a role at it or at anything in it."""
        scope, tenant = scopes.subscription(self._node.stack.subscription_id), self._node.stack.tenant_id
        principals = self._desk.principals(call.caller.object_id)
        assigned = self._desk.book.assigned(principals)
        seen = any(scopes.covers(each.scope, scope, tenant) or scopes.covers(scope, each.scope, tenant) for each in assigned)
        found = [self._shown()] if seen else []
        return Served(Response(200, {"value": found, "count": {"type": "Total", "value": len(found)}}))

    async def _subscription(self, call: ArmCall) -> Served:
        return Served(Response(200, self._shown()))

    async def _locations(self, call: ArmCall) -> Served:
        base = scopes.subscription(self._node.stack.subscription_id)
        found = [
            {
                "id": f"{base}/locations/{REGIONS[region].azure_name}",
                "name": REGIONS[region].azure_name,
                "type": "Region",
                "displayName": REGIONS[region].azure_name,
                "regionalDisplayName": REGIONS[region].azure_name,
                "metadata": {
                    "regionType": "Physical",
                    "pairedRegion": [{"name": name, "id": f"{base}/locations/{name}"} for name in self._pair(region)],
                },
            }
            for region in self._node.stack.regions
        ]
        return Served(Response(200, {"value": found}))

    def _pair(self, region: str) -> tuple[str, ...]:
        pair = REGIONS[region].pair
        return (REGIONS[pair].azure_name,) if pair in self._node.stack.regions else ()

    async def _providers(self, call: ArmCall) -> Served:
        return Served(Response(200, {"value": [self._described(namespace) for namespace in NAMESPACES]}))

    async def _provider(self, call: ArmCall) -> Served:
        """One namespace, which is registered already: registering it again changes nothing."""
        wanted = call.values["namespace"]
        found = next((each for each in NAMESPACES if each.lower() == wanted.lower()), None)
        if found is None:
            text = f"The resource namespace '{wanted}' is invalid."
            return Served(error(404, "InvalidResourceNamespace", text))
        return Served(Response(200, self._described(found)))

    def _described(self, namespace: str) -> Json:
        kinds = dict.fromkeys(route.kind for route in ROUTES if route.kind.startswith(f"{namespace}/"))
        locations = [REGIONS[region].azure_name for region in self._node.stack.regions]
        types = [
            {
                "resourceType": kind.partition("/")[2],
                "locations": locations,
                "apiVersions": sorted(set(versions.VERSIONS[kind]), reverse=True),
                "capabilities": "None",
            }
            for kind in kinds
        ]
        return {
            "id": f"{scopes.subscription(self._node.stack.subscription_id)}/providers/{namespace}",
            "namespace": namespace,
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
            "resourceTypes": types,
        }

    async def _resources(self, call: ArmCall) -> Served:
        """All resources of the group or the subscription, in every region."""
        wanted = _terms(call.request.query.get("$filter", ""))
        if wanted is None:
            text = (
                f"The filter '{call.request.query['$filter']}' is not supported here: terms are NAME eq 'VALUE' joined by and."
            )
            return Served(error(400, "InvalidFilterInQueryString", text))
        identities = (known.identity for known in self._node.identities.visible() if known.identity.kind == "user")
        found = [
            _resource(each.resource_id, each.name, versions.USER_ASSIGNED, REGIONS[each.home_region].azure_name)
            for each in identities
            if each.resource_id.lower().startswith(call.list_prefix)
        ]
        for kind in (versions.MACHINES, versions.SCALE_SETS):
            listed = await self._listed(call, kind)
            if not listed.response.ok:
                return listed
            found += [
                _resource(str(each["id"]), str(each["name"]), kind, str(each["location"]), each.get("identity"))
                for each in (listed.response.body or {})["value"]
            ]
        shown = [each for each in found if all(_field(each, name).lower() == value.lower() for name, value in wanted)]
        base = own_url(self._node, call)
        return Served(page(call, sorted(shown, key=lambda each: str(each["name"])), base))

    async def _listed(self, call: ArmCall, kind: str) -> Served:
        """The resources of a type of compute, in every region."""
        part = self._machines.handlers["machines"] if kind == versions.MACHINES else self._sets.handlers["scale-sets"]
        scope = call.group_path if call.group else scopes.subscription(self._node.stack.subscription_id)
        path = f"{scope}/providers/{kind}"
        request = Request("GET", path, {"api-version": versions.COMPUTE[-1]})
        route = next(route for route in ROUTES if route.kind == kind and route.acts_on_parent)
        return await part["GET"](ArmCall(request, route, call.values, path, call.caller))


def _resource(resource_id: str, name: str, kind: str, location: str, identity: Any = None) -> dict[str, Any]:
    found = {"id": resource_id, "name": name, "type": kind, "location": location, "tags": {}}
    return found | {"identity": identity} if identity else found


def _field(resource: Json, name: str) -> str:
    if name == "resourcegroup":
        return str(resource["id"]).split("/")[4]
    return str(resource["type" if name == "resourcetype" else name])


def _terms(text: str) -> Sequence[tuple[str, str]] | None:
    """The `NAME eq 'VALUE'` of a filter joined by `and`; None for any other filter."""
    if not text:
        return ()
    found = [_TERM.fullmatch(term) for term in re.split(r"\s+and\s+", text, flags=re.I)]
    return None if None in found else [(each[1].lower(), each[2]) for each in found if each is not None]
