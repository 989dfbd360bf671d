"""Templates in YAML, as the objects that the same templates in JSON are: with the short forms of intrinsic functions.

`!Ref Name` is `{"Ref": "Name"}`, and `!Sub`, `!GetAtt`, `!Join` and the others stand for `Fn::` and their name. What
CloudFormation leaves out of YAML is left out here: aliases, merged keys, binary and time stamps, so that a policy's version
is a text without quotes too. PyYAML is read nowhere else in the service. Wire facts:
docs/reference/aws-wire.md#provisioning-with-templates.
"""

from __future__ import annotations

from typing import Any

import yaml

_PLAIN = ("Ref", "Condition")  # the short forms that stand for a key of the same name
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class NotYaml(Exception):
    """The text is no YAML of a template; the message says what and where."""


class _TemplateLoader(yaml.SafeLoader):
    """YAML of templates."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            alias = self.peek_event()  # type: ignore[no-untyped-call]  # its stub has no types
            raise yaml.MarkedYAMLError(problem="aliases are not supported", problem_mark=alias.start_mark)
        return super().compose_node(parent, index)


def _mapping(loader: _TemplateLoader, node: yaml.Node) -> dict[str, Any]:
    """An object; keys are texts, and each is there once."""
    assert isinstance(node, yaml.MappingNode), "a mapping is constructed from one"
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
            raise yaml.MarkedYAMLError(problem="a key is a text", problem_mark=key_node.start_mark)
        if key_node.value in found:
            raise yaml.MarkedYAMLError(problem=f"the key {key_node.value} is there twice", problem_mark=key_node.start_mark)
        found[key_node.value] = loader.construct_object(value_node, deep=True)
    return found


def _short_form(loader: _TemplateLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = _mapping(loader, node)
    return {name if name in _PLAIN else f"Fn::{name}": value}


# Its own resolvers, because a class without any shares those of its base.
_TemplateLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _TIMESTAMP]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_TemplateLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
_TemplateLoader.add_multi_constructor("!", _short_form)


def read_yaml(text: str) -> Any:
    """What the text says; raises NotYaml."""
    try:
        return yaml.load(text, Loader=_TemplateLoader)  # noqa: S506  # a safe loader of our own
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        place = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
        raise NotYaml(place.strip()) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise NotYaml("") from None
