"""A run folder made by hand: the shape of the July 2024 replay in small, 400 emulated minutes, as a run would leave it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.keyed_random import keyed_random
from brownout.harness.record.history import Event, Recorder, RequestOutcome, RequestRecord
from brownout.harness.record.result import (
    ClaimResult,
    CohortExposure,
    Exposure,
    GateResult,
    Interval,
    PhaseResult,
    Result,
    Share,
    SloResult,
    StepResult,
    Times,
)

MIDNIGHT_S = 1720742400.0  # 2024-07-12T00:00Z
IMPACT_S, MITIGATED_S = MIDNIGHT_S + 55 * 60, MIDNIGHT_S + 388 * 60
START_S, END_S = MIDNIGHT_S + 10 * 60, MIDNIGHT_S + 410 * 60
COHORTS = (("machines-warm", "token"), ("machines-new", "token"), ("management", "create"), ("resources", "secret"))
BuildFolder = Callable[..., Path]


def requests(per_minute: int = 2) -> Iterator[RequestRecord]:
    """So many requests a minute and cohort; new machines all fail in the outage, half of the management calls do."""
    for minute in range(400):
        for cohort, operation in COHORTS:
            for turn in range(per_minute):
                yield _request(cohort, operation, minute * 60.0 + turn * 60 / per_minute)


def _request(cohort: str, operation: str, after_s: float) -> RequestRecord:
    at_s, luck = START_S + after_s, keyed_random(7, cohort, int(after_s))
    share = {"machines-new": 1.0, "management": 0.5}.get(cohort, 0.0) if IMPACT_S <= at_s < MITIGATED_S else 0.0
    failing = luck < share
    outcome: RequestOutcome = "refused" if failing and luck > 0.05 else "unknown" if failing else "happened"
    latency_ms = (900 if failing else 3) + luck * (600 if failing else 5)
    return RequestRecord(
        id=f"{cohort}-{after_s:.0f}", cohort=cohort, operation=operation, region="sydney", home="sydney", machine="m1",
        intended_s=at_s, sent_s=at_s, done_s=at_s + 0.01, latency_ms=latency_ms, status=500 if failing else 200,
        outcome=outcome, error="KeyNotAuthorized" if failing else "", trail="sydney.token-1;1.0;manual-1;manual;miss",
    )  # fmt: skip


def events() -> Iterator[Event]:
    yield Event(START_S, "run", "started", "ftvr-l9z")
    for phase, at_s in (("baseline", START_S), ("onset", IMPACT_S), ("fault", IMPACT_S + 60), ("recovery", MITIGATED_S)):
        yield Event(at_s, "phase", "begins", phase)
    for step in steps():
        for what, moment in (("applied", step.applied_s), ("bitten", step.bitten_s), ("released", step.released_s)):
            if moment is not None:
                yield Event(moment, "act", what, step.name, {"evidence": step.evidence})
    for minute in range(0, 400, 20):
        yield Event(START_S + minute * 60, "probe", "answered", "melbourne.token->sydney.store", {"outcome": "ok"})
    yield Event(END_S, "run", "finished", "ftvr-l9z")


def _step(name: str, role: str, minutes: tuple[float, float | None], **more: Any) -> StepResult:
    at_s = MIDNIGHT_S + minutes[0] * 60
    end = minutes[1]
    values: dict[str, Any] = {
        "fault": name, "describe": f"{name} on sydney", "note": "", "at_s": at_s, "applied_s": at_s, "bitten_s": at_s + 2,
        "released_s": None if end is None else MIDNIGHT_S + end * 60, "state": "healed", "evidence": "read back",
        "effect": "none", "before": None, "after": None, "window_s": 600.0,
    }  # fmt: skip
    return StepResult(name=name, role=role, **{**values, **more})


def _exposure() -> Exposure:
    """Each state once."""
    shares = (("machines-new", "met", 660, 0), ("machines-warm", "spared", 0, 660), ("resources", "not-exercised", 0, 0))
    cohorts = tuple(
        CohortExposure(cohort=name, state=state, total=660, met=met, from_cache=cached, baseline_total=90,
                       baseline_needed=0 if state == "not-exercised" else 90)
        for name, state, met, cached in shares
    )  # fmt: skip
    return Exposure(state="met", text="660 of 1,980 judged requests met sydney.store", cohorts=cohorts)


def steps() -> tuple[StepResult, ...]:
    return (
        _step("pin-both", "operation", (12, 409), note="an older build, for an unrelated reason"),
        _step("roll-out", "operation", (20, 409), evidence="reported success, 0 of 8 nodes changed"),
        _step("switch-keys", "fault", (55, 409), effect="worse", before=0.0, after=0.41, exposure=_exposure()),
        _step("fail-over-zone", "mitigation", (80, 110), before=0.41, after=0.40),
        _step("fail-over-pair", "mitigation", (115, 150), before=0.40, after=0.42),
        _step("push-key-again", "mitigation", (180, 409), before=0.42, after=0.41),
        _step("accept-new-key", "mitigation", (240, 409), before=0.41, after=0.41),
        _step("configure-managed-key", "mitigation", (388, 409), effect="better", before=0.41, after=0.0),
    )


def slos() -> tuple[SloResult, ...]:
    return (
        SloResult(name="tokens-overall", description="Token requests of all machines", target=0.99, total=1332, bad=666,
                  ratio=0.5, interval=Interval(low=0.48, high=0.52, confidence=0.95), status="breached",
                  budget_spent=50.0, reason="the lower bound 48 % bad is above the budget of 1 %", phases=("fault",)),
        SloResult(name="warm-machines", description="Machines with a token in hand", target=0.999, total=1332, bad=0,
                  ratio=0.0, interval=Interval(low=0.0, high=0.002, confidence=0.95), status="undecided",
                  budget_spent=0.0, reason="the upper bound 0.2 % is above the budget of 0.1 %", phases=("fault",)),
        SloResult(name="resources", description="Calls with a token to the vault", target=0.99, total=1332, bad=0,
                  ratio=0.0, interval=Interval(low=0.0, high=0.002, confidence=0.95), status="met",
                  budget_spent=0.0, reason="the upper bound 0.2 % is within the budget of 1 %", phases=("fault",)),
    )  # fmt: skip


def claims() -> tuple[ClaimResult, ...]:
    return (
        ClaimResult(id="C1", text="Impact 00:55-06:28 UTC", published="333 min", measured="333 min", status="holds",
                    interval="332–334 min", how="first failing request to the last one"),
        ClaimResult(id="C3", text="About 3 % of token requests failed", published="3 %", measured="4.1 %",
                    interval="3.6–4.7 %", status="differs", how="bad share of all token requests in the fault phase"),
        ClaimResult(id="C5", text="About half of the management calls failed", published="50 %", measured="51 %",
                    interval="48–54 %", status="calibrated", how="the share of operations that need sydney's store"),
        ClaimResult(id="C27", text="Documentation for all users of automatic keys", published="yes", measured="–",
                    status="not-testable", how="a document, not a behaviour"),
    )  # fmt: skip


def phases() -> tuple[PhaseResult, ...]:
    edges = (("baseline", START_S, IMPACT_S), ("onset", IMPACT_S, IMPACT_S + 60), ("fault", IMPACT_S + 60, MITIGATED_S),
             ("heal", MITIGATED_S, MITIGATED_S + 60), ("recovery", MITIGATED_S + 60, END_S))  # fmt: skip
    return tuple(PhaseResult(name=n, start_s=a, end_s=b, shares=_shares(n == "fault")) for n, a, b in edges)


def _shares(failing: bool) -> tuple[Share, ...]:
    bad = {"machines-new": 660, "management": 330} if failing else {}
    return tuple(
        Share(cohort=c, operation=o, region="sydney", total=660, good=660 - bad.get(c, 0), happened=660 - bad.get(c, 0),
              refused=bad.get(c, 0), unknown=0, p50_ms=4.2, p99_ms=1490.0 if c in bad else 8.1,
              longest_outage_s=19980.0 if c in bad else 0.0)
        for c, o in COHORTS
    )  # fmt: skip


def canary_attempts() -> Iterator[dict[str, Any]]:
    """Lines of canary logs: on new machines every attempt in the outage fails after the library's own retries."""
    for minute in range(0, 400, 25):
        for number, client in enumerate(("sync", "async")):
            for fresh in (False, True):
                at_s = START_S + minute * 60 + number * 30
                bad = fresh and IMPACT_S <= at_s < MITIGATED_S
                error = "CredentialUnavailableError" if bad else ""
                yield {"client": client, "machine": "m", "fresh": fresh, "started_s": at_s, "ended_s": at_s + 5, "ok": not bad,
                       "wall_s": 24.1 if bad else 0.012, "unfinished": False, "error": error, "message": error}  # fmt: skip
        at_s = START_S + minute * 60
        yield {"client": "boto3", "operation": "AssumeRole", "machine": "", "fresh": False, "started_s": at_s, "ended_s": at_s,
               "ok": True, "wall_s": 0.02, "unfinished": False, "error": "", "message": ""}  # fmt: skip


