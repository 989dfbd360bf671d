"""A call of ARM taken apart: who calls, which route, which resource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from brownout.identity.azure.arm.routes import ArmRoute
from brownout.identity.core.messages import Request
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served


@dataclass(frozen=True, slots=True)
class ArmCaller:
    """Who calls, by the token: the principal, and for an application its client id."""

    object_id: str = ""
    client_id: str = ""

    @property
    def kind(self) -> str:
        return "Application" if self.client_id else "User"

    @property
    def shown_id(self) -> str:
        """What error texts call the client."""
        return self.client_id or self.object_id


@dataclass(frozen=True, slots=True)
class ArmCall:
    """One call. `path` is the resource's id as it was spelled, with single slashes; `values` are the route's placeholders."""

    request: Request
    route: ArmRoute
    values: Mapping[str, str]
    path: str
    caller: ArmCaller = ArmCaller()
    relayed: bool = False

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def body(self) -> Json:
        return self.request.body or {}

    @property
    def version(self) -> str:
        return str(self.request.query.get("api-version", ""))

    @property
    def group(self) -> str:
        """The resource group, "" for what is in none."""
        return self.values.get("group", "")

    @property
    def name(self) -> str:
        """The resource's name, "" for a list."""
        return self.values.get("name", "")

    @property
    def subscription(self) -> str:
        return self.values.get("subscription", "")

    @property
    def scope(self) -> str:
        """What the caller needs a role at: the resource, or for a list what it is a list of."""
        if "scope" in self.values:
            return self.values["scope"]
        if not self.route.acts_on_parent:
            return self.path
        if "name" in self.values:
            return self.path.rpartition("/")[0]
        return self.group_path if self.group else f"/subscriptions/{self.subscription}"

    @property
    def group_path(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def list_prefix(self) -> str:
        """What the ids of all resources of a list begin with, in lower case."""
        group = f"resourcegroups/{self.group.lower()}/" if self.group else ""
        return f"/subscriptions/{self.subscription.lower()}/{group}"


ArmHandler = Callable[[ArmCall], Awaitable[Served]]
Handlers = Mapping[str, Mapping[str, ArmHandler]]  # by the route's handler and verb
