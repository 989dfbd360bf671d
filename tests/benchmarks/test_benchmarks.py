"""Every benchmark works and keeps its schema: each runs here in a setting too short to mean anything."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks import large_account
from benchmarks.__main__ import BENCHMARKS, main, take
from benchmarks.aws_rate import BARE, CALLS, OURS, AwsRate
from benchmarks.cached_tokens import CachedTokens
from benchmarks.compose_stack import FAULTS, ComposeStack
from benchmarks.experiment_wall import ExperimentWall
from benchmarks.fault_block import BENCHMARK as FAULT_BLOCK
from benchmarks.fault_block import FaultBlock
from benchmarks.fault_effect import EFFECTS, FaultEffect
from benchmarks.first_verdict import STEPS, FirstVerdict
from benchmarks.flakes import Flakes
from benchmarks.large_account import LargeAccount
from benchmarks.load_lag import LoadLag
from benchmarks.many_identities import ManyIdentities
from benchmarks.many_machines import ALGORITHMS, ManyMachines
from benchmarks.policy_propagation import PolicyPropagation
from benchmarks.policy_rate import PolicyRate
from benchmarks.report import Report, Spread, read_report
from benchmarks.signature_rate import SignatureRate
from benchmarks.sim_rate import SimRate
from benchmarks.stack_ready import HEALTH, REST, STAGES, StackReady
from benchmarks.system_claims import SystemClaims
from benchmarks.table import plain
from benchmarks.toxiproxy_ceiling import ToxiproxyCeiling
from benchmarks.toxiproxy_latency import ToxiproxyLatency

pytestmark = pytest.mark.slow


def running_in(folder: Path) -> list[str]:
    """The command lines of living processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in command:
            found.append(command)
    return found


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which everything temporary of the test is made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def taken(name: str, own_folder: Path) -> Any:
    """The figures of a tiny run, after a round trip through its JSON; nothing of the run is left."""
    home = os.environ.get("BROWNOUT_HOME")
    benchmark = BENCHMARKS[name]
    report = take(benchmark, size="tiny")
    path = own_folder.parent / f"{name}.json"
    path.write_bytes(report.to_json())
    again: Report = read_report(path, benchmark.figures)
    assert again.figures == report.figures
    assert again.command == f"python -m benchmarks {name} --tiny"
    assert plain(benchmark.rows(again.figures))
    assert list(own_folder.iterdir()) == []
    assert running_in(own_folder) == []
    assert os.environ.get("BROWNOUT_HOME") == home
    return again.figures


def test_a_faults_block_is_timed_by_kind(own_folder: Path) -> None:
    """Each kind has a time for its begin and one for its end."""
    figures = taken("fault_block", own_folder)
    assert isinstance(figures, FaultBlock)
    assert set(figures.begin_s) == set(figures.end_s) == set(FAULT_BLOCK.tiny.kinds)
    assert all(spread.median > 0 for spread in (*figures.begin_s.values(), *figures.end_s.values()))


def test_stack_ready_says_where_the_time_goes(own_folder: Path) -> None:
    """The stages of coming up are all there and add up to the whole, and every process has memory."""
    figures = taken("stack_ready", own_folder)
    assert isinstance(figures, StackReady)
    assert figures.stages.keys() == {*STAGES, HEALTH, REST}
    assert sum(stage.median for stage in figures.stages.values()) == pytest.approx(figures.ready_s.median, rel=0.01)
    assert figures.processes == figures.nodes + 2
    assert 0 < figures.pss_mb.median < figures.rss_mb.median
    assert {"parent", "toxiproxy", "directory", "token", "host"} <= figures.pss_by_role_mb.keys()


def test_a_first_verdict_is_timed_by_step(own_folder: Path) -> None:
    """Every step from an empty folder on has a time, they add up to the whole, and the run ends with a verdict."""
    figures = taken("first_verdict", own_folder)
    assert isinstance(figures, FirstVerdict)
    assert figures.steps_s.keys() == STEPS.keys()
    assert sum(step.median for step in figures.steps_s.values()) == pytest.approx(figures.total_s.median, rel=0.01)
    assert sum(figures.verdicts.values()) == 1


