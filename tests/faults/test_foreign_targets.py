"""Every fault with a target that is not there, or is of another kind: it is refused in words, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from brownout.harness.errors import BrownoutError
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault
from brownout.harness.worlds.catalog import SIMULATION, WORLDS
from support.fault_cases import CASES, SITUATIONAL, Trial, on_stack

STRANGERS = ("nowhere", "sydney", "melbourne.vault", "managed", "2.0", "client->sydney.host", "")
RAW = re.compile(r"\b[A-Z]\w*(Error|Exception)\b|Traceback")
FREE_TEXT = frozenset({"text", "code", "retry_after"})  # what an answer says, which may be anything
EVERY = (*CASES, *SITUATIONAL)


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
