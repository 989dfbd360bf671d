"""http: clients of the user's own application, each arrival one HTTP request to the subject of the run."""

from __future__ import annotations

from brownout.harness.load.models.asks import SUBJECT, HttpAsk
from brownout.harness.load.models.model import Arrival, ArrivalResult, Call, ClientModel, Clients, Operation, Script

REQUEST = "request"
_PLAIN = HttpAsk()


def script(arrival: Arrival, clients: Clients, now_s: float) -> Script:
    """The cohort's request; it happened when the answer has a status that the cohort expects."""
    asked = clients.asks.get(arrival.cohort)
    ask = asked if isinstance(asked, HttpAsk) else _PLAIN
    response = yield Call(SUBJECT, ask.request, timeout_s=ask.timeout_s)
    if ask.expects(response.status):
        return ArrivalResult(response.status, "happened")
    return ArrivalResult(response.status, "refused", f"status-{response.status}")


HTTP = ClientModel(
    name="http",
    operations=(Operation(REQUEST, weight=1, home="none"),),
    script=script,
    target=0.99,
    vendor="",
    needs_subject=True,
)
