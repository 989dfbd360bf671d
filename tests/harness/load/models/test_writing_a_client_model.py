"""The page for people who write client models: what it prints works, in every place that has to do with clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from brownout.harness.experiment.load_plan import load_plan
from brownout.harness.experiment.loader import load, validate
from brownout.harness.experiment.watch import model_watch
from brownout.harness.load.arrivals import Cohort, LoadPlan, arrivals
from brownout.harness.load.models.model import Account
from brownout.harness.operate.loads.good_share import Probes
from brownout.harness.operate.loads.load_plan import needs_sign_in, typical_load
from brownout.harness.record.history import RequestRecord, read_history
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import CallFailed, Request, Response
from support.brownout_command import invoke, small
from support.places import ROOT
from support.printed_client import PAGE, printed_names

COHORT = {
    "name": "verifiers",
    "model": "keyset",
    "region": "sydney",
    "rate_per_s": 40,
    "mix": {"keys": 1, "discover": 1},
}
OBJECTIVE = {
    "name": "keys",
    "indicator": {"ratioMetric": {"total": {"cohorts": ["verifiers"], "operations": ["discover"]}}},
    "objectives": [{"target": 0.5}],
}


def experiment(folder: Path, **changes: Any) -> Path:
    """The small experiment with the page's clients beside its own, and an objective of theirs."""
    base = yaml.safe_load(small(folder).read_text(encoding="utf-8"))
    cohorts = [*base["load"]["cohorts"], {**COHORT, **changes}]
    objectives = [OBJECTIVE] if cohorts[-1]["model"] == "keyset" else []
    return small(folder, name="keys", load={"cohorts": cohorts}, slos=[*base["slos"], *objectives])


def test_the_printed_test_passes() -> None:
    """A newcomer who copies the model and its test gets a green test."""
    printed_names()["test_keyset"]()


def test_the_files_that_the_page_names_exist() -> None:
    """Paths on the page are real."""
    for path in re.findall(r"`((?:tests|docs|harness|identity)/[\w/.-]+)`", PAGE.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path


def test_it_runs_in_a_simulated_experiment(keyset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file through checks, plan, simulation and objectives: both operations are sent, logged and judged."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    path = experiment(tmp_path)
    told = invoke("run", str(path), "--world", "simulation", "--seed", "1", "--out", str(tmp_path / "runs"), "--json")
    result = json.loads(told.stdout)
    (folder,) = (tmp_path / "runs").iterdir()
    records = [record for record in read_history(folder).requests if record.cohort == "verifiers"]
    assert {(record.operation, record.outcome, record.machine, record.front_end) for record in records} == {
        ("keys", "happened", "", ""),
        ("discover", "happened", "", ""),
    }
    assert len(records) == 40 * 10
    (objective,) = (slo for slo in result["slos"] if slo["name"] == "keys")
    assert objective["status"] == "met"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "keysets"}, ("workload-identity, http, command, keyset", "'keyset'?")),
        ({"mix": {"key": 1}}, ("there is no keyset operation 'key'", "'keys'?")),
        ({"front_ends": {"prtal": 1}}, ("there is no front end 'prtal'", "'portal'?")),
    ],
)
def test_mistakes_in_its_cohort_are_shown(
    keyset: Path, tmp_path: Path, changes: Mapping[str, Any], words: tuple[str, str]
) -> None:
    """A slip in its name or operations gets the same words as one in ours."""
    found = validate(experiment(tmp_path, **changes))[0]
    assert words[0] in str(found)
    assert found.hint == f"did you mean {words[1]}"


def test_it_is_part_of_a_load_by_hand(keyset: Path) -> None:
    """Its typical clients have a cohort in each region, at their share, with the model's objective."""
    spec = build_stack(seed=1)
    found = typical_load(spec)
    ours = [cohort for cohort in found.cohorts if cohort.model == "keyset"]
    assert [(cohort.name, cohort.rate_per_s) for cohort in ours] == [("sydney-verifiers", 0.02), ("melbourne-verifiers", 0.02)]
    (objective, _) = model_watch(ours).objectives
    assert (objective.target, objective.within_ms) == (0.999, 500)
    assert objective.description == "sydney-verifiers: answered as asked within 0.5 s"
    assert not needs_sign_in(ours)


