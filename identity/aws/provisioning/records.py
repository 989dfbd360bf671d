"""Stacks as a region keeps them: resources with their states, and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from brownout.identity.core.records import Json

IN_PROGRESS = "_IN_PROGRESS"
REVIEW = "REVIEW_IN_PROGRESS"  # made by a change set that was not executed yet


@dataclass(frozen=True, slots=True)
class ProvisionedResource:
    """One resource of a stack. `name` is its physical id, `steps` how many of its steps are done, `since_s` when it began.

    `is_unsure` is true from before a step's call until its outcome is known.
    """

    logical_id: str
    kind: str
    name: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    status: str = ""
    reason: str = ""
    steps: int = 0
    is_unsure: bool = False
    since_s: float = 0.0
    changed_s: float = 0.0

    @property
    def may_exist(self) -> bool:
        """True when something of it was made, or may have been."""
        return self.steps > 0 or self.is_unsure or self.status == "CREATE_COMPLETE"

    def to_json(self) -> dict[str, Any]:
        return {
            "logical_id": self.logical_id,
            "kind": self.kind,
            "name": self.name,
            "properties": dict(self.properties),
            "status": self.status,
            "reason": self.reason,
            "steps": self.steps,
            "is_unsure": self.is_unsure,
            "since_s": self.since_s,
            "changed_s": self.changed_s,
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(
            str(raw["logical_id"]),
            str(raw["kind"]),
            str(raw["name"]),
            dict(raw["properties"]),
            str(raw["status"]),
            str(raw["reason"]),
            int(raw["steps"]),
            bool(raw["is_unsure"]),
            float(raw["since_s"]),
            float(raw["changed_s"]),
        )


@dataclass(frozen=True, slots=True)
class StackChange:
    """Something that happened to a stack or one of its resources."""

    event_id: str
    at_s: float
    logical_id: str
    kind: str
    physical_id: str
    status: str
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "at_s": self.at_s,
            "logical_id": self.logical_id,
            "kind": self.kind,
            "physical_id": self.physical_id,
            "status": self.status,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        names = ("logical_id", "kind", "physical_id", "status", "reason")
        return cls(str(raw["event_id"]), float(raw["at_s"]), *(str(raw[name]) for name in names))


@dataclass(frozen=True, slots=True)
class StackForm:
    """What a stack is declared to be: all that an update changes, and that a rollback restores.

    `caller` (JSON of a Caller) is whose permissions the stack has.
    """

    template: str
    parameters: Mapping[str, str]
    caller: Json
    role_arn: str = ""
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "template": self.template,
            "parameters": dict(self.parameters),
            "caller": dict(self.caller),
            "role_arn": self.role_arn,
            "capabilities": list(self.capabilities),
            "tags": dict(self.tags),
            "outputs": dict(self.outputs),
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(
            str(raw["template"]),
            dict(raw["parameters"]),
            dict(raw["caller"]),
            str(raw["role_arn"]),
            tuple(raw["capabilities"]),
            dict(raw["tags"]),
            dict(raw["outputs"]),
        )


@dataclass(frozen=True, slots=True)
class StackUpdate:
    """An update of a stack under way: what the stack was `before` with its `resources`, and how far the work is.

    `done` are the logical ids that are as they should be, `current` the one that is worked on, and `old` what is to be ended
    at last: resources that were replaced or removed. `keeps_failure` says that nothing is rolled back.
    """

    before: StackForm
    resources: tuple[ProvisionedResource, ...]
    keeps_failure: bool = False
    done: tuple[str, ...] = ()
    current: str = ""
    old: tuple[ProvisionedResource, ...] = ()

    def earlier(self, logical_id: str) -> ProvisionedResource | None:
        """The resource as it was before the update, None for one that is new."""
        return next((each for each in self.resources if each.logical_id == logical_id), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "before": self.before.to_json(),
            "resources": [each.to_json() for each in self.resources],
            "keeps_failure": self.keeps_failure,
            "done": list(self.done),
            "current": self.current,
            "old": [each.to_json() for each in self.old],
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(
            StackForm.from_json(raw["before"]),
            tuple(ProvisionedResource.from_json(each) for each in raw["resources"]),
            bool(raw["keeps_failure"]),
            tuple(raw["done"]),
            str(raw["current"]),
            tuple(ProvisionedResource.from_json(each) for each in raw["old"]),
        )


@dataclass(frozen=True, slots=True)
class ProvisionedStack:
    """A stack. `caller` (JSON of a Caller) is whose permissions it has; `on_failure` what follows when a resource fails.

    `update` is there from the beginning of an update until all that it left behind is ended.
    """

    stack_id: str
    name: str
    template: str
    parameters: Mapping[str, str]
    caller: Json
    created_s: float
    status: str
    on_failure: str = "ROLLBACK"
    reason: str = ""
    role_arn: str = ""
    capabilities: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    deleted_s: float = 0.0
    resources: tuple[ProvisionedResource, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    events: tuple[StackChange, ...] = ()
    updated_s: float = 0.0
    change_set_id: str = ""
    is_protected: bool = False
    update: StackUpdate | None = None

    @property
    def is_busy(self) -> bool:
        """True while there is work; a stack that waits for its first change set has none."""
        return self.status.endswith(IN_PROGRESS) and self.status != REVIEW

    @property
    def form(self) -> StackForm:
        return StackForm(self.template, self.parameters, self.caller, self.role_arn, self.capabilities, self.tags, self.outputs)

    def with_form(self, form: StackForm) -> ProvisionedStack:
        """The stack declared to be something else."""
        return replace(
            self,
            template=form.template,
            parameters=form.parameters,
            caller=form.caller,
            role_arn=form.role_arn,
            capabilities=form.capabilities,
            tags=form.tags,
            outputs=form.outputs,
        )

    @property
    def is_gone(self) -> bool:
        return self.status == "DELETE_COMPLETE"

    def resource(self, logical_id: str) -> ProvisionedResource | None:
        return next((each for each in self.resources if each.logical_id == logical_id), None)

    def with_resource(self, changed: ProvisionedResource) -> ProvisionedStack:
        """The stack with that resource in place of the one of its logical id, or as its newest."""
        if self.resource(changed.logical_id) is None:
            return replace(self, resources=(*self.resources, changed))
        resources = tuple(changed if each.logical_id == changed.logical_id else each for each in self.resources)
        return replace(self, resources=resources)

    def to_json(self) -> dict[str, Any]:
        return {
            "stack_id": self.stack_id,
            "name": self.name,
            "template": self.template,
            "parameters": dict(self.parameters),
            "caller": dict(self.caller),
            "created_s": self.created_s,
            "status": self.status,
            "on_failure": self.on_failure,
            "reason": self.reason,
            "role_arn": self.role_arn,
            "capabilities": list(self.capabilities),
            "tags": dict(self.tags),
            "deleted_s": self.deleted_s,
            "resources": [each.to_json() for each in self.resources],
            "outputs": dict(self.outputs),
            "events": [each.to_json() for each in self.events],
            "updated_s": self.updated_s,
            "change_set_id": self.change_set_id,
            "is_protected": self.is_protected,
            "update": None if self.update is None else self.update.to_json(),
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(
            str(raw["stack_id"]),
            str(raw["name"]),
            str(raw["template"]),
            dict(raw["parameters"]),
            dict(raw["caller"]),
            float(raw["created_s"]),
            str(raw["status"]),
            str(raw["on_failure"]),
            str(raw["reason"]),
            str(raw["role_arn"]),
            tuple(raw["capabilities"]),
            dict(raw["tags"]),
            float(raw["deleted_s"]),
            tuple(ProvisionedResource.from_json(each) for each in raw["resources"]),
            dict(raw["outputs"]),
            tuple(StackChange.from_json(each) for each in raw["events"]),
            float(raw.get("updated_s", 0.0)),  # these four are not there in stacks of earlier versions
            str(raw.get("change_set_id", "")),
            bool(raw.get("is_protected", False)),
            StackUpdate.from_json(raw["update"]) if raw.get("update") else None,
        )


@dataclass(frozen=True, slots=True)
class StackDeletion:
    """That a stack is to be ended, and with whose permissions (JSON of a Caller)."""

    stack_id: str
    caller: Json
    role_arn: str

    def to_json(self) -> dict[str, Any]:
        return {"stack_id": self.stack_id, "caller": dict(self.caller), "role_arn": self.role_arn}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(str(raw["stack_id"]), dict(raw["caller"]), str(raw["role_arn"]))
