"""What the fault API takes and answers. The OpenAPI document is made of these models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from brownout.harness.base.models import FrozenModel
from brownout.harness.experiment.model import BlastRadius
from brownout.harness.injection.ledger_records import State
from brownout.harness.operate.inject import LONGEST_S
from brownout.harness.operate.status import StackView

LEASE_TTL_S = 300.0


class FaultOrder(FrozenModel):
    """A fault to put in place, and for how long it stays there without being asked for again."""

    fault: str = Field(description="the kind, as `brownout faults` lists them")
    target: str | None = Field(
        None, description="what it is done to: a link, a node, REGION or REGION.ZONE; fills the parameters that say so"
    )
    parameters: Mapping[str, Any] = Field(default_factory=dict, description="the fault's parameters, as in an experiment")
    lease_ttl_s: float = Field(
        LEASE_TTL_S, ge=1, le=LONGEST_S, description="seconds after which it is undone, unless it is put again before"
    )
    at_once: BlastRadius = Field(
        default_factory=BlastRadius, description="how much may be broken at once, by all faults of the stack together"
    )
    keep: bool = Field(False, strict=True, description="whether it stays in place also when it is not seen to bite")


class ProblemDocument(FrozenModel):
    """An error as RFC 9457 has it. `detail` says what is wrong, `hint` what to do next; both are for people.

    `type` names the error. `exit_code` is that of the command line for the same error. Some errors have fields of their own.
    """

    type: str
    title: str
    status: int
    detail: str
    hint: str = ""
    exit_code: int
    kind: str | None = Field(None, description="of not-proven: the fault's kind")
    fault: str | None = Field(None, description="of ability-missing: the fault's kind")
    ability: str | None = Field(None, description="of ability-missing: what the world cannot do")
    world: str | None = Field(None, description="of ability-missing: the stack's world")
    worlds: tuple[str, ...] | None = Field(None, description="of ability-missing: the worlds that can")


class ShownFault(FrozenModel):
    """A fault as the ledger has it. `state` is `pending` before the ledger has it, and `failed` where `problem` says why.

    Times are UTC. `lease_until` and `lease_left_s` are null for one that is not left in place.
    """

    name: str
    id: str = Field(description="the ledger's id; empty where it has none")
    fault: str
    target: str
    parameters: Mapping[str, Any]
    describe: str
    state: State | Literal["pending", "failed"]
    evidence: str
    since: str | None = None
    lease_until: str | None = None
    lease_left_s: float | None = None
    bite_ms: float | None = Field(None, description="from just before the apply to the look that proved the bite")
    heal_ms: float | None = Field(None, description="from just before the release to the look that proved the heal")
    lost: str | None = Field(None, description="how it was found to be no longer in force before it was undone")
    problem: ProblemDocument | None = None


class FaultList(FrozenModel):
    """The faults of a stack that may be in place, in the order in which they were intended."""

    stack: str
    faults: tuple[ShownFault, ...]


class StackStatus(FrozenModel):
    """The stack as `brownout status` shows it; `halted` says why nothing is injected, null where nothing is halted."""

    halted: str | None
    stack: StackView
