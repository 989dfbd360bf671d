"""The managed identity outage of 12 July 2024 (Azure review FTVR-L9Z), told as tests.

The story. A storage account keeps the metadata of every managed identity of Australia East. Its key was changed by hand,
and was to be changed by a machine from then on. The new key manager was rolled out region by region, but both Australian
regions were held ("pinned") on an older build, and the deployment tool reported success all the same. At 00:55 the key was
switched. The old build could not use the new key. Until 06:28 nobody who needed a *new* token got one.

Each test below takes a piece of that story, and the numbers C1 to C29 are the claims of the review that it checks
(docs/incidents has them with their wording). Nothing is staged: the service that is run here has caches, builds and keys,
and what fails is what those make fail.

`simulation` replays the whole day on a virtual clock in seconds. `processes` replays it on real processes and sockets, 200
times faster than life, in about two minutes; all tests share one such run. Leave it out with `-m "not slow"`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.experiment import Experiment, parse_clock_s
from harness.pytest_runs import Brownout, Run
from suites.incidents.evidence import MANAGEMENT, TOKEN_COHORTS, Evidence

REAL = pytest.param("processes", marks=[pytest.mark.slow, pytest.mark.brownout_processes])


@pytest.fixture(scope="module", params=["simulation", REAL])
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
    """Identities of Australia East fail wherever they are used, no others do (C2); who left the region is spared (C28)."""
    incident.holds("C2", "C28")


def test_only_what_is_new_fails(incident: Run) -> None:
    """Machines that hold a token do not notice (C4), new and newly scaled ones cannot start (C9), nor new resources (C7)."""
    incident.holds("C4", "C7", "C9")


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


def test_the_pins_held_the_new_build_back_and_nobody_was_told(incident: Run) -> None:
    """The roll-out reached no node (C12), the tool reported success (C13), and elsewhere the same change had worked (C11)."""
    incident.holds("C11", "C12", "C13")


def test_the_service_cannot_lean_on_itself(incident: Run) -> None:
    """Were its own storage opened with a managed identity, it could not start again after losing its memory (C10)."""
    incident.holds("C10")


def test_it_is_noticed_at_once_where_one_looks_at_the_right_thing(incident: Run) -> None:
    """An alert fires within three minutes (C16): those on new machines and management do, one on all token requests never."""
    incident.holds("C16")
    assert incident.result.alerts["overall-token-success"] is None


# What was tried, and what helped


def test_the_standard_playbook_does_not_help(incident: Run) -> None:
    """Failing over a zone (C18) or to the paired region (C15) leaves everything as it was: the same key is behind both."""
    incident.holds("C15", "C18")


def test_more_of_the_new_key_does_not_help(incident: Run) -> None:
    """Pushing the new key and making storage accept it change nothing (C19): the build cannot use it."""
    incident.holds("C19")


def test_one_configuration_change_ends_it(incident: Run) -> None:
    """The old build is told to use the managed key and everything works, without a new version (C20)."""
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
    """Every answer says which key stood behind it: the manual one during the outage, the managed one afterwards (C24)."""
    incident.holds("C24")


def test_what_cannot_be_tested_is_said_to_be_so(incident: Run) -> None:
    """All 29 claims are in the table, none of them differs, and the four that no emulation can test are marked."""
    claims = incident.result.claims
    assert [claim.id for claim in claims] == [f"C{number}" for number in range(1, 30)]
    assert [claim.id for claim in claims if claim.status == "differs"] == []
    assert [claim.id for claim in claims if claim.status == "not-testable"] == ["C8", "C17", "C27", "C29"]


# Change one thing, and the outcome changes as the story says


@pytest.mark.parametrize("posture", ["repaired", "unpinned", "long-overlap"])
def test_with_one_thing_changed_there_is_no_outage(brownout: Brownout, posture: str) -> None:
    """The repairs, no pins, or an old key that stays valid for longer than the outage: each alone is enough to pass."""
    brownout.run("ftvr-l9z", posture=posture, world="simulation", seed=1).expect("pass")


def test_the_repaired_service_refuses_the_switch(brownout: Brownout) -> None:
    """The gate names the regions that are not ready, and none of the mitigations is needed."""
    repaired = brownout.run("ftvr-l9z", posture="repaired", world="simulation", seed=1)
    switch = repaired.step("switch-keys")
    assert switch.state == "defended"
    assert "sydney.token.z1 runs build 1.0" in switch.evidence
    assert {repaired.step(name).state for name in ("fail-over-zone", "fail-over-region", "force-managed-key")} == {"skipped"}


def test_failing_over_helps_where_the_pair_runs_the_new_build(brownout: Brownout) -> None:
    """With only Sydney pinned the outage is there, and the paired region takes over for as long as it is asked to."""
    run = brownout.run("ftvr-l9z", posture="only-sydney-pinned", world="simulation", seed=1).expect("breach")
    seen = Evidence(run.history, run.result, {})
    assert seen.during("fail-over-zone", ["newly-scaled"]).all_bad
    assert seen.during("fail-over-region", ["newly-scaled"]).none_bad
    assert seen.between("03:00", "06:20", ["newly-scaled"]).all_bad


@pytest.mark.parametrize("cold_share", [0.0, 0.03, 0.10, 0.30])
def test_the_failing_share_is_the_share_of_machines_without_a_token(brownout: Brownout, cold_share: float) -> None:
    """The 3 % is nowhere in the service: with 0, 3, 10 or 30 % of requests from new machines, that share fails."""
    day = first_hours(brownout.experiment("ftvr-l9z"), cold_share)
    run = brownout.run(day, posture="as-of-2024-07", world="simulation", seed=1).expect("breach" if cold_share else "pass")
    failed = Evidence(run.history, run.result, {}).outage(TOKEN_COHORTS)
    if cold_share:
        assert failed.low < cold_share < failed.high
        assert 0.7 < failed.bad / failed.total / cold_share < 1.3
    else:
        assert failed.none_bad


# One seed, one history


def test_a_seed_decides_the_history_to_the_last_byte(tmp_path: Path, brownout: Brownout) -> None:
    """Three processes that hash differently write the same bytes; another seed writes others, to the same verdict."""
    thin = tmp_path / "thin.yaml"
    thin.write_text(thinned(brownout.experiment("ftvr-l9z"), 0.1).model_dump_json(by_alias=True), encoding="utf-8")
    started = [start_replay(thin, tmp_path / hash_seed, seed=1, hash_seed=hash_seed) for hash_seed in ("0", "1", "4711")]
    started.append(start_replay(thin, tmp_path / "other", seed=2, hash_seed="0"))
    *same, other = [finished(replay) for replay in started]
    assert same[0]["requests.jsonl"] != b""
    assert same[0] == same[1] == same[2]
    assert other["requests.jsonl"] != same[0]["requests.jsonl"]
    assert other["digest"] != same[0]["digest"]
    assert other["verdict"] == same[0]["verdict"] == b"breach"


def first_hours(experiment: Experiment, cold_share: float) -> Experiment:
    """The day until 02:40 without any mitigation, with token requests only, this share of them from new machines."""
    cohorts = {cohort.name: cohort for cohort in experiment.load.cohorts}
    total_per_s = sum(cohorts[name].rate_per_s for name in TOKEN_COHORTS)
    rates = {"warm-machines": total_per_s * (1 - cold_share), "newly-scaled": total_per_s * cold_share}
    mixed = tuple(cohorts[name].model_copy(update={"rate_per_s": rate}) for name, rate in rates.items() if rate)
    borders = {"recovery": parse_clock_s("02:35"), "end": parse_clock_s("02:40")}
    return experiment.model_copy(
        update={
            "timeline": experiment.timeline.model_copy(update=borders),
            "schedule": tuple(step for step in experiment.schedule if step.name in ("roll-out", "switch-keys")),
            "load": experiment.load.model_copy(update={"cohorts": mixed}),
            "slos": tuple(slo for slo in experiment.slos if slo.name == "vm-token-availability"),
            "claims": "",
            "controls": {},
        }
    )


def thinned(experiment: Experiment, scale: float) -> Experiment:
    """The same day with this share of the load, and only the objectives that so few requests can decide."""
    cohorts = tuple(cohort.model_copy(update={"rate_per_s": cohort.rate_per_s * scale}) for cohort in experiment.load.cohorts)
    return experiment.model_copy(
        update={
            "load": experiment.load.model_copy(update={"cohorts": cohorts}),
            "slos": tuple(
                slo for slo in experiment.slos if slo.name in ("new-machine-availability", "management-availability")
            ),
            "gates": experiment.gates.model_copy(update={"steady_state": False}),
            "claims": "",
            "controls": {},
        }
    )


REPLAY = """
import sys
from pathlib import Path
from harness.api import Options, run
from harness.experiment_file import load
result = run(load(Path(sys.argv[1])), Options(out=Path(sys.argv[2]), seed=int(sys.argv[3])))
print(result.folder, result.result.digest, result.result.verdict)
"""


def start_replay(experiment: Path, out: Path, *, seed: int, hash_seed: str) -> subprocess.Popen[str]:
    """A simulation in a Python of its own, whose sets and dictionaries of text are ordered by `hash_seed`."""
    command = [sys.executable, "-c", REPLAY, str(experiment), str(out), str(seed)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, text=True)


def finished(replay: subprocess.Popen[str]) -> Mapping[str, bytes]:
    """The history that a replay wrote, byte for byte, with its digest and verdict."""
    said, _ = replay.communicate(timeout=120)
    assert replay.returncode == 0
    folder, digest, verdict = said.split()
    files = {name: (Path(folder) / name).read_bytes() for name in ("events.jsonl", "requests.jsonl")}
    return {**files, "digest": digest.encode(), "verdict": verdict.encode()}
