"""Templates of stacks: JSON or YAML that names resources, what they refer to, and in which order they can be made.

Of the intrinsic functions there are Ref, Fn::GetAtt, Fn::Sub and Fn::Join. Wire facts:
docs/reference/aws-wire.md#provisioning-with-templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.provisioning.yaml_template import NotYaml, read_yaml

NO_VALUE = "AWS::NoValue"
PSEUDO = ("AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix", NO_VALUE)
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]*)\}")


@dataclass(frozen=True, slots=True)
class ResourceSpec:
    """A resource of a template, with the logical ids of what has to be there before it."""

    logical_id: str
    kind: str
    properties: Mapping[str, Any]
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StackTemplate:
    """A template that was read and checked. `defaults` has each parameter's default, None for one that must be given."""

    description: str
    defaults: Mapping[str, str | None]
    resources: Mapping[str, ResourceSpec]
    outputs: Mapping[str, Any]

    def order(self) -> tuple[str, ...]:
        """The logical ids, each after all that it needs; raises AwsError ValidationError for a circle."""
        found: list[str] = []
        left = dict(self.resources)
        while left:
            ready = [name for name, spec in left.items() if all(need not in left for need in spec.needs)]
            if not ready:
                raise validation_error(f"Circular dependency between resources: [{', '.join(sorted(left))}]")
            found += ready
            left = {name: spec for name, spec in left.items() if name not in ready}
        return tuple(found)


@dataclass(frozen=True, slots=True)
class TemplateScope:
    """What references in a template mean: values by name, and attributes of resources by logical id (`Ref` among them)."""

    values: Mapping[str, str]
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def ref(self, name: str) -> str:
        known = self.values.get(name)
        return self.attributes[name]["Ref"] if known is None else known


def parse_template(text: str, kinds: Mapping[str, object]) -> StackTemplate:
    """The template in a text whose resources are of these kinds; raises AwsError ValidationError as the real service."""
    raw = _read(text)
    if not isinstance(raw.get("Resources"), dict) or not raw["Resources"]:
        raise _malformed("At least one Resources member must be defined.")
    defaults = {name: _default(name, each) for name, each in _table(raw, "Parameters").items()}
    resources = {name: _resource(name, each) for name, each in raw["Resources"].items()}
    unknown = sorted({spec.kind for spec in resources.values()} - set(kinds))
    if unknown:
        raise _malformed(f"Unrecognized resource types: [{', '.join(unknown)}]")
    outputs = {name: each.get("Value") for name, each in _table(raw, "Outputs").items() if isinstance(each, dict)}
    template = StackTemplate(str(raw.get("Description", "")), defaults, resources, outputs)
    _check_references(template)
    template.order()
    return template


def _read(text: str) -> Mapping[str, Any]:
    """What a text in JSON, or else in YAML, says."""
    try:
        raw = json.loads(text) if text.lstrip().startswith("{") else read_yaml(text)
    except json.JSONDecodeError as wrong:
        raise _malformed(f"JSON not well-formed. (line {wrong.lineno}, column {wrong.colno})") from None
    except (ValueError, RecursionError):
        raise _malformed("JSON not well-formed.") from None
    except NotYaml as wrong:
        raise _malformed(f"YAML not well-formed. {wrong}".rstrip()) from None
    if not isinstance(raw, dict):
        raise _malformed("unsupported structure.")
    return raw


def _malformed(what: str) -> AwsError:
    return validation_error(f"Template format error: {what}")


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name, {})
    if not isinstance(found, dict):
        raise _malformed(f"{name} must be an object.")
    return found


def _default(name: str, raw: Any) -> str | None:
    if not isinstance(raw, dict):
        raise _malformed(f"Every Parameters object must contain a Type member: {name}.")
    return None if raw.get("Default") is None else str(raw["Default"])


