"""Experiments that used to pass though nothing was tested, or though everything failed: each as small as it gets.

They are run as a user runs them, from a file, in the simulation with the installed faults.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brownout.harness import api
from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import load
from brownout.harness.record.result import GateResult, Result
from brownout.harness.run.options import Options

NEW = {"name": "new", "model": "token", "region": "sydney", "rate_per_s": 0.5, "machines": ["scaleout"], "fresh": True}
DAY: dict[str, Any] = {
    "schema": "brownout/experiment/v1",
    "name": "small",
    "title": "A small one",
    "timeline": {
        "date": "2025-01-15",
        "warm_up": "09:00",
        "baseline": "09:01",
        "fault": "09:06",
        "recovery": "09:11",
        "end": "09:16",
    },
    "posture": "plain",
    "postures": {"plain": {"description": "as it comes", "expect": "pass"}},
    "load": {"cohorts": [NEW]},
}


def step(fault: str, **changes: Any) -> dict[str, Any]:
    """A fault from 09:06 to 09:11; keywords that are no key of a step are the fault's parameters."""
    keys = ("name", "at", "until", "role", "bite", "exposure", "exposure_reason")
    own = {key: changes.pop(key) for key in keys if key in changes}
    return {"name": "f", "at": "09:06", "until": "09:11", "role": "fault", "fault": fault, "with": changes, **own}


def slo(name: str = "tokens", phases: list[str] | None = None, **total: Any) -> dict[str, Any]:
    metric = {"indicator": {"ratioMetric": {"total": total}}, "objectives": [{"target": 0.98}]}
    return {"name": name, **metric, **({"phases": phases} if phases else {})}


def run(folder: Path, *schedule: dict[str, Any], slos: list[dict[str, Any]] | None = None, **changes: Any) -> Result:
    """The result of the experiment with these steps."""
    file = folder / "small.yaml"
    document = {**DAY, "schedule": list(schedule), "slos": slos or [slo(cohorts=["new"])], **changes}
    file.write_text(json.dumps(document), encoding="utf-8")
    return api.run(load(file), Options(out=folder / "runs")).result


def gate(result: Result, name: str) -> GateResult:
    return next(each for each in result.gates if each.name == name)


@pytest.mark.parametrize(
    "unused",
    [
        step("link-refuse", link="client->melbourne.host"),
        step("link-refuse", link="melbourne.token->melbourne.store"),
        step("region-kill", region="melbourne"),
        step("key-rollover", region="melbourne"),
        step("imds-answer", region="sydney", status=500, machine="web-1"),
        step("node-kill", node="sydney.deployer"),
        step("freeze"),
    ],
    ids=lambda each: each["fault"],
)
def test_a_fault_that_no_request_meets_tests_nothing(tmp_path: Path, unused: dict[str, Any]) -> None:
    """The mechanism is in place and bites, no client uses it, and the run says that it proves nothing."""
    result = run(tmp_path, unused)
    assert (result.verdict, result.exit_code) == ("inconclusive", 3)
    assert gate(result, "bite").passed
    assert "f was not exercised" in gate(result, "exposure").reason


def test_that_no_request_needs_it_may_be_the_point(tmp_path: Path) -> None:
    """Declared with a reason it passes; a request that meets it all the same makes the run inconclusive."""
    declared = {"exposure": "none-expected", "exposure_reason": "clients of Sydney do without Melbourne"}
    assert run(tmp_path, step("region-kill", region="melbourne", **declared)).verdict == "pass"
    wrong = run(tmp_path, step("link-slow", link="client->sydney.host", latency="20ms", **declared))
    assert wrong.verdict == "inconclusive"
    assert "no exposure was expected" in gate(wrong, "exposure").reason


def test_a_lost_zone_is_survived_by_failing_over(tmp_path: Path) -> None:
    """A third of the baseline needed the zone, the others served everybody, and the pass says that this is why."""
    result = run(tmp_path, step("zone-kill", region="sydney", zone="z1"))
    assert result.verdict == "pass"
    assert "f was spared: none of 141 judged requests met sydney.token.z1: 33.5 % of" in result.reasons[1]
    assert "another way" in result.reasons[1]


