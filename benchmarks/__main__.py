"""`python -m benchmarks [NAME...]` measures all or some, prints the figures and writes results/NAME.json; see --help."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import (
    aws_rate,
    cached_tokens,
    compose_stack,
    crash_compose,
    crash_matrix,
    crash_processes,
    experiment_wall,
    fault_block,
    fault_effect,
    first_verdict,
    flakes,
    large_account,
    load_lag,
    many_identities,
    many_machines,
    policy_propagation,
    policy_rate,
    search_bugs,
    signature_rate,
    sim_rate,
    stack_ready,
    system_claims,
    toxiproxy_ceiling,
    toxiproxy_latency,
)
from benchmarks.report import RESULTS, Benchmark, Machine, Report, rounded
from benchmarks.table import PAGE, plain, write_table

TABLE = "table"
_MODULES = (
    first_verdict,
    stack_ready,
    experiment_wall,
    sim_rate,
    fault_effect,
    fault_block,
    toxiproxy_latency,
    toxiproxy_ceiling,
    cached_tokens,
    load_lag,
    compose_stack,
    policy_rate,
    signature_rate,
    large_account,
    many_machines,
    many_identities,
    aws_rate,
    policy_propagation,
    flakes,
    system_claims,
    crash_matrix,
    crash_processes,
    crash_compose,
    search_bugs,
)
BENCHMARKS: Mapping[str, Benchmark[Any]] = {module.BENCHMARK.name: module.BENCHMARK for module in _MODULES}


def main(arguments: Sequence[str], *, results: Path = RESULTS, page: Path = PAGE) -> int:
    """Returns the exit code: 0, or 1 when a benchmark failed (the others still ran)."""
    asked = _parse(arguments)
    if asked.names == [TABLE]:
        write_table(page, BENCHMARKS, results)
        return 0
    failed = []
    for name in asked.names or BENCHMARKS:
        try:
            report = take(BENCHMARKS[name], size=asked.size, drawn=asked.drawn)
        except Exception as error:  # any failure of one benchmark: the others still run
            failed.append(f"{name} failed: {type(error).__name__}: {error}")
            continue
        _tell(report, results)
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Figures of the project, as JSON.")
    names = f"{', '.join(BENCHMARKS)}; or `{TABLE}`, which puts the results into docs/benchmarks.md"
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all if none is named: {names}")
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--long", dest="size", action="store_const", const="long", help="also what takes minutes")
    sizes.add_argument("--tiny", dest="size", action="store_const", const="tiny", help="too short for figures: does it work?")
    parser.set_defaults(size="full")
    parser.add_argument("--kills", type=int, metavar="N", help="of the crash matrix: so many crashes, drawn by a fixed seed")
    parser.add_argument(
        "--world", choices=("simulation", "processes", "compose"), help="of the crash matrix: where (else simulation)"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of the crash matrix: what draws the crashes (else 1)")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="of the crash matrix in a live world: so many stacks side by side"
    )
    asked = parser.parse_args(arguments)
    worlds = {"processes": crash_processes.BENCHMARK.name, "compose": crash_compose.BENCHMARK.name}
    if asked.world in worlds and asked.names == [crash_matrix.BENCHMARK.name]:
        asked.names = [worlds[asked.world]]
    crashes = asked.names in ([crash_matrix.BENCHMARK.name], *([name] for name in worlds.values()))
    asked.drawn = {name: told for name in ("kills", "seed", "jobs") if (told := getattr(asked, name)) is not None}
    if (asked.drawn or asked.world is not None) and not crashes:
        parser.error("--kills, --seed, --jobs and --world are for crash_matrix alone")
    if min(asked.drawn.get("kills", 1), asked.drawn.get("jobs", 1)) < 1:
        parser.error("--kills and --jobs are from 1 on")
    if asked.jobs is not None and asked.names not in ([name] for name in worlds.values()):
        parser.error("--jobs goes with --world processes or compose; the simulation takes all cores")
    unknown = [name for name in asked.names if name not in BENCHMARKS and asked.names != [TABLE]]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {names}")
    return asked


def take(benchmark: Benchmark[Any], *, size: str, drawn: Mapping[str, int] | None = None) -> Report:
    """Measures one benchmark, with settings of its own in place of those of the `size`: what the crash matrix draws."""
    settings = {"tiny": benchmark.tiny, "long": benchmark.long or benchmark.full}.get(size, benchmark.full)
    flag = f" --{size}" if size == "tiny" or (size == "long" and benchmark.long is not None) else ""
    settings = replace(settings, **(drawn or {}))
    flag += "".join(f" --{name} {value}" for name, value in (drawn or {}).items())
    machine, started_s = Machine.here(), time.perf_counter()
    print(f"{benchmark.title} ...", file=sys.stderr, flush=True)
    figures = benchmark.measure(settings)
    return Report(
        benchmark=benchmark.name,
        command=f"python -m benchmarks {benchmark.name}{flag}",
        machine=machine,
        settings=asdict(settings),
        took_s=rounded(time.perf_counter() - started_s),
        figures=figures,
    )


def _tell(report: Report, results: Path) -> None:
    """Prints the figures and writes them, except those of a tiny run: they would be taken for real ones."""
    benchmark = BENCHMARKS[report.benchmark]
    print(f"{benchmark.title} ({report.took_s:g} s)\n{plain(benchmark.rows(report.figures))}", flush=True)
    if not report.command.endswith("--tiny"):
        results.mkdir(exist_ok=True)
        (results / f"{report.benchmark}.json").write_bytes(report.to_json())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that stacks are taken down then too
    sys.exit(main(sys.argv[1:]))