def canary_rows() -> Iterator[dict[str, Any]]:
    for client in ("async", "sync"):
        yield {"client": client, "machine": "new", "phase": "fault", "attempts": 13, "failed": 13, "unfinished": 0,
               "longest_s": 24.1, "errors": {"CredentialUnavailableError": 13}}  # fmt: skip
        yield {"client": client, "machine": "warm", "phase": "fault", "attempts": 13, "failed": 0, "unfinished": 0,
               "longest_s": 0.012, "errors": {}}  # fmt: skip


def result(**changes: Any) -> Result:
    values: dict[str, Any] = {
        "schema": "brownout/result/v1", "experiment": "ftvr-l9z",
        "title": "July 2024: automatic keys in Australia East",
        "description": "A key roll-over that two pinned regions could not follow.", "world": "processes",
        "posture": "as-of-2024-07", "posture_description": "as the service was", "seed": 7,
        "versions": {"brownout": "0.1.0", "python": "3.11.7", "toxiproxy": "2.12.0"}, "clock_rate": 200.0,
        "started_at": "2026-11-22T13:00:00Z", "finished": True, "verdict": "breach",
        "reasons": ("tokens-overall: 48 % to 52 % bad against a budget of 1 %",), "exit_code": 1, "expected": "breach",
        "digest": "9f2c1ab04d5e6f708192a3b4c5d6e7f8", "slos": slos(),
        "gates": (GateResult(name="generator-lag", passed=True, reason="p99 3.1 ms, at most 50 ms"),
                  GateResult(name="arrivals-issued", passed=True, reason="3200 of 3200")),
        "phases": phases(), "steps": steps(), "claims": claims(),
        "times": Times(detect=130, mitigate=19980, recover=42, longest_outage=19980, impact_start_s=IMPACT_S,
                       impact_end_s=MITIGATED_S, recovered_s=MITIGATED_S + 42, detect_by="cold-tokens"),
        "alerts": {"cold-tokens": IMPACT_S + 130, "all-tokens": None},
        "calibrated": {"management.needs-store": "0.5, chosen to fit the 50 % of C5"},
        "parameters": {"host_cache": True, "refresh": {"rule": "half-life", "token_s": 86399}},
        "canaries": tuple(canary_rows()),
        "command": "brownout run ftvr-l9z --world processes --posture as-of-2024-07 --seed 7", "wall_s": 121.4,
    }  # fmt: skip
    return Result.model_validate({**values, **changes})


def write_folder(folder: Path, *, history: bool = True, **changes: Any) -> Path:
    """Writes a run folder with the history above (or none of it) and a result with these changes."""
    recorder = Recorder(folder)
    if history:
        for event in events():
            recorder.event(event)
        for request in requests():
            recorder.request(request)
        for attempt in canary_attempts():
            with (folder / f"canary-{attempt['client']}.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(attempt) + "\n")
    recorder.close()
    (folder / "result.json").write_text(result(**changes).model_dump_json(by_alias=True), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the whole run, for tests that change nothing in it."""
    return write_folder(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def build_folder(tmp_path: Path) -> BuildFolder:
    """Writes a run folder of the test's own."""
    return partial(write_folder, tmp_path / "run")
