"""Every fault with a target that is not there, or is of another kind: it is refused in words, and leaves nothing behind.

So is a fault on a stack without the vendor's half that it is about. Which faults are about one is decided here, for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.worlds.catalog import SIMULATION, WORLDS
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import ALL_VENDORS, Vendor
from support.fault_cases import CASES, IN_CONTAINERS, SITUATIONAL, Trial, on_stack

STRANGERS = ("nowhere", "sydney", "melbourne.vault", "managed", "2.0", "client->sydney.host", "")
RAW = re.compile(r"\b[A-Z]\w*(Error|Exception)\b|Traceback")
FREE_TEXT = frozenset({"text", "code", "retry_after"})  # what an answer says, which may be anything
EVERY = (*CASES, *SITUATIONAL)

# What is there with one vendor's half alone, and the faults that look at it. Without that half no look is ever decided.
ABOUT: Mapping[Vendor, Mapping[str, tuple[str, ...]]] = {
    "aws": {
        "IAM's control plane and the account that regions are sent": (
            "access-key-revoke",
            "iam-describe-lag",
            "iam-errors",
            "iam-latency",
            "iam-replication-pause",
            "iam-replication-slow",
        ),
        "metadata of instances and containers": ("metadata-answer",),
    },
    "azure": {
        "token endpoints of machines": ("imds-answer",),
        "identities that come and go on machines": ("host-cache-stale", "identity-attach", "identity-detach"),
        "tokens that hosts cache to be renewed": ("renewal-check",),
        "the key set, its pages, and the APIs that verify with it": (
            "key-set-stale",
            "signing-key-roll",
            "signing-key-withdraw",
            "token-revoke",
        ),
    },
}
# What every stack has: links, nodes with their limits and clocks, builds, store keys, replicas, routes and names.
OF_ANY_STACK = frozenset(
    {
        *("link-blackhole", "link-refuse", "link-reset", "link-slow", "link-stall"),
        *("node-disconnect", "node-kill", "node-old-image", "node-pause", "node-restart", "node-stop", "node-wipe"),
        *("region-kill", "zone-kill", "clock-skew", "failover-region", "failover-zone"),
        *("admit", "capacity", "cold-start", "surge"),
        *("build-pin", "build-rollout", "configure", "freeze"),
        *("key-accept", "key-invalidate", "key-push", "key-rollover", "key-switch", "store-read-only", "replication-pause"),
        *("name-empty", "name-lost", "name-nxdomain", "name-reset", "name-slow", "name-wrong"),
    }
)
NAMES: Mapping[Vendor, str] = {"aws": "sts.ap-southeast-2.amazonaws.com", "azure": "australiaeast.login.microsoft.com"}


def of_kind(kind: str) -> list[Mapping[str, Any]]:
    return [params for made, params in EVERY if made.kind == kind]


def with_strangers(made: type[Fault], params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters with one text at a time replaced by each stranger, those with a default that is left out among them."""
    for name, field in made.model_fields.items():
        known = params.get(name, field.get_default(call_default_factory=True))
        for stranger in STRANGERS if name not in FREE_TEXT else ():
            if isinstance(known, str):
                yield {**params, name: stranger}
            elif isinstance(known, list | tuple):
                yield {**params, name: [stranger]}
                yield {**params, name: [*known, stranger]}


async def refused(trial: Trial, made: type[Fault], params: dict[str, Any]) -> str:
    """How the fault is refused, "" where it can be done; whatever was put in place is taken away again."""
    try:
        fault = made.model_validate(params)
    except ValidationError as wrong:
        return "; ".join(each["msg"] for each in wrong.errors())
    try:
        applied = await trial.life.inject("s", fault, patience_s=0.0)
    except BrownoutError as wrong:
        return wrong.message
    await trial.life.revert(applied.fault_id)
    return applied.evidence if applied.state == "defended" else ""


def test_every_fault_of_the_simulation_is_tried() -> None:
    """One that is installed has a case with parameters that make sense."""
    abilities = WORLDS[SIMULATION].abilities
    assert {kind for kind, made in plugins.faults().items() if made.needs <= abilities} == {made.kind for made, _ in EVERY}


@pytest.mark.parametrize("kind", sorted({made.kind for made, _ in EVERY}))
def test_a_foreign_target_is_refused_in_words(kind: str) -> None:
    """No traceback and no name of a Python exception, whichever parameter is wrong; the stack is as before."""

    async def story(trial: Trial) -> list[str]:
        made = plugins.fault_class(kind)
        wrong = {str(each): each for params in of_kind(kind) for each in with_strangers(made, params)}
        found = [f"{each}: {told}" for each in wrong.values() if RAW.search(told := await refused(trial, made, each))]
        left = [f"{record.params}: {record.state}" for record in trial.ledger.open_faults("s")]
        return [*found, *left]

    assert on_stack(story) == []


def decided() -> dict[str, Vendor | None]:
    """By fault the vendor whose half it is about, None for one of any stack."""
    about: dict[str, Vendor | None] = {
        kind: vendor for vendor, parts in ABOUT.items() for each in parts.values() for kind in each
    }
    return {**dict.fromkeys(OF_ANY_STACK), **about}


def test_for_every_fault_it_is_decided_which_stacks_it_is_for() -> None:
    """A new one is to be put into ABOUT or OF_ANY_STACK, and declares the same."""
    bundled = {kind: made for kind, made in plugins.faults().items() if made.__module__.startswith("brownout.faults.")}
    assert {kind: made.vendor for kind, made in bundled.items()} == decided()


def on_a_stack_of(vendor: Vendor, made: type[Fault], params: Mapping[str, Any]) -> Fault:
    """The fault with the case's parameters; an endpoint's name is one that such a stack has."""
    return made.model_validate({**params, "name": NAMES[vendor]} if made.family == "name" else dict(params))


@pytest.mark.parametrize("vendor", ALL_VENDORS)
@pytest.mark.parametrize(("made", "params"), [*EVERY, *IN_CONTAINERS])
def test_a_fault_about_the_other_half_is_refused_before_anything_is_touched(
    made: type[Fault], params: Mapping[str, Any], vendor: Vendor
) -> None:
    """The refusal names the fault, the vendors of the stack and what to do; every other fault has its carriers there."""
    fault, spec = on_a_stack_of(vendor, made, params), build_stack(seed=1, vendors=(vendor,))
    if decided()[made.kind] in (None, vendor):
        assert made.family == "name" or fault.carriers(spec)  # the spec of a stack without an edge has no names
        return
    with pytest.raises(UsageError, match=f"^{made.kind} is about .*vendors are {vendor} alone") as wrong:
        fault.carriers(spec)
    assert "vendors: [aws, azure]" in wrong.value.hint


@pytest.mark.parametrize("vendor", ALL_VENDORS)
@pytest.mark.parametrize(("made", "params"), EVERY)
def test_a_fault_that_is_not_refused_is_decided(made: type[Fault], params: Mapping[str, Any], vendor: Vendor) -> None:
    """On a stack of one vendor it is seen to bite, unless it needs a situation, and to be gone: as on one of both."""

    async def story(trial: Trial) -> tuple[str, str]:
        applied = await trial.life.inject("s", on_a_stack_of(vendor, made, params))
        return applied.state, (await trial.life.revert(applied.fault_id)).state

    if decided()[made.kind] in (None, vendor):
        state, ended = on_stack(story, vendors=(vendor,))
        assert (state == "bitten" or (made, params) in SITUATIONAL, ended) == (True, "healed")