def test_an_objective_that_the_fault_could_not_break_says_so(tmp_path: Path) -> None:
    """A fault of three seconds meets few requests: had all of them failed, the objective would have been met all the same."""
    short = step("link-slow", until="09:06:03", link="client->sydney.host", latency="20ms")
    result = run(tmp_path, short)
    assert result.verdict == "pass"
    assert "tokens could not have failed: at most" in result.reasons[1]


def test_a_run_that_stopped_at_its_baseline_says_so_and_ends_there(tmp_path: Path) -> None:
    """A fault that is in place before the baseline ends makes it unhealthy: no figure goes on to the planned end."""
    result = run(tmp_path, step("link-refuse", at="09:05:00", link="client->sydney.host"))
    assert result.verdict == "inconclusive"
    assert "the run was stopped at baseline" in gate(result, "finished").reason
    assert gate(result, "issued-share").passed
    assert result.times.longest_outage is not None
    assert result.times.longest_outage < 90


def test_a_fault_on_the_way_that_a_fail_over_chose_is_met(tmp_path: Path) -> None:
    """The baseline never used the link; the requests between the fail-over and the fault did, and those after it failed."""
    over = step("failover-region", name="over", role="operation", region="sydney", to="melbourne")
    result = run(tmp_path, over, step("link-refuse", at="09:07", link="melbourne.token->sydney.store"))
    assert result.verdict == "breach"
    assert "judged requests met melbourne.token->sydney.store" in gate(result, "exposure").reason
    assert gate(result, "exposure").passed


def test_a_fault_that_serves_no_request_is_named_as_that(tmp_path: Path) -> None:
    """A freeze of the roll-outs is met by nobody, whatever they ask for."""
    result = run(tmp_path, step("freeze"))
    assert gate(result, "exposure").reason == "f was not exercised: it concerns nothing that serves a request"


def test_cached_tokens_outlive_a_store(tmp_path: Path) -> None:
    """Machines in steady use never ask the store in these minutes: their caches were filled over it, and the pass says so."""
    warm = {**NEW, "name": "warm", "machines": ["web"], "fresh": False}
    cut = step("link-refuse", link="sydney.token->sydney.store")
    result = run(tmp_path, cut, load={"cohorts": [warm]}, slos=[slo(cohorts=["warm"])])
    assert result.verdict == "pass"
    assert "answered from caches filled over it" in result.reasons[1]


def test_replicas_outlive_the_directory(tmp_path: Path) -> None:
    """No token request goes to the directory; what it publishes is in the replicas, and the pass says that they answered."""
    result = run(tmp_path, step("node-kill", node="sydney.directory"))
    assert result.verdict == "pass"
    assert "141 were answered from replicas that it feeds" in result.reasons[1]


def test_a_store_that_only_writes_need_is_met_by_them(tmp_path: Path) -> None:
    """The way from the front end to the directory shows in the trail of a write, and so do its failures."""
    writers = {"name": "ops", "model": "management", "region": "sydney", "rate_per_s": 1, "mix": {"update": 1}}
    cut = step("link-refuse", link="sydney.management->sydney.directory")
    result = run(tmp_path, cut, load={"cohorts": [writers]}, slos=[slo(cohorts=["ops"])])
    assert result.verdict == "breach"
    assert gate(result, "exposure").passed
    assert result.steps[0].exposure is not None
    assert result.steps[0].exposure.cohorts[0].met == result.slos[0].bad


def test_the_home_of_a_request_is_that_of_the_identity_it_asks_for(tmp_path: Path) -> None:
    """Melbourne's machines with an identity of Sydney are requests for Sydney: all of them fail, and that is a breach."""
    machines = {
        "visitor": {"region": "melbourne", "scale_set": True, "identities": ["shared@sydney"]},
        "native": {"region": "sydney", "scale_set": True},
    }
    cohorts = [
        {**NEW, "name": "visitors", "region": "melbourne", "machines": ["visitor"]},
        {**NEW, "name": "natives", "machines": ["native"]},
    ]
    cut = step("link-refuse", link="melbourne.token->sydney.store")
    result = run(tmp_path, cut, machines=machines, load={"cohorts": cohorts}, slos=[slo(homes=["sydney"])])
    assert result.verdict == "breach"
    visitors = next(each for each in result.phases[2].shares if each.cohort == "visitors")
    assert visitors.happened == 0 < visitors.total < result.slos[0].bad


