"""What the claims about the forecast read of a run in which a request is minutes of the emulated day under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from brownout.harness.record.history import Event, History, RequestOutcome, RequestRecord
from brownout.harness.record.result import ClaimStatus, PhaseResult, Result, Share, StepResult
from brownout.suites.incidents.evidence import Evidence
from brownout.suites.incidents.identity_not_found_claims import CLAIMS, failure_spans

DAY_S = 1_588_809_600.0  # a midnight
FAULT_S, RECOVERY_S = DAY_S + 7 * 3600.0, DAY_S + 31.5 * 3600.0
HOUR_S = FAULT_S + 8 * 3600.0  # at which the node's token ends
FLIGHT_S = 300.0  # 600 ms at 500 times the speed


def request(at_s: float, outcome: RequestOutcome, machine: str = "aks_0") -> RequestRecord:
    status = 200 if outcome == "happened" else 400
    name = f"pods-{at_s}"
    return RequestRecord(name, "pods", "token", "sydney", "", machine, at_s, at_s, at_s + FLIGHT_S, 600.0, status, outcome)


def evidence(*requests: RequestRecord, told: Mapping[str, float], before: Iterable[str] = ()) -> Evidence:
    def look(name: str, hours: Mapping[str, float]) -> Event:
        failing = [{"machine": machine, "fails_s": hour_s, "named": False} for machine, hour_s in hours.items()]
        return Event(FAULT_S, "act", "applied", name, {"report": {"failing": failing}})

    looks = look("look-before", dict.fromkeys(before, HOUR_S)), look("look-ahead", told)
    shares = tuple(Share.model_construct(cohort=name) for name in {each.cohort for each in requests})
    phases = tuple(
        PhaseResult.model_construct(name=name, start_s=start_s, end_s=start_s + 3600.0, shares=shares)
        for name, start_s in (("onset", FAULT_S), ("heal", RECOVERY_S))
    )
    step = StepResult.model_construct(name="look-ahead", at_s=FAULT_S + 600.0)
    result = Result.model_construct(phases=phases, steps=(step,))
    return Evidence(History(requests=requests, events=looks), result, {})


def forecast_status(seen: Evidence) -> ClaimStatus:
    (claim,) = (claim for claim in CLAIMS if claim.id == "D12")
    return claim.check(seen).status


ANSWERED, REFUSED = request(HOUR_S - 3600.0, "happened"), request(HOUR_S + 3600.0, "refused")


def test_a_node_begins_to_fail_between_a_departure_and_an_arrival() -> None:
    """Of the last answered request the departure counts, of the first refusal the arrival; who never failed has no end."""
    seen = evidence(ANSWERED, REFUSED, request(HOUR_S + 7200.0, "refused"), request(HOUR_S, "happened", "aks_1"), told={})
    assert failure_spans(seen) == {
        "aks_0": (HOUR_S - 3600.0, HOUR_S + 3600.0 + FLIGHT_S),
        "aks_1": (HOUR_S, float("inf")),
    }


@pytest.mark.parametrize(
    "requests", [(ANSWERED, request(HOUR_S - 60.0, "refused")), (request(HOUR_S - 60.0, "happened"), REFUSED)]
)
def test_a_request_under_way_at_the_hour_makes_no_hour_wrong(requests: tuple[RequestRecord, ...]) -> None:
    """Sent before the hour and decided after it, or the other way round: both agree with the forecast."""
    assert forecast_status(evidence(*requests, told={"aks_0": HOUR_S})) == "holds"


@pytest.mark.parametrize(
    ("requests", "told", "before"),
    [
        ((ANSWERED, REFUSED), {"aks_0": HOUR_S - 3601.0}, ()),
        ((ANSWERED, REFUSED), {"aks_0": HOUR_S + 3601.0 + FLIGHT_S}, ()),
        ((ANSWERED,), {"aks_0": HOUR_S - 3601.0}, ()),
        ((ANSWERED, REFUSED), {"aks_1": HOUR_S}, ()),
        ((ANSWERED, REFUSED), {}, ()),
        ((ANSWERED, REFUSED), {"aks_0": HOUR_S}, ("aks_0",)),
    ],
    ids=[
        "answered after it",
        "refused before it",
        "never refused",
        "a node not named",
        "none named",
        "named before the add-on",
    ],
)
def test_a_wrong_forecast_differs(
    requests: tuple[RequestRecord, ...], told: Mapping[str, float], before: tuple[str, ...]
) -> None:
    """An hour that the node's requests contradict, a failure not foreseen, and one foreseen without a cause."""
    assert forecast_status(evidence(*requests, told=told, before=before)) == "differs"
