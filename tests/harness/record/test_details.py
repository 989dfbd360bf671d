"""What readers take an event's detail for is looked at when the record is read."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.record.details import require_detail

PROMISES: dict[str, Any] = {
    "tenant_id": "t",
    "account_id": "",
    "publish_interval_s": 20,
    "iam_publish_interval_s": 1.0,
    "clock_rate": 10.0,
    "key_cache_s": 0.0,
}


def without(detail: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in detail.items() if name != key}


@pytest.mark.parametrize(
    ("kind", "what", "detail"),
    [
        (
            "act",
            "applied",
            {"carriers": ["node:sydney.store"], "reach": {"nodes": ["sydney.store"]}, "seen_s": None, "other": 1},
        ),
        ("gate", "clock", {"passed": False, "reason": "x", "severity": "harness-error"}),
        ("note", "primed", {"routes": {"trail": ["web-1"]}}),
        (
            "look",
            "state",
            {
                "began_s": 3.0,
                "held": {"sydney.vault": {"replica": 3, "account": 1}},
                "refused_keys": {"sydney.store": ["manual-sydney-1"]},
                "published_keys": {"sydney.token.z1": {"k-1": None, "k-2": 4.5}},
            },
        ),
        ("act", "applied", {"reach": {"links": ["client->sydney.host"], "replicas": ["sydney.vault"], "machines": ["web-1"]}}),
        ("look", "promises", PROMISES),
        ("look", "promises", without(PROMISES, "key_cache_s")),
        ("load", "gauges", {"issued": 3, "lag_p99_ms": 0.5}),
    ],
)
def test_what_runs_record_is_taken(kind: str, what: str, detail: dict[str, Any]) -> None:
    """Keys that only people read may be anything."""
    require_detail(kind, what, detail)


@pytest.mark.parametrize(
    ("kind", "what", "detail", "words"),
    [
        ("act", "applied", {"carriers": "link:a->b"}, "detail.carriers should be a list of texts"),
        ("act", "applied", {"reach": ["x"]}, "detail.reach should be lists of names"),
        ("act", "applied", {"reach": {"nodes": [1]}}, "detail.reach"),
        ("act", "applied", {"reach": {"nodes": ["sydney"]}}, "detail.reach"),
        ("act", "applied", {"reach": {"links": ["client->store"]}}, "detail.reach"),
        (
            "look",
            "state",
            {"began_s": 0.0, "held": {"store": {"replica": 1}}},
            "detail.held should be versions by node and kind",
        ),
        ("look", "state", {"began_s": 0.0, "refused_keys": {"a": []}}, "detail.refused_keys should be lists of texts by node"),
        (
            "look",
            "state",
            {"began_s": 0.0, "accepted_keys": {"a": []}},
            "detail.accepted_keys should be lists of texts by node",
        ),
        (
            "look",
            "state",
            {"began_s": 0.0, "published_keys": {"a": {}}},
            "detail.published_keys should be times by node and key",
        ),
        ("look", "state", {"began_s": 0.0, "published_keys": {"sydney.token.z1": {"k": "then"}}}, "detail.published_keys"),
        ("look", "state", {"held": {}}, "detail.began_s is missing: it should be a number"),
        (
            "look",
            "promises",
            PROMISES | {"key_cache_s": "long"},
            "detail.key_cache_s should be a number or nothing, not 'long'",
        ),
        *(("look", "promises", without(PROMISES, key), f"detail.{key} is missing") for key in PROMISES if key != "key_cache_s"),
        ("act", "lost", {"seen_s": "then"}, "detail.seen_s should be a number or nothing, not 'then'"),
        ("gate", "clock", {"severity": "green"}, "detail.severity should be one of inconclusive"),
        ("gate", "clock", {"severity": ["unsafe"]}, "detail.severity"),
        ("gate", "clock", {"passed": "yes"}, "detail.passed should be true or false"),
        ("note", "primed", {"routes": 1e3}, "detail.routes should be lists of texts by trail"),
        ("load", "gauges", {"issued": "many"}, "gauges should be finite numbers"),
    ],
)
def test_another_type_is_damage(kind: str, what: str, detail: dict[str, Any], words: str) -> None:
    """It is told with what it should be, and so is what is not there."""
    with pytest.raises(TypeError, match=words):
        require_detail(kind, what, detail)