class Publishing:
    """A world in which Sydney's token nodes publish keys and nothing else answers."""

    rate = 1.0
    spec = build_stack(seed=1)

    def now(self) -> float:
        return 5000.0

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        if node.startswith("sydney.token.") and request.path.endswith("/keys"):
            return Response(200, {"keys": [{"kid": "a"}]})
        raise CallFailed("refused", node)

    async def control(self, node: str, request: Request) -> Response:
        return Response(200, {"access_token": "operator"})


def test_its_probes_are_part_of_the_good_share(keyset: Path) -> None:
    """One probe in each region asks for the model's default operation."""
    shares = {share.cohort: share for share in asyncio.run(Probes().share("s", Publishing()))}  # type: ignore[arg-type]
    probe = shares["verifier"]
    assert (probe.operation, probe.requests, probe.good, probe.problem) == ("keys", 2, 1, "melbourne: refused")


ENGINE = """
import json, sys, time
from pathlib import Path
from brownout.harness.load.arrivals import LoadPlan
from brownout.harness.load.grants import EVERYTHING
from brownout.identity.core.messages import CallFailed, Response
from brownout.suites.load.engine import Engine

folder = Path(sys.argv[1])
plan = LoadPlan.model_validate({
    **json.loads((folder / "plan.json").read_text()),
    "clock": {"epoch_s": 1000.0, "monotonic_s": time.monotonic(), "rate": 1.0},
})

def send(node, request, timeout_s):
    if "openid-configuration" in request.path:
        raise CallFailed("reset", node)
    return Response(200, {"keys": [{"kid": "a"}]})

engine = Engine(plan, folder, 0, send, lambda *ended: None)
engine.grant(EVERYTHING)
engine.run()
engine.drain()
"""


def test_locusts_engine_plays_it(keyset: Path, tmp_path: Path) -> None:
    """In a process of its own, from a plan as JSON, over a transport that is a function: every arrival has its line."""
    plan = LoadPlan(
        seed=1,
        start_s=1000.0,
        end_s=1000.5,
        cohorts=(Cohort.model_validate(COHORT),),
        account=Account(tenant_id="t"),
        deadline_ms=60_000,  # what a busy machine holds up is sent all the same
    )
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    told = subprocess.run(
        [sys.executable, "-c", ENGINE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(keyset)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    records = {
        record.id: record
        for line in (tmp_path / "requests-0.jsonl").read_text().splitlines()
        for record in [RequestRecord(**json.loads(line))]
    }
    planned = {arrival.id: arrival.operation for arrival in arrivals(plan)}
    assert {id_: record.operation for id_, record in records.items()} == planned
    assert set(planned.values()) == {"keys", "discover"}
    assert {(record.operation, record.outcome) for record in records.values()} == {
        ("keys", "happened"),
        ("discover", "unknown"),
    }


def test_a_machine_is_drawn_for_an_operation_that_needs_one(install: Any, tmp_path: Path) -> None:
    """A cohort that names no machines gets its region's, as the model's declaration says."""
    source = (
        "from dataclasses import replace\n"
        "from brownout.harness.load.models.model import Operation\n"
        "from brownout.harness.load.models.token import TOKEN\n"
        "ROBOT = replace(TOKEN, name='robot', operations=(Operation('ask', weight=1), Operation('move', needs_machine=True)))\n"
    )
    install("made_up_robot", source, robot="ROBOT")
    spec = build_stack(seed=1)
    for mix, machines in (({"ask": 1}, ()), ({"move": 1}, ("web-1", "web-2", "web-3"))):
        made = load(experiment(tmp_path, model="robot", mix=mix))
        assert load_plan(made, spec).cohorts[-1].machines == machines