def test_sim_rate_counts_what_was_simulated(own_folder: Path) -> None:
    """A load of two machines every 30 s makes the requests that it should, and all of them happen."""
    figures = taken("sim_rate", own_folder)
    assert isinstance(figures, SimRate)
    idle, loaded = figures.days
    assert (idle.requests, loaded.requests) == (0, 24)
    assert loaded.happened_share == 1.0
    assert loaded.hours_per_s.median > 0
    assert figures.round_trips_per_s.median > 0


def test_flakes_count_what_was_not_expected(own_folder: Path) -> None:
    """An experiment's runs are counted by verdict, and those that its posture does not expect are named."""
    figures = taken("flakes", own_folder)
    assert isinstance(figures, Flakes)
    (found,) = figures.by_experiment.values()
    assert found.runs == sum(found.verdicts.values()) == 1
    assert found.disagreements == found.runs - found.verdicts.get(found.expected, 0) == len(found.unexpected)


def test_system_claims_have_shares(own_folder: Path) -> None:
    """Every kind of claim about made-up series has a share."""
    figures = taken("system_claims", own_folder)
    assert isinstance(figures, SystemClaims)
    (errors,) = figures.by_kind.values()
    assert all(0 <= share <= 1 for share in errors.model_dump().values())


def test_policy_rate_counts_decisions(own_folder: Path) -> None:
    """Every kind of decision and the reading of documents have a rate."""
    figures = taken("policy_rate", own_folder)
    assert isinstance(figures, PolicyRate)
    assert len(figures.decisions_per_s) == 4
    assert min(rate.low for rate in (*figures.decisions_per_s.values(), figures.documents_per_s)) > 0


def test_signature_rate_counts_what_is_verified(own_folder: Path) -> None:
    """Both kinds of keys, signing and sealing have a rate."""
    figures = taken("signature_rate", own_folder)
    assert isinstance(figures, SignatureRate)
    assert len(figures.per_s) == 4
    assert min(rate.low for rate in figures.per_s.values()) > 0


def test_aws_rate_counts_calls_that_were_verified(own_folder: Path) -> None:
    """Each call has a rate and a price at each number of connections, here and at a server that does nothing.

    Every answer was the call's own.
    """
    figures = taken("aws_rate", own_folder)
    assert isinstance(figures, AwsRate)
    asked = [(call.action, call.connections, call.server) for call in figures.calls]
    assert asked == [(name, many, server) for name in CALLS for many in (1, 8) for server in (OURS, BARE)]
    for call in figures.calls:
        assert call.requests_per_s.low > 0
        assert call.cpu_us is not None
        assert call.cpu_us.low > 0


def test_policy_propagation_watches_every_replica(own_folder: Path) -> None:
    """A change is in all ten replicas, the last of them no sooner than the first."""
    figures = taken("policy_propagation", own_folder)
    assert isinstance(figures, PolicyPropagation)
    assert figures.replicas == 10
    assert figures.first_replica_ms.median <= figures.every_replica_ms.median
    assert figures.write_ms.low > 0


def test_large_account_counts_what_it_costs(own_folder: Path) -> None:
    """An account has a size, and reading, writing and waiting take time."""
    figures = taken("large_account", own_folder)
    assert isinstance(figures, LargeAccount)
    assert figures.replicas == 10
    (account,) = figures.accounts
    assert account.users == 50
    spreads = (account.write_ms, account.spread_ms, account.read_ms, account.quiet_minute_ms)
    assert min(spread.low for spread in spreads) > 0


def test_memory_that_was_free_before_is_counted() -> None:
    """A process that has freed much does not grow for an account, which takes as much as ever."""
    freed = [str(number) * 4 for number in range(1_000_000)]
    kept = freed[::1_000]  # so that the process keeps the memory around them
    del freed
    (account,) = large_account.measure(large_account.Settings(users=(20_000,), writes=1)).accounts
    assert kept
    assert account.mb_per_1000 > 0.3


