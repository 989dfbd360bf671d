"""Acts of the deployer that overlap: once all are undone none is called stuck, whatever the stack had without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from brownout.harness.experiment import plugins
from brownout.identity.core.nodes.fleet import Fleet
from support.fault_cases import Trial, on_stack

ROLLOUTS = [("build-rollout", {"build": build, "regions": ["melbourne"]}) for build in ("2.0", "1.0")]
PINS = [("build-pin", {"region": "melbourne", "build": build}) for build in ("0.9", "1.0")]
CONFIGURED = [("configure", {"regions": ["melbourne"], "set": {"force_managed_key": value}}) for value in (True, False)]


@pytest.mark.parametrize(("first", "second"), [ROLLOUTS, PINS, CONFIGURED], ids=["build-rollout", "build-pin", "configure"])
def test_what_the_stack_has_without_faults_is_no_effect(
    first: tuple[str, Mapping[str, Any]], second: tuple[str, Mapping[str, Any]]
) -> None:
    """The second asks for what the stack had before the first, and is undone last: what stays is the stack's own."""

    async def story(trial: Trial) -> list[str]:
        ids = [(await trial.life.inject(kind, plugins.fault(kind, params))).fault_id for kind, params in (first, second)]
        states = [trial.ledger.fault(fault_id).state for fault_id in ids]
        await trial.life.revert(ids[0])
        await trial.life.revert(ids[1])
        await trial.life.revert_all()
        return [*states, *(trial.ledger.fault(fault_id).state for fault_id in ids)]

    assert on_stack(story) == ["bitten", "bitten", "healed", "healed"]


@pytest.mark.parametrize(
    ("kind", "params"), [ROLLOUTS[0], PINS[0], CONFIGURED[0]], ids=["build-rollout", "build-pin", "configure"]
)
def test_a_node_that_keeps_what_it_was_given_is_not_called_healed(
    kind: str, params: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that no node follows leaves the effect, and the fault is stuck."""

    async def story(trial: Trial) -> str:
        applied = await trial.life.inject(kind, plugins.fault(kind, params))
        for name in ("settle", "settle_builds", "settle_configs"):
            monkeypatch.setattr(Fleet, name, _nothing)
        return (await trial.life.revert(applied.fault_id)).state

    assert on_stack(story) == "stuck"


async def _nothing(*_: object) -> dict[str, bool]:
    return {}
