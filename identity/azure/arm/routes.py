"""Every path that ARM serves here, as one table: its type, its verbs, and the action that each verb needs a role for.

Segments compare without regard to case. A template that begins with `{scope}` stands below any scope, the root among them.
docs/azure-arm.md is printed from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from brownout.identity.azure.arm import versions as v

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
SCOPE = "{scope}"
READ, WRITE, DELETE = "read", "write", "delete"
_SUFFIXES = {"GET": READ, "HEAD": READ, "PUT": WRITE, "PATCH": WRITE, "DELETE": DELETE}
ONE, EDITED = ("GET", "PUT", "DELETE"), ("GET", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class ArmRoute:
    """One path. `handler` names what serves it; `actions` are those by verb that do not follow from the type.

    `acts_on_parent` says that a role is needed at what the path is below, as for a list; `open` that none is needed.
    """

    template: str
    kind: str
    handler: str
    verbs: tuple[str, ...] = ("GET",)
    actions: Mapping[str, str] = field(default_factory=dict)
    acts_on_parent: bool = False
    open: bool = False

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(segment for segment in self.template.split("/") if segment)

    @property
    def api_versions(self) -> tuple[str, ...]:
        return v.VERSIONS[self.kind]

    def action(self, verb: str) -> str:
        """The action that the caller needs a role for."""
        return self.actions.get(verb) or f"{self.kind}/{_SUFFIXES[verb]}"


class Match(NamedTuple):
    """The route of a path and the values of its placeholders as they were spelled."""

    route: ArmRoute
    values: Mapping[str, str]


def _in_provider(kind: str) -> tuple[str, str]:
    """The lists of a type: that of a group and that of the subscription."""
    return f"{GROUP}/providers/{kind}", f"{SUBSCRIPTION}/providers/{kind}"


def _lists(kind: str, handler: str) -> tuple[ArmRoute, ...]:
    return tuple(ArmRoute(template, kind, handler, acts_on_parent=True) for template in _in_provider(kind))


_UAI, _VM, _SET = (_in_provider(kind)[0] for kind in (v.USER_ASSIGNED, v.MACHINES, v.SCALE_SETS))
_AUTHORIZATION = f"/{SCOPE}/providers/{v.AUTHORIZATION_NAMESPACE}"
_LOCATION = f"{SUBSCRIPTION}/providers/{v.COMPUTE_NAMESPACE}/locations/{{location}}"
_OF_SUBSCRIPTION = f"{v.RESOURCES_NAMESPACE}/subscriptions"

ROUTES: tuple[ArmRoute, ...] = (
    ArmRoute("/metadata/endpoints", f"{v.RESOURCES_NAMESPACE}/endpoints", "endpoints", open=True),
    ArmRoute("/tenants", f"{v.RESOURCES_NAMESPACE}/tenants", "tenants", open=True),
    ArmRoute("/subscriptions", _OF_SUBSCRIPTION, "subscriptions", open=True),
    ArmRoute(SUBSCRIPTION, _OF_SUBSCRIPTION, "subscription"),
    ArmRoute(f"{SUBSCRIPTION}/locations", f"{_OF_SUBSCRIPTION}/locations", "locations", acts_on_parent=True),
    ArmRoute(f"{SUBSCRIPTION}/resourceGroups", v.GROUPS, "groups", acts_on_parent=True),
    ArmRoute(GROUP, v.GROUPS, "group", ("HEAD", *EDITED)),
    ArmRoute(f"{SUBSCRIPTION}/resources", f"{_OF_SUBSCRIPTION}/resources", "resources", acts_on_parent=True),
    ArmRoute(f"{GROUP}/resources", f"{_OF_SUBSCRIPTION}/resources", "resources", acts_on_parent=True),
    ArmRoute(f"{SUBSCRIPTION}/operationresults/{{operation}}", f"{_OF_SUBSCRIPTION}/operationresults", "operation-result"),
    ArmRoute(f"{SUBSCRIPTION}/providers", f"{_OF_SUBSCRIPTION}/providers", "providers", acts_on_parent=True),
    ArmRoute(f"{SUBSCRIPTION}/providers/{{namespace}}", f"{_OF_SUBSCRIPTION}/providers", "provider", acts_on_parent=True),
    ArmRoute(
        f"{SUBSCRIPTION}/providers/{{namespace}}/register",
        f"{_OF_SUBSCRIPTION}/providers",
        "register",
        ("POST",),
        {"POST": "{namespace}/register/action"},
        acts_on_parent=True,
    ),
    *_lists(v.USER_ASSIGNED, "identities"),
    ArmRoute(f"{_UAI}/{{name}}", v.USER_ASSIGNED, "identity", EDITED),
    ArmRoute(f"{_UAI}/{{name}}/federatedIdentityCredentials", v.FEDERATED_CREDENTIALS, "credentials", acts_on_parent=True),
    ArmRoute(f"{_UAI}/{{name}}/federatedIdentityCredentials/{{credential}}", v.FEDERATED_CREDENTIALS, "credential", ONE),
    ArmRoute(
        f"/providers/{v.IDENTITY_NAMESPACE}/operations", f"{v.IDENTITY_NAMESPACE}/operations", "identity-operations", open=True
    ),
    ArmRoute(f"/{SCOPE}/providers/{v.SYSTEM_ASSIGNED}/default", v.SYSTEM_ASSIGNED, "system-identity"),
    *_lists(v.MACHINES, "machines"),
    ArmRoute(f"{_VM}/{{name}}", v.MACHINES, "machine", EDITED),
    ArmRoute(f"{_VM}/{{name}}/instanceView", v.MACHINES, "machine-view", actions={"GET": f"{v.MACHINES}/instanceView/read"}),
    *_lists(v.SCALE_SETS, "scale-sets"),
    ArmRoute(f"{_SET}/{{name}}", v.SCALE_SETS, "scale-set", EDITED),
    ArmRoute(f"{_SET}/{{name}}/instanceView", v.SCALE_SETS, "set-view", actions={"GET": f"{v.SCALE_SETS}/instanceView/read"}),
    ArmRoute(
        f"{_SET}/{{name}}/delete", v.SCALE_SETS, "delete-instances", ("POST",), {"POST": f"{v.SCALE_SETS}/delete/action"}, True
    ),
    ArmRoute(f"{_SET}/{{name}}/virtualMachines", v.INSTANCES, "instances", acts_on_parent=True),
    ArmRoute(f"{_SET}/{{name}}/virtualMachines/{{instance}}", v.INSTANCES, "instance", ("GET", "DELETE")),
    ArmRoute(f"{_LOCATION}/operations/{{operation}}", v.COMPUTE_OPERATIONS, "operation", acts_on_parent=True),
    ArmRoute(f"{_AUTHORIZATION}/roleDefinitions", v.ROLE_DEFINITIONS, "role-definitions", acts_on_parent=True),
    ArmRoute(f"{_AUTHORIZATION}/roleDefinitions/{{name}}", v.ROLE_DEFINITIONS, "role-definition", ONE, acts_on_parent=True),
    ArmRoute(f"{_AUTHORIZATION}/roleAssignments", v.ROLE_ASSIGNMENTS, "role-assignments", acts_on_parent=True),
    ArmRoute(f"{_AUTHORIZATION}/roleAssignments/{{name}}", v.ROLE_ASSIGNMENTS, "role-assignment", ONE, acts_on_parent=True),
    ArmRoute(f"{_AUTHORIZATION}/permissions", v.PERMISSIONS, "permissions", acts_on_parent=True, open=True),
)


class _Pattern:
    """The segments of a route, placeholders and fixed ones apart."""

    def __init__(self, route: ArmRoute, segments: tuple[str, ...]) -> None:
        self.route, self.length = route, len(segments)
        self._places = tuple((at, segment[1:-1]) for at, segment in enumerate(segments) if segment.startswith("{"))
        self._fixed = itemgetter(*(at for at, segment in enumerate(segments) if not segment.startswith("{")))
        self._wanted = self._fixed([segment.lower() for segment in segments])

    def fits(self, lower: list[str], first: int) -> bool:
        """Whether the words in lower case, from the one at `first` on, are those of the pattern, which are as many."""
        return bool(self._fixed(lower[first:]) == self._wanted)

    def values(self, words: list[str], first: int) -> dict[str, str]:
        """The placeholders' values in words that fit."""
        return {name: words[first + at] for at, name in self._places}


_SCOPED = tuple(_Pattern(route, route.segments[1:]) for route in ROUTES if route.segments[0] == SCOPE)
_WHOLE: dict[int, list[_Pattern]] = {}
for _route in ROUTES:
    if _route.segments[0] != SCOPE:
        _WHOLE.setdefault(len(_route.segments), []).append(_Pattern(_route, _route.segments))


def find_route(words: list[str]) -> Match | None:
    """The route of a path's words; None where there is none. Routes below any scope are looked for first."""
    lower = [word.lower() for word in words]
    for pattern in _SCOPED:
        first = len(words) - pattern.length
        if first >= 0 and pattern.fits(lower, first):
            return Match(pattern.route, {"scope": "/" + "/".join(words[:first]), **pattern.values(words, first)})
    for pattern in _WHOLE.get(len(words), ()):
        if pattern.fits(lower, 0):
            return Match(pattern.route, pattern.values(words, 0))
    return None