def test_many_machines_get_a_token_each(own_folder: Path) -> None:
    """With either algorithm each machine gets its token, then it comes from the cache, and the host has grown meanwhile."""
    figures = taken("many_machines", own_folder)
    assert isinstance(figures, ManyMachines)
    assert (figures.machines, [*figures.by_algorithm]) == (300, [*ALGORITHMS])
    for fleet in figures.by_algorithm.values():
        assert fleet.cached_per_s.low > fleet.uncached_per_s.high > 0
        assert fleet.bytes_per_machine.low > 0


def test_many_identities_are_known_everywhere(own_folder: Path) -> None:
    """The last identity of a crowd gets its token, and every node's memory is counted."""
    figures = taken("many_identities", own_folder)
    assert isinstance(figures, ManyIdentities)
    assert figures.replicas == 10
    (crowd,) = figures.crowds
    assert crowd.identities == 50
    assert min(crowd.first_token_ms, crowd.token_ms.low, crowd.started_s) > 0


def test_fault_effect_times_every_effect(own_folder: Path) -> None:
    """Each effect is felt and goes away again, in positive time."""
    figures = taken("fault_effect", own_folder)
    assert isinstance(figures, FaultEffect)
    assert figures.effects.keys() == EFFECTS.keys()
    for times in figures.effects.values():
        assert min(*times.bite.all_ms, *times.heal.all_ms, *times.ordered.all_ms, *times.lifted.all_ms) > 0


def test_cached_tokens_are_served_on_both_paths(own_folder: Path) -> None:
    """Both paths serve tokens, and Toxiproxy works on one of them only."""
    figures = taken("cached_tokens", own_folder)
    assert isinstance(figures, CachedTokens)
    assert figures.straight.requests_per_s.median > 0
    assert figures.through_link.requests_per_s.median > 0
    through, straight = (path.cpu_shares["toxiproxy"].median for path in (figures.through_link, figures.straight))
    assert through > straight


def test_toxiproxy_latency_compares_within_a_round(own_folder: Path) -> None:
    """The ratio is that of the two medians of its round."""
    figures = taken("toxiproxy_latency", own_folder)
    assert isinstance(figures, ToxiproxyLatency)
    for compared in (figures.kept_connection, figures.fresh_connection):
        assert compared.ratio.median == pytest.approx(compared.link_p50_ms.median / compared.straight_p50_ms.median, rel=0.01)


def test_toxiproxy_ceiling_carries_on_both_paths(own_folder: Path) -> None:
    """Round trips and bytes arrive straight and through the proxy."""
    figures = taken("toxiproxy_ceiling", own_folder)
    assert isinstance(figures, ToxiproxyCeiling)
    for carried in (*figures.round_trips_per_s.values(), figures.bulk_mb_per_s):
        assert min(carried.straight.low, carried.through.low) > 0


@pytest.mark.docker
def test_compose_stack_times_every_fault(own_folder: Path) -> None:
    """A stack in containers gets ready, takes memory, and every fault bites and heals."""
    figures = taken("compose_stack", own_folder)
    assert isinstance(figures, ComposeStack)
    assert figures.containers == 22
    assert figures.faults.keys() == FAULTS.keys()
    for times in figures.faults.values():
        assert min(times.bite_ms.low, times.heal_ms.low) > 0


def test_load_lag_issues_the_plan(own_folder: Path) -> None:
    """The generator issues all that was planned and has nothing to complain of."""
    figures = taken("load_lag", own_folder)
    assert isinstance(figures, LoadLag)
    (rate,) = figures.rates
    assert rate.requests_per_round.median == rate.rate_per_s * figures.length_s
    assert rate.issued_share == Spread.of([1.0])
    assert rate.problems == ()


def test_experiment_wall_runs_the_incident(own_folder: Path) -> None:
    """The simulated incident ends in the verdict that it should."""
    figures = taken("experiment_wall", own_folder)
    assert isinstance(figures, ExperimentWall)
    assert figures.verdict == "breach"
    assert figures.simulation_run_s.median > 0


def test_a_tiny_run_leaves_the_results_alone(own_folder: Path, tmp_path: Path) -> None:
    """The command with --tiny succeeds and writes no result, so that nobody takes it for a figure."""
    results = tmp_path / "results"
    assert main(["sim_rate", "--tiny"], results=results) == 0
    assert not results.exists()
