"""The managed identity outage of 12 July 2024 (Azure review FTVR-L9Z) as tests.

The story. A storage account keeps the metadata of every managed identity of Australia East. Its key was rotated by hand,
and was to be rotated automatically from then on. The new key manager was rolled out region by region, but both Australian
regions were pinned to an older build, and the deployment tool reported success all the same. At 00:55 the key was
switched. The old build could not use the new key. Until 06:28 no client that needed a *new* token got one.

Each test below checks a part of that story. C1 to C29 are the claims of the review (docs/reference/sources.md). No outcome is
configured: the service has caches, builds and keys, and failures follow from them.

`simulation` replays the whole day on a virtual clock in seconds. `processes` replays it on real processes and sockets, 200
times faster than life, in about two minutes; `compose` does so in containers. All tests share one run of each. Leave them out
with `-m "not slow"`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from brownout.harness.base.durations import parse_clock_s
from brownout.harness.experiment.model import Experiment, Slo
from brownout.harness.judge.run_folder import read_result
from brownout.harness.pytest_plugin.runs import Brownout, Run
from brownout.harness.record.history import read_history
from brownout.suites.incidents.evidence import MANAGEMENT, TOKEN_COHORTS, Evidence

REAL = pytest.param("processes", marks=[pytest.mark.slow, pytest.mark.alone, pytest.mark.brownout_processes])
CONTAINERS = pytest.param("compose", marks=[pytest.mark.slow, pytest.mark.docker, pytest.mark.brownout_processes])


@pytest.fixture(scope="module", params=["simulation", REAL, CONTAINERS])
def incident(brownout: Brownout, request: pytest.FixtureRequest) -> Run:
    """The outage as it was, in a world: one run that the tests of this page share."""
    return brownout.run("ftvr-l9z", posture="as-of-2024-07", world=request.param, seed=1)


# What happened


def test_the_outage_is_an_outage(incident: Run) -> None:
    """With the postures of July 2024, the objectives of the service are breached, and those of its neighbours are not."""
    incident.expect("breach")
    for hit in ("vm-token-availability", "new-machine-availability", "management-availability"):
        assert incident.slo(hit).status == "breached", hit
    for spared in ("resource-availability", "pair-availability"):
        assert incident.slo(spared).status == "met", spared


def test_it_lasts_from_the_switch_to_the_configuration_change(incident: Run) -> None:
    """Failures begin at 00:55, stop at 06:28 (C1), and begin the moment the key rolls over (C14)."""
    incident.holds("C1", "C14")


def test_it_is_about_one_regions_identities(incident: Run) -> None:
    """Only identities of Australia East fail, wherever they are used (C2); clients that left the region are spared (C28)."""
    incident.holds("C2", "C28")


def test_only_what_is_new_fails(incident: Run) -> None:
    """Machines with a token are not affected (C4); new and newly scaled ones fail (C9), and so do new resources (C7)."""
    incident.holds("C4", "C7", "C9")


def test_other_resource_types_are_hit_to_varying_degrees(incident: Run) -> None:
    """New instances of Service Fabric and Stack HCI get no token and pods of AKS do; the existing ones of all go on (C8)."""
    incident.holds("C8")
    folder = incident.folder / "controls" / "other-resources"
    result = read_result(folder)
    assert result is not None
    found = Evidence(read_history(folder), result, {})
    existing = ("fabric", "hci", "aks-nodes", "aks-pods")
    assert found.outage(existing).none_bad
    assert found.outage([f"{name}-new" for name in existing[:3]]).all_bad
    assert found.outage(["aks-pods-new"]).none_bad


def test_about_three_in_a_hundred_token_requests_fail(incident: Run) -> None:
    """The failing share is near the published 3 %, and is not claimed as a success: the mix was chosen for it (C3)."""
    assert incident.claim("C3").status == "calibrated"
    failed = Evidence(incident.history, incident.result, {}).outage(TOKEN_COHORTS)
    assert failed.low < 0.03 < failed.high


def test_about_half_of_management_calls_fail(incident: Run) -> None:
    """Near the published 50 %, also chosen (C5); the portal and ARM suffer alike, as they share one path (C6)."""
    assert incident.claim("C5").status == "calibrated"
    failed = Evidence(incident.history, incident.result, {}).outage(["management-callers"], MANAGEMENT)
    assert failed.low < 0.5 < failed.high
    incident.holds("C6")


# Why


def test_the_pins_blocked_the_new_build_and_the_tool_hid_it(incident: Run) -> None:
    """The roll-out reached no node (C12), the tool reported success (C13), and elsewhere the same change had worked (C11)."""
    incident.holds("C11", "C12", "C13")


def test_the_service_cannot_depend_on_its_own_tokens(incident: Run) -> None:
    """If it read its storage with a managed identity, it could not recover from the loss of its caches (C10)."""
    incident.holds("C10")


def test_an_alert_on_cold_requests_detects_it_and_one_on_all_requests_does_not(incident: Run) -> None:
    """An alert fires within three minutes (C16): those on new machines and management do, one on all token requests never."""
    incident.holds("C16")
    assert incident.result.alerts["overall-token-success"] is None


# What was tried, and what helped


def test_the_standard_playbook_does_not_help(incident: Run) -> None:
    """Failing over a zone (C18) or to the paired region (C15) changes nothing: both use the same key."""
    incident.holds("C15", "C18")


def test_more_of_the_new_key_does_not_help(incident: Run) -> None:
    """Pushing the new key and making storage accept it change nothing (C19): the build cannot use it."""
    incident.holds("C19")


def test_one_configuration_change_ends_it(incident: Run) -> None:
    """A configuration change makes the old build use the managed key, and everything works, without a new version (C20)."""
    incident.holds("C20")
    step = incident.step("force-managed-key")
    assert step.before is not None
    assert step.after is not None
    assert step.before > 0.4 > 0.05 > step.after


# What was repaired


def test_each_repair_would_have_stopped_it(incident: Run) -> None:
    """A freeze (C21), capable versions everywhere (C22), shown pins (C23), a gate (C25); less of an impact off-peak (C26)."""
    incident.holds("C21", "C22", "C23", "C25", "C26")


def test_the_key_in_use_can_be_seen(incident: Run) -> None:
    """Every answer names the key that was used: the manual one during the outage, the managed one afterwards (C24)."""
    incident.holds("C24")


def test_claims_that_cannot_be_tested_are_marked(incident: Run) -> None:
    """All 29 claims are in the table, none of them differs, and the three that no emulation can test are marked."""
    claims = incident.result.claims
    assert [claim.id for claim in claims] == [f"C{number}" for number in range(1, 30)]
    assert [claim.id for claim in claims if claim.status == "differs"] == []
    assert [claim.id for claim in claims if claim.status == "not-testable"] == ["C17", "C27", "C29"]


# Change one thing, and the outcome changes as the story says


@pytest.mark.parametrize("posture", ["repaired", "unpinned", "long-overlap"])
def test_with_one_thing_changed_there_is_no_outage(brownout: Brownout, posture: str) -> None:
    """The repairs, no pins, or an old key that stays valid for longer than the outage: each alone is enough to pass."""
    simulated(brownout, posture).expect("pass")


def test_the_repaired_service_refuses_the_switch(brownout: Brownout) -> None:
    """The gate names the regions that are not ready, and none of the mitigations is needed."""
    repaired = simulated(brownout, "repaired")
    switch = repaired.step("switch-keys")
    assert switch.state == "defended"
    assert "sydney.token.z1 runs build 1.0" in switch.evidence
    assert {repaired.step(name).state for name in ("fail-over-zone", "fail-over-region", "force-managed-key")} == {"skipped"}


def test_failing_over_helps_where_the_pair_runs_the_new_build(brownout: Brownout) -> None:
    """With only Sydney pinned the outage is there, and the paired region takes over for as long as it is asked to."""
    run = simulated(brownout, "only-sydney-pinned").expect("breach")
    seen = Evidence(run.history, run.result, {})
    assert seen.during("fail-over-zone", ["newly-scaled"]).all_bad
    assert seen.during("fail-over-region", ["newly-scaled"]).none_bad
    assert seen.between("03:00", "06:20", ["newly-scaled"]).all_bad


@pytest.mark.parametrize("cold_share", [0.0, 0.03, 0.10, 0.30])
def test_the_failing_share_is_the_share_of_machines_without_a_token(brownout: Brownout, cold_share: float) -> None:
    """The 3 % is nowhere in the service: with 0, 3, 10 or 30 % of requests from new machines, that share fails."""
    day = first_hours(brownout.experiment("ftvr-l9z"), cold_share)
    run = brownout.run(day, posture="as-of-2024-07", world="simulation", seed=1).expect("breach" if cold_share else "pass")
    asked = {request.cohort for request in run.history.requests}
    failed = Evidence(run.history, run.result, {}).outage([name for name in TOKEN_COHORTS if name in asked])
    if cold_share:
        assert failed.low < cold_share < failed.high
        assert 0.7 < failed.bad / failed.total / cold_share < 1.3
    else:
        assert failed.none_bad


# One seed, one history


def test_a_seed_decides_the_history_to_the_last_byte(tmp_path: Path, brownout: Brownout) -> None:
    """Three processes that hash differently write the same bytes; another seed writes others, to the same verdict."""
    thin, file = thinned(brownout.experiment("ftvr-l9z"), 0.1), tmp_path / "thin.yaml"
    file.write_text(thin.model_dump_json(by_alias=True), encoding="utf-8")
    started = [start_replay(file, tmp_path / hash_seed, seed=1, hash_seed=hash_seed) for hash_seed in ("0", "1", "4711")]
    here, other = (brownout.run(thin, world="simulation", seed=seed).expect("breach") for seed in (1, 2))
    replays = [finished(replay) for replay in started]
    for name in ("events.jsonl", "requests.jsonl"):
        written = {(replay / name).read_bytes() for replay in (*replays, here.folder)}
        assert len(written) == 1, name
        assert written != {(other.folder / name).read_bytes()}, name
    digests = [json.loads((replay / "result.json").read_bytes())["digest"] for replay in replays]
    assert digests == [here.result.digest] * 3
    assert here.result.digest != other.result.digest


def simulated(brownout: Brownout, posture: str) -> Run:
    """The whole day in another posture, with a third of the requests from warm machines (they are most, and alike)."""
    day = brownout.experiment("ftvr-l9z")
    return brownout.run(with_rates(day, {"warm-machines": 1 / 3}), posture=posture, world="simulation", seed=1)


def with_rates(experiment: Experiment, factors: Mapping[str, float]) -> Experiment:
    """The experiment with the arrivals of these cohorts multiplied, and without the control runs of claims."""
    cohorts = tuple(
        cohort.model_copy(update={"rate_per_s": cohort.rate_per_s * factors.get(cohort.name, 1.0)})
        for cohort in experiment.load.cohorts
    )
    load = experiment.load.model_copy(update={"cohorts": cohorts})
    return experiment.model_copy(update={"load": load, "claims": "", "controls": {}})


def first_hours(experiment: Experiment, cold_share: float) -> Experiment:
    """The day until 02:50 without any mitigation, with token requests only, this share of them from new machines."""
    cohorts = {cohort.name: cohort for cohort in experiment.load.cohorts}
    total_per_s = sum(cohorts[name].rate_per_s for name in TOKEN_COHORTS)
    rates = {"warm-machines": total_per_s * (1 - cold_share), "newly-scaled": total_per_s * cold_share}
    mixed = tuple(cohorts[name].model_copy(update={"rate_per_s": rate}) for name, rate in rates.items() if rate)
    borders = {"recovery": parse_clock_s("02:45"), "end": parse_clock_s("02:51")}
    return experiment.model_copy(
        update={
            "timeline": experiment.timeline.model_copy(update=borders),
            "schedule": tuple(step for step in experiment.schedule if step.name in ("roll-out", "switch-keys")),
            "load": experiment.load.model_copy(update={"cohorts": mixed}),
            "slos": tuple(_over(slo, rates) for slo in experiment.slos if slo.name == "vm-token-availability"),
            "alerts": {},
            "claims": "",
            "controls": {},
        }
    )


def _over(slo: Slo, rates: Mapping[str, float]) -> Slo:
    """The objective over those of its cohorts that have any arrivals."""
    metric = slo.indicator.ratioMetric
    kept = tuple(name for name in metric.total.cohorts if rates.get(name))
    total = metric.total.model_copy(update={"cohorts": kept})
    return slo.model_copy(update={"indicator": {"ratioMetric": metric.model_copy(update={"total": total})}})


def thinned(experiment: Experiment, scale: float) -> Experiment:
    """The same day with this share of the load, and only the objectives that so few requests can decide."""
    thin = with_rates(experiment, {cohort.name: scale for cohort in experiment.load.cohorts})
    decided = ("new-machine-availability", "management-availability")
    kept = tuple(slo for slo in experiment.slos if slo.name in decided)
    return thin.model_copy(update={"slos": kept, "gates": experiment.gates.model_copy(update={"steady_state": False})})


REPLAY = """
import sys
from pathlib import Path
from brownout.harness.api import Options, run
from brownout.harness.experiment.loader import load
print(run(load(Path(sys.argv[1])), Options(out=Path(sys.argv[2]), seed=int(sys.argv[3]))).folder)
"""


def start_replay(experiment: Path, out: Path, *, seed: int, hash_seed: str) -> subprocess.Popen[str]:
    """A simulation in a Python of its own, whose sets and dictionaries of text are ordered by `hash_seed`."""
    command = [sys.executable, "-c", REPLAY, str(experiment), str(out), str(seed)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, text=True)


def finished(replay: subprocess.Popen[str]) -> Path:
    """The run folder of a replay that has come to its end."""
    said, _ = replay.communicate(timeout=120)
    assert replay.returncode == 0
    return Path(said.strip())