def _resource(name: str, raw: Any) -> ResourceSpec:
    if not name.isalnum():
        raise _malformed(f"Resource name {name} is non alphanumeric.")
    if not isinstance(raw, dict) or not isinstance(raw.get("Type"), str):
        raise _malformed(f"[/Resources/{name}] Every Resources object must contain a Type member.")
    properties, depends = raw.get("Properties", {}), raw.get("DependsOn", [])
    if not isinstance(properties, dict):
        raise _malformed(f"[/Resources/{name}/Properties] Properties must be an object.")
    named = [depends] if isinstance(depends, str) else depends
    if not isinstance(named, list):
        raise _malformed(f"[/Resources/{name}] DependsOn must be a name or a list of names.")
    needs = dict.fromkeys((*map(str, named), *(ref for ref in references(properties) if ref not in PSEUDO)))
    return ResourceSpec(name, raw["Type"], properties, tuple(needs))


def _check_references(template: StackTemplate) -> None:
    known = {*template.defaults, *template.resources, *PSEUDO}
    for spec in template.resources.values():
        missing = [need for need in spec.needs if need not in known]
        if missing:
            raise _malformed(f"Unresolved resource dependencies [{', '.join(missing)}] in the Resources block of the template")
    if any(ref not in known for value in template.outputs.values() for ref in references(value)):
        raise _malformed("Unresolved resource dependencies in the Outputs block of the template")


def references(value: Any) -> Iterator[str]:
    """The names that a value refers to, in their order."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
        return
    if not isinstance(value, dict):
        return
    function, argument = _function(value)
    if function == "Ref":
        yield str(argument)
    elif function == "Fn::GetAtt":
        yield _attribute(argument)[0]
    elif function == "Fn::Sub":
        text, own = _substitution(argument)
        yield from (name.partition(".")[0] for kept, name in _PLACEHOLDER.findall(text) if not kept and name not in own)
        yield from references(list(own.values()))
    else:
        for item in value.values():
            yield from references(item)


def resolve(value: Any, scope: TemplateScope) -> Any:
    """The value with its references put in place; raises AwsError ValidationError for an attribute that a resource has not."""
    if isinstance(value, list):
        return [found for item in value if (found := resolve(item, scope)) is not None]
    if not isinstance(value, dict):
        return value
    function, argument = _function(value)
    try:
        if function == "Ref":
            return None if argument == NO_VALUE else scope.ref(str(argument))
        if function == "Fn::GetAtt":
            name, attribute = _attribute(argument)
            return scope.attributes[name][attribute]
        if function == "Fn::Join":
            return str(argument[0]).join(str(item) for item in resolve(argument[1], scope))
        if function == "Fn::Sub":
            return _substituted(argument, scope)
    except (KeyError, IndexError, TypeError):
        raise validation_error(f"Template error: {function} with {json.dumps(argument)} cannot be resolved.") from None
    return {key: found for key, item in value.items() if (found := resolve(item, scope)) is not None}


def _function(value: Mapping[str, Any]) -> tuple[str, Any]:
    """The intrinsic function that an object calls with its argument; "" for a plain object."""
    if len(value) == 1:
        (name, argument), *_ = value.items()
        if name == "Ref" or name.startswith("Fn::"):
            return name, argument
    return "", None


def _attribute(argument: Any) -> tuple[str, str]:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2:
        raise _malformed("Fn::GetAtt needs the name of a resource and an attribute.")
    return str(parts[0]), str(parts[1])


def _substitution(argument: Any) -> tuple[str, Mapping[str, Any]]:
    """The text of an Fn::Sub and the names that it brings along."""
    text, own = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})
    if not isinstance(text, str) or not isinstance(own, dict):
        raise _malformed("Fn::Sub needs a text, or a list of a text and an object.")
    return text, own


def _substituted(argument: Any, scope: TemplateScope) -> str:
    text, given = _substitution(argument)
    own = {name: str(resolve(value, scope)) for name, value in given.items()}

    def put(match: re.Match[str]) -> str:
        kept, name = match.groups()
        if kept:
            return f"${{{name}}}"
        resource, dot, attribute = name.partition(".")
        return own.get(name) or (scope.attributes[resource][attribute] if dot else scope.ref(name))

    return _PLACEHOLDER.sub(put, text)