def test_a_look_before_a_step_does_not_delay_it(tmp_path: Path) -> None:
    """While every probe times out a look takes seconds; it is taken ahead, and the fault goes in when it is planned."""
    stalled = step("link-stall", name="stalled", link="*->sydney")
    slow = step("link-slow", at="09:06:14", until="09:06:30", link="*->sydney", latency="300ms", bite="none-expected")
    result = run(tmp_path, stalled, slow)
    assert [round(each.applied_s - each.at_s, 3) for each in result.steps if each.applied_s is not None] == [0, 0]


def test_an_experiment_without_a_fault_proves_nothing(tmp_path: Path) -> None:
    """Objectives that hold while nothing is done to the stack are no pass."""
    result = run(tmp_path)
    assert (result.verdict, gate(result, "bite").passed) == ("inconclusive", False)
    assert "no step of role fault" in result.reasons[0]


@pytest.mark.parametrize(
    ("schedule", "phases", "words"),
    [
        (
            step("link-refuse", at="09:00:05", until="09:00:50", link="client->sydney.host"),
            None,
            "no objective is judged while",
        ),
        (step("link-refuse", link="client->sydney.host"), ["baseline"], "every fault begins after the phases"),
    ],
)
def test_faults_and_objectives_that_miss_each_other_are_refused(
    tmp_path: Path, schedule: dict[str, Any], phases: list[str] | None, words: str
) -> None:
    """A fault in the warm-up, an objective over the baseline: both passed."""
    with pytest.raises(UsageError, match=words):
        run(tmp_path, schedule, slos=[slo(phases=phases, cohorts=["new"])])


def test_a_fault_that_asks_for_what_is_there_changes_nothing(tmp_path: Path) -> None:
    """A pin to the build that runs; a roll-out that it keeps off makes it matter."""
    pin = step("build-pin", name="pin", region="sydney", build="1.0")
    result = run(tmp_path, pin)
    assert result.verdict == "inconclusive"
    assert "pin changed nothing: sydney ran build 1.0 already" in gate(result, "bite").reason
    roll_out = step("build-rollout", name="roll-out", at="09:07", role="operation", bite="none-expected", build="2.0")
    assert run(tmp_path, pin, roll_out).verdict == "pass"


@pytest.mark.parametrize(
    "same",
    [
        step("build-rollout", build="1.0", regions=["sydney"]),
        step("configure", set={"force_managed_key": False}, regions=["sydney"]),
        step("key-accept", region="sydney", key_id="manual"),
        step("key-push", region="sydney"),
    ],
    ids=lambda each: each["fault"],
)
def test_siblings_that_change_nothing_do_not_bite(tmp_path: Path, same: dict[str, Any]) -> None:
    """What could be seen before the step proves no bite, and a key that is valid anyway proves none either."""
    result = run(tmp_path, same)
    assert (result.verdict, gate(result, "bite").passed) == ("inconclusive", False)


def test_a_step_that_should_touch_nothing_and_fails_everything_is_not_as_declared(tmp_path: Path) -> None:
    """The objective is about others and holds; the cohort that the step was not to touch fails from then on."""
    south = {**NEW, "name": "other", "region": "melbourne", "machines": ["scaleout-south"]}
    cut = step("link-refuse", link="client->sydney.host", bite="none-expected")
    result = run(tmp_path, cut, load={"cohorts": [NEW, south]}, slos=[slo(cohorts=["other"])])
    assert result.verdict == "inconclusive"
    assert "f was to have no effect, and new failed 0 % before and 100 %" in gate(result, "bite").reason


def test_a_pass_under_a_posture_that_must_fail_is_not_green(tmp_path: Path) -> None:
    """The verdict stands, the run says what was expected, and its exit code is not that of success."""
    postures = {"plain": {"description": "as it comes", "expect": "breach"}}
    result = run(tmp_path, step("zone-kill", region="sydney", zone="z1"), postures=postures)
    assert (result.verdict, result.exit_code) == ("pass", 1)
    assert result.expectation == "posture plain was expected to give breach"
