"""What readers take an event's detail for is looked at when the record is read."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.record.details import require_detail


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
                "held": {"sydney.vault": {"replica": 3, "account": 1}},
                "refused_keys": {"sydney.store": ["manual-sydney-1"]},
                "published_keys": {"sydney.token.z1": {"k-1": None, "k-2": 4.5}},
            },
        ),
        ("act", "applied", {"reach": {"links": ["client->sydney.host"], "replicas": ["sydney.vault"], "machines": ["web-1"]}}),
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
        ("look", "state", {"held": {"store": {"replica": 1}}}, "detail.held should be versions by node and kind"),
        ("look", "state", {"refused_keys": {"a": []}}, "detail.refused_keys should be lists of texts by node"),
        ("look", "state", {"accepted_keys": {"a": []}}, "detail.accepted_keys should be lists of texts by node"),
        ("look", "state", {"published_keys": {"a": {}}}, "detail.published_keys should be times by node and key"),
        ("look", "state", {"published_keys": {"sydney.token.z1": {"k": "then"}}}, "detail.published_keys"),
        ("act", "lost", {"seen_s": "then"}, "detail.seen_s should be a number or nothing, not 'then'"),
        ("gate", "clock", {"severity": "green"}, "detail.severity should be one of inconclusive"),
        ("gate", "clock", {"severity": ["unsafe"]}, "detail.severity"),
        ("gate", "clock", {"passed": "yes"}, "detail.passed should be true or false"),
        ("note", "primed", {"routes": 1e3}, "detail.routes should be lists of texts by trail"),
        ("load", "gauges", {"issued": "many"}, "gauges should be finite numbers"),
    ],
)
def test_another_type_is_damage(kind: str, what: str, detail: dict[str, Any], words: str) -> None:
    """It is told with what it should be."""
    with pytest.raises(TypeError, match=words):
        require_detail(kind, what, detail)
