"""Whole runs in the simulation, of the service as it is and of one that was broken on purpose: the record tells them apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import read_record
from brownout.harness.record.result import Result
from brownout.harness.run.header import write_run_file
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.simulated import simulate
from brownout.identity.aws.auth import authenticate
from brownout.identity.aws.auth.account import AccessKeyView
from brownout.identity.aws.auth.region_keys import day_of, key_of_day
from brownout.identity.core.keys import key_id_of
from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.store import Store
from brownout.identity.core.surface import Served
from brownout.identity.core.trail import Hop
from support.small_day import small_day

pytestmark = pytest.mark.slow

FRESH = {"name": "fresh", "model": "token", "region": "sydney", "rate_per_s": 0.05, "machines": ["fleet"], "fresh": True}
CALLERS = {"name": "callers", "model": "assume-role", "region": "sydney", "rate_per_s": 0.05}
APPS = {"name": "apps", "model": "resource", "region": "sydney", "rate_per_s": 0.05, "machines": ["web"]}
ADMINS = {
    "name": "admins",
    "model": "iam",
    "region": "melbourne",
    "rate_per_s": 0.05,
    "mix": {"list-users": 1, "put-role-policy": 1},
}
AWS_ALONE: dict[str, Any] = {"stack": {"vendors": ["aws"], "regions": ["sydney", "melbourne"]}, "machines": {}}
LOST, FIRST, STAY = "no-refusal-for-a-lost-key", "new-keys-are-published-first", "old-keys-stay-published"


def _day(cohort: dict[str, Any], fault: str, values: dict[str, Any], **changed: Any) -> Experiment:
    step = {"name": "broken", "at": "01:00", "until": "02:00", "role": "fault", "fault": fault, "with": values}
    slo = {"name": "s", "indicator": {"ratioMetric": {"total": {"cohorts": [cohort["name"]]}}}, "objectives": [{"target": 0.5}]}
    return small_day(schedule=[step], load={"cohorts": [cohort]}, slos=[slo], gates={"steady_state": False}, **changed)


def rolled() -> Experiment:
    """A store rolls its key at once, and new machines need what only the old key opens."""
    return _day(FRESH, "key-rollover", {"region": "sydney"})


def revoked() -> Experiment:
    """The access key of role assumers is revoked for an hour."""
    return _day(
        CALLERS, "access-key-revoke", {"user": "caller"}, stack={"vendors": ["aws"], "regions": ["sydney"]}, machines={}
    )


def judged(experiment: Experiment, folder: Path) -> Result:
    """The result of one simulated run."""
    run = prepare(experiment, Options())
    write_run_file(folder, run)
    simulate(run, folder)
    return evaluate_record(read_record(folder))


def status(result: Result, name: str) -> tuple[str, int]:
    """An invariant's status, and how often it was exercised."""
    found = next(one for one in result.invariants if one.name == name)
    return found.status, found.exercised


async def _serves_any_key(self: Store, request: Request) -> Served:
    key_id = key_id_of(request)
    return Served(await self._read_or_write(request), Hop(self.name, "", key_id, self.ring.keys[key_id].kind))


def _takes_any_key(key: AccessKeyView, region: str, date_s: float) -> bytes:
    return key_of_day(key.region_keys[region], key.first_day, day_of(date_s)) or b""


def test_a_store_that_refuses_its_old_key_keeps_the_invariant_and_one_that_serves_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the roll each request with the old key counts; where the store serves them, the run is a breach by its evidence."""
    well = judged(rolled(), tmp_path / "well")
    assert status(well, "no-revoked-store-key")[0] == "held"
    assert status(well, "no-revoked-store-key")[1] > 100
    monkeypatch.setattr(Store, "answer", _serves_any_key)
    broken = judged(rolled(), tmp_path / "broken")
    assert status(broken, "no-revoked-store-key")[0] == "violated"
    assert broken.verdict == "breach"
    assert "sydney.store served a request that was signed with manual-sydney-1" in broken.reasons[0]
    assert all(slo.status == "met" for slo in broken.slos), "its objectives alone would not have told"


def test_a_region_that_takes_a_revoked_access_key_violates_the_invariant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its nodes have heard of the revocation each call with the key counts, and none may be let in."""
    well = judged(revoked(), tmp_path / "well")
    assert status(well, "no-revoked-access-key")[0] == "held"
    assert status(well, "no-revoked-access-key")[1] > 100
    assert status(well, "changes-arrive")[0] == "held"
    monkeypatch.setattr(authenticate, "_published_key", _takes_any_key)
    broken = judged(revoked(), tmp_path / "broken")
    assert status(broken, "no-revoked-access-key")[0] == "violated"
    assert broken.verdict == "breach"


@pytest.mark.parametrize("gate", [False, True])
def test_a_withdrawn_signing_key_violates_what_verifiers_rely_on_unless_the_directory_refuses(
    tmp_path: Path, *, gate: bool
) -> None:
    """Tokens in force are refused and their key is published no more; where the order is refused both invariants hold."""
    day = _day(APPS, "signing-key-withdraw", {})
    posture = {"description": "x", "expect": "breach", "settings": {"signing_key_gate": gate}, "defends": ["broken"] * gate}
    well = judged(Experiment.model_validate(day.model_dump(by_alias=True) | {"postures": {"fragile": posture}}), tmp_path)
    expected = "held" if gate else "violated"
    assert (status(well, LOST)[0], status(well, STAY)[0], status(well, FIRST)[0]) == (expected, expected, "not-exercised")
    assert status(well, LOST)[1] > 100


@pytest.mark.parametrize(("refresh_s", "first"), [(0.0, "held"), (3600.0, "violated")])
def test_a_key_that_signs_at_once_is_too_early_for_verifiers_with_a_cache(tmp_path: Path, refresh_s: float, first: str) -> None:
    """The roll publishes and signs in one step. Its undo takes the newer key from tokens in force, whoever judges them."""
    settings = {"verifier_refresh_s": refresh_s, "host_cache": False, "instance_cache": False}
    rolled_key = judged(_day(FRESH, "signing-key-roll", {}, settings=settings), tmp_path)
    assert status(rolled_key, FIRST) == (first, 1)
    assert status(rolled_key, STAY)[0] == "violated"


@pytest.mark.parametrize(
    ("fault", "values", "expected"),
    [
        ("iam-describe-lag", {"lag": "5m"}, "violated"),
        ("iam-replication-pause", {"regions": ["melbourne"]}, "held"),
    ],
)
def test_a_session_sees_its_own_changes_unless_descriptions_lag(
    tmp_path: Path, fault: str, values: dict[str, Any], expected: str
) -> None:
    """At the control plane always; in a region that a fault keeps behind an older account is as promised."""
    found = judged(_day(ADMINS, fault, values, **AWS_ALONE), tmp_path)
    own = next(one for one in found.invariants if one.name == "read-your-writes")
    assert own.status == expected
    assert "0 times" not in own.note
    assert ", 0 in regions" not in own.note
    if expected == "violated":
        assert "sydney.directory answered by version" in own.evidence
