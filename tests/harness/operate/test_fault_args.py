"""Faults and settings as a command line writes them: what is filled in, and what is said of mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.errors import AbilityMissing, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.operate.fault_args import field_lines, spoken_fault, usage
from brownout.harness.operate.setting_args import spoken_settings
from brownout.harness.worlds.catalog import check_able

FAULTS: tuple[tuple[str, str | None, tuple[str, ...], dict[str, Any]], ...] = (
    ("link-refuse", "sydney.token->sydney.store", (), {"link": "sydney.token->sydney.store"}),
    ("link-slow", "a->b", ("latency=300ms", "direction=both"), {"link": "a->b", "latency": "300ms", "direction": "both"}),
    ("node-kill", "sydney.token.z1", (), {"node": "sydney.token.z1"}),
    ("zone-kill", "sydney.z1", (), {"region": "sydney", "zone": "z1"}),
    ("zone-kill", None, ("region=sydney", "zone=z1"), {"region": "sydney", "zone": "z1"}),
    ("imds-answer", "sydney", ("status=429",), {"region": "sydney", "status": 429}),
    ("imds-answer", "sydney.web-1", ("status=500",), {"region": "sydney", "machine": "web-1", "status": 500}),
    ("imds-answer", "sydney", ("status=410", "body={a: b}"), {"region": "sydney", "status": 410, "body": {"a": "b"}}),
    ("build-pin", "melbourne", ("build=1.0",), {"region": "melbourne", "build": "1.0"}),
    ("build-rollout", None, ("build=2.0",), {"build": "2.0"}),
    ("configure", "a,b", ("set.force_managed_key=true",), {"regions": ["a", "b"], "set": {"force_managed_key": True}}),
    ("replication-pause", "[melbourne]", (), {"regions": ["melbourne"]}),
    ("failover-zone", "sydney.z1", ("to=z2",), {"region": "sydney", "zone": "z1", "to": "z2"}),
    ("freeze", None, (), {}),
)
MISTAKES: tuple[tuple[str, str | None, tuple[str, ...], str], ...] = (
    ("link-refus", "a->b", (), "did you mean 'link-refuse'"),
    ("link-refuse", None, (), "link-refuse needs a target"),
    ("link-refuse", None, (), "brownout inject link-refuse --target LINK"),
    ("link-refuse", None, ("tagret=a->b",), "link-refuse has no parameter 'tagret'"),
    ("link-refuse", None, ("tagret=a->b",), "did you mean 'target'"),
    ("node-kill", None, ("nod=sydney.token.z1",), "did you mean 'node'"),
    ("zone-kill", "sydney", (), "does not say which zone"),
    ("freeze", "sydney", (), "takes no target"),
    ("link-slow", "a->b", (), "the key 'latency' is missing"),
    ("link-slow", "a->b", ("latncy=300ms",), "did you mean 'latency'"),
    ("link-slow", "a->b", ("latency",), "NAME=VALUE"),
    ("link-slow", "a->b", ("latency=1s", "latency=2s"), "given twice"),
    ("link-refuse", "a->b", ("link=a->c",), "given twice"),
    ("configure", None, ("set.force_managed_key=true", "set.force_managed_key=false"), "given twice"),
    ("configure", None, ("set={force_managed_key: true}", "set={}"), "given twice"),
    ("configure", None, ("set={",), "not valid YAML"),
    ("imds-answer", "sydney", ("status=0600",), "0600 without quotes is the number 384 in YAML 1.1"),
    ("imds-answer", "sydney", ("status=!!int x",), "tags are not allowed"),
    ("imds-answer", "sydney", ("status=429", "times=.inf"), "no finite number"),
    ("imds-answer", "sydney", ("status=429", "times=true"), "a number is needed here, not true"),
    ("imds-answer", "sydney", ("status=100",), "greater than or equal to 200"),
    ("configure", None, ("set.force_managed_key=yes",), "reads yes without quotes as true"),
    ("link-slow", "a->b", ("latency=\ud800s",), "U+D800"),
    ("imds-answer", "sydney", ("status=often",), "status"),
)


@pytest.mark.parametrize(("kind", "target", "settings", "params"), FAULTS)
def test_what_is_written_is_the_fault(kind: str, target: str | None, settings: tuple[str, ...], params: dict[str, Any]) -> None:
    """The words make the very fault that the parameters make in an experiment file."""
    assert spoken_fault(kind, target, settings) == plugins.fault(kind, params)


@pytest.mark.parametrize(("kind", "target", "settings", "said"), MISTAKES)
def test_what_is_wrong_is_said(kind: str, target: str | None, settings: tuple[str, ...], said: str) -> None:
    """A mistake is bad usage that names it and shows how the fault is written."""
    with pytest.raises(UsageError) as caught:
        spoken_fault(kind, target, settings)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


KEYS, IAM = ("signing-key-roll", "signing-key-withdraw"), ("iam-errors", "iam-latency", "iam-describe-lag")
WHOLE = ("freeze", *KEYS, *IAM)  # of the one control plane


@pytest.mark.parametrize("kind", plugins.faults().values(), ids=lambda kind: kind.kind)
def test_every_fault_says_what_its_target_is(kind: type[Fault]) -> None:
    """A target names parameters that there are, needed ones before others, and only a fault of the whole stack has none."""
    needed = [kind.model_fields[name].is_required() for name in kind.target]
    assert needed == sorted(needed, reverse=True)
    assert bool(kind.target) is (kind.kind not in WHOLE)
    assert usage(kind).startswith(kind.kind)
    assert all(name.upper() in usage(kind) or f"{name}=" in usage(kind) for name in kind.model_fields)


def test_a_world_that_lacks_an_ability_is_named_before_anything_starts() -> None:
    """The error says which worlds have it."""
    with pytest.raises(AbilityMissing) as caught:
        check_able("clock-skew", {"clock:none-has-this"}, "processes")
    assert caught.value.exit_code == 2


SETTINGS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("token_alg=RS256",), {"token_alg": "RS256"}),
    (("key_overlap_s=30", "readiness_gate=true"), {"key_overlap_s": 30.0, "readiness_gate": True}),
    (("builds.sydney=2.0", "builds.melbourne=0.9"), {"builds": {"sydney": "2.0", "melbourne": "0.9"}}),
    (("extra_resources=api://a, api://b",), {"extra_resources": ["api://a", "api://b"]}),
    (("pins.sydney=1.0",), {"pins": {"melbourne": "1.0", "sydney": "1.0"}}),
)


@pytest.mark.parametrize(("texts", "settings"), SETTINGS)
def test_single_settings_go_over_those_of_the_posture(texts: tuple[str, ...], settings: dict[str, Any]) -> None:
    """The text is read as the setting's own type, and what the posture says besides stays."""
    posture = {"deployer_detects_pins": True, "pins": {"melbourne": "1.0"}}
    assert spoken_settings(texts, over=posture) == {**posture, **settings}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("token_algo=RS256", "did you mean 'token_alg'"),
        ("builds=2.0", "builds.sydney=2.0"),
        ("token_alg.x=RS256", "token_alg=VALUE"),
        ("key_overlap_s=long", "is a number"),
        ("key_overlap_s=nan", "is a number"),
        ("key_overlap_s=inf", "is a number"),
        ("key_overlap_s=1_0", "is a number"),
        ("key_overlap_s=1e999", "no finite number"),
        ("readiness_gate=maybe", "true or false"),
        ("token_alg", "NAME=VALUE"),
        ("planted=store-key-grace", "brownout search --plant"),
    ],
)
def test_a_wrong_setting_is_bad_usage(text: str, said: str) -> None:
    """The message says what it should have been."""
    with pytest.raises(UsageError) as caught:
        spoken_settings((text,), over={})
    assert said in str(caught.value)


def test_every_field_of_every_fault_is_explained() -> None:
    """`brownout faults KIND` shows what each field means, how it is written, and whether it may be left out."""
    for kind in plugins.faults().values():
        for name, line in zip(kind.model_fields, field_lines(kind), strict=True):
            assert kind.model_fields[name].description or name in kind.target, (kind.kind, name)
            assert line.startswith(name)
            assert line.endswith(("; required", "; may be left out")) or "; default " in line
    assert (
        'added to each direction, such as "300ms"; at least 0.01 s; at most 60 s; required'
        in field_lines(plugins.faults()["link-slow"])[1]
    )
