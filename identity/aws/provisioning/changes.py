"""What an update of a stack would do, found without doing it, and the change sets that keep that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from brownout.identity.aws.provisioning.records import ProvisionedResource, ProvisionedStack, StackForm
from brownout.identity.aws.provisioning.resources import KINDS
from brownout.identity.aws.provisioning.template import (
    ResourceSpec,
    StackTemplate,
    TemplateScope,
    references,
    resolve,
)
from brownout.identity.aws.regional.annex import VENDOR
from brownout.identity.core.node import Node
from brownout.identity.core.records import Json
from brownout.identity.formed import FormedRecord

CHANGE_SET = "change-set/"  # before the names of records
UNKNOWN_YET = "{{changeSet:KNOWN_AFTER_APPLY}}"  # stands for what a resource that is not made yet will be called
AVAILABLE, UNAVAILABLE, EXECUTED = "AVAILABLE", "UNAVAILABLE", "EXECUTE_COMPLETE"
MADE, FAILED = "CREATE_COMPLETE", "FAILED"


@dataclass(frozen=True, slots=True)
class PropertyChange(FormedRecord):
    """A property that changes: whether another resource is needed for that, and where the change comes from."""

    name: str
    replaces: bool
    source: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ResourceChange(FormedRecord):
    """What becomes of one resource: `action` is Add, Modify or Remove."""

    action: str
    logical_id: str
    kind: str
    name: str = ""
    properties: tuple[PropertyChange, ...] = ()

    @property
    def replaces(self) -> bool:
        return any(each.replaces for each in self.properties)


def planned(
    stack: ProvisionedStack, template: StackTemplate, old: StackTemplate | None, scope: TemplateScope
) -> tuple[ResourceChange, ...]:
    """The changes of a stack's resources to become those of a template, in the order in which they would be made.

    `scope` has the values that the update would have; `old` is the template that the stack was made of. Raises AwsError
    ValidationError for a reference that cannot be.
    """
    attributes, found = dict(scope.attributes), []
    for logical_id in template.order():
        spec, known = template.resources[logical_id], stack.resource(logical_id)
        after = resolve(spec.properties, replace(scope, attributes=attributes))
        if known is None:
            change = ResourceChange("Add", logical_id, spec.kind)
        else:
            before = None if old is None else old.resources.get(logical_id)
            changed = tuple(_changed(known, spec, before, after, template))
            change = ResourceChange("Modify", logical_id, spec.kind, known.name, changed)
        if known is None or change.replaces:
            attributes[logical_id] = {"Ref": UNKNOWN_YET, "Arn": UNKNOWN_YET}
        if known is None or change.properties:
            found.append(change)
    gone = [each for each in stack.resources if each.logical_id not in template.resources]
    return (*found, *(ResourceChange("Remove", each.logical_id, each.kind, each.name) for each in reversed(gone)))


def _changed(
    known: ProvisionedResource, spec: ResourceSpec, old: ResourceSpec | None, after: Mapping[str, Any], template: StackTemplate
) -> Iterator[PropertyChange]:
    replacing = KINDS[spec.kind].replacing(known.properties, after)
    for name in dict.fromkeys((*known.properties, *after)):
        was, becomes = known.properties.get(name), after.get(name)
        if was != becomes:
            source = _source(spec, old, name, template)
            yield PropertyChange(name, name in replacing, source, _shown(was), _shown(becomes))


def _source(spec: ResourceSpec, old: ResourceSpec | None, name: str, template: StackTemplate) -> str:
    if old is None or old.properties.get(name) != spec.properties.get(name):
        return "DirectModification"
    refers = references(spec.properties.get(name))
    return "ParameterReference" if any(each in template.defaults for each in refers) else "ResourceAttribute"


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """An update of a stack, or its creation (`kind` CREATE), that was worked out and waits to be executed."""

    change_set_id: str
    name: str
    stack_id: str
    stack_name: str
    kind: str
    form: StackForm
    created_s: float
    status: str
    reason: str = ""
    execution: str = UNAVAILABLE
    description: str = ""
    on_failure: str = "ROLLBACK"
    changes: tuple[ResourceChange, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "change_set_id": self.change_set_id,
            "name": self.name,
            "stack_id": self.stack_id,
            "stack_name": self.stack_name,
            "kind": self.kind,
            "form": self.form.to_json(),
            "created_s": self.created_s,
            "status": self.status,
            "reason": self.reason,
            "execution": self.execution,
            "description": self.description,
            "on_failure": self.on_failure,
            "changes": [each.to_json() for each in self.changes],
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(
            str(raw["change_set_id"]),
            str(raw["name"]),
            str(raw["stack_id"]),
            str(raw["stack_name"]),
            str(raw["kind"]),
            StackForm.from_json(raw["form"]),
            float(raw["created_s"]),
            str(raw["status"]),
            str(raw["reason"]),
            str(raw["execution"]),
            str(raw["description"]),
            str(raw["on_failure"]),
            tuple(ResourceChange.from_json(each) for each in raw["changes"]),
        )


class ChangeSets:
    """The change sets of one management node, kept durably."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._known: dict[str, ChangeSet] = {}  # by id

    def take_up(self, record: Json) -> None:
        change_set = ChangeSet.from_json(record)
        self._known[change_set.change_set_id] = change_set

    def of(self, stack_id: str) -> tuple[ChangeSet, ...]:
        """A stack's change sets, oldest first."""
        mine = (each for each in self._known.values() if each.stack_id == stack_id)
        return tuple(sorted(mine, key=lambda each: each.created_s))

    def find(self, change_set_id: str) -> ChangeSet | None:
        return self._known.get(change_set_id)

    async def keep(self, change_set: ChangeSet) -> None:
        """Makes a change set durable as it is now."""
        await self._node.ports.persist(_key(change_set.change_set_id), change_set.to_json())
        self._known[change_set.change_set_id] = change_set

    async def drop(self, *change_sets: ChangeSet) -> None:
        """Forgets change sets."""
        for each in change_sets:
            await self._node.ports.persist(_key(each.change_set_id), None)
            self._known.pop(each.change_set_id, None)


def _key(change_set_id: str) -> str:
    return f"{VENDOR}:{CHANGE_SET}{change_set_id.rpartition('/')[2]}"
