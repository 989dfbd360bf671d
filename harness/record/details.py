"""What an event's detail may hold: readers rely on these types, so that a damaged record is told at its line.

A key has one meaning in all events. Keys that are not here are told to people only, as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import chain
from types import NoneType
from typing import Any, get_args

from brownout.harness.record.result import Severity
from brownout.identity.core.topology import NodeName

Fits = Callable[[Any], bool]
_TEXT, _COUNT = frozenset({str}), frozenset({int})  # what is read from JSON has these very types, and true is no count


def require_detail(kind: str, what: str, detail: Mapping[str, Any]) -> None:
    """Raises TypeError for a value that is not what its readers take it for, and for one that they need and is not there."""
    for key in _NEEDED.get((kind, what), ()):
        if key not in detail:
            raise TypeError(f"detail.{key} is missing: it should be {_KEYS[key][0]}")
    for key, value in detail.items():
        needed, fits = _KEYS.get(key, ("anything", _anything))
        if not fits(value):
            raise TypeError(f"detail.{key} should be {needed}, not {str(value)[:40]!r}")
    if (kind, what) == ("load", "gauges") and not all(map(_is_number, detail.values())):
        raise TypeError("gauges should be finite numbers")


def _anything(value: Any) -> bool:
    return True


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and set(map(type, value)) <= _TEXT


def _is_table_of_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_texts, value.values()))


def _is_table_of_text(value: Any) -> bool:
    return isinstance(value, dict) and set(map(type, value.values())) <= _TEXT


@lru_cache(maxsize=4096)  # a look at the state names every node several times
def _is_node(text: str) -> bool:
    try:
        NodeName.parse(text)
    except ValueError:
        return False
    return True


def _is_link(text: str) -> bool:
    source, _, target = text.partition("->")
    return source != "" and _is_node(target)


def _by_node(kind: type[dict[str, Any] | list[Any]], parts: frozenset[type]) -> Fits:
    """For a table by names of nodes, which readers take apart, of tables or lists whose values have these types.

    Spelt in sets: each look at the state of a stack tells of every node.
    """

    def fits(value: Any) -> bool:
        if not (isinstance(value, dict) and all(map(_is_node, value)) and set(map(type, value.values())) <= {kind}):
            return False
        told = value.values() if kind is list else map(dict.values, value.values())
        return set(map(type, chain.from_iterable(told))) <= parts

    return fits


def _is_reach(value: Any) -> bool:
    named = _is_table_of_texts(value) and all(map(_is_link, value.get("links", ())))
    return named and all(map(_is_node, (*value.get("nodes", ()), *value.get("replicas", ()))))


def _are_times_by_node(value: Any) -> bool:
    if not _has_times_by_node(value):
        return False
    return all(each is None or math.isfinite(each) for keys in value.values() for each in keys.values())


_has_times_by_node = _by_node(dict, frozenset({int, float, NoneType}))


def _is_table_of_counts(value: Any) -> bool:
    return isinstance(value, dict) and set(map(type, value.values())) <= _COUNT


_PROMISES = dict.fromkeys(("publish_interval_s", "iam_publish_interval_s", "clock_rate"), ("a number", _is_number))
_OWNERS = {name: ("text", lambda value: isinstance(value, str)) for name in ("tenant_id", "account_id")}
_KEYS: Mapping[str, tuple[str, Fits]] = {
    "passed": ("true or false", lambda value: isinstance(value, bool)),
    "severity": (f"one of {', '.join(get_args(Severity))}", lambda value: value in get_args(Severity)),
    "carriers": ("a list of texts", _is_texts),
    "seen_s": ("a number or nothing", lambda value: value is None or _is_number(value)),
    "params": ("a table", lambda value: isinstance(value, dict)),
    "reach": ("lists of names of links and nodes", _is_reach),
    "routes": ("lists of texts by trail", _is_table_of_texts),
    "began_s": ("a number", _is_number),
    "sent": ("versions by publication", _is_table_of_counts),
    "held": ("versions by node and kind", _by_node(dict, _COUNT)),
    "withdrawn": ("names by subject", _is_table_of_text),
    "returned": ("a list of texts", _is_texts),
    "refused_keys": ("lists of texts by node", _by_node(list, _TEXT)),
    "accepted_keys": ("lists of texts by node", _by_node(list, _TEXT)),
    "published_keys": ("times by node and key", _are_times_by_node),
    "key_cache_s": ("a number or nothing", lambda value: value is None or _is_number(value)),
    **_PROMISES,
    **_OWNERS,
}
# What its readers cannot do without, by kind and what of the event.
_NEEDED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("look", "promises"): (*_PROMISES, *_OWNERS),
    ("look", "state"): ("began_s",),
}
