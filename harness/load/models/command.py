"""command: clients of the user's own application that are programs, each arrival one run of the cohort's command."""

from __future__ import annotations

from brownout.harness.load.models.asks import COMMAND
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, ClientModel, Clients, Operation, Script
from brownout.identity.core.messages import Request

EXIT_CODE = "exit_code"


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """One run of the command; it happened when the exit code is 0."""
    ended = yield Call(COMMAND, Request("POST", f"/{arrival.cohort}"))
    if ended.ok:
        return ArrivalResult(0, "happened")
    return ArrivalResult(0, "refused", f"exit-{(ended.body or {}).get(EXIT_CODE, '')}")


COMMANDS = ClientModel(
    name="command",
    operations=(Operation("run", weight=1, home="none"),),
    script=script,
    target=0.99,
    vendor="",
    needs_subject=True,
)
