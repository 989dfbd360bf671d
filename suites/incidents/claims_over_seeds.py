"""`python -m brownout.suites.incidents.claims_over_seeds`: whether chance turns a claim of FTVR-L9Z.

The incident is simulated over many seeds, and each claim's statuses are counted. A claim that differs for some seeds only is
a claim whose check does not allow for chance. Without control runs, claims that need them are not testable.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import click

from brownout.harness.experiment.loader import find, load
from brownout.harness.experiment.model import ControlRun, Experiment
from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import read_record
from brownout.harness.record.result import ClaimStatus
from brownout.harness.run.header import write_run_file
from brownout.harness.run.prepare import prepare_control
from brownout.harness.run.simulated import simulate
from brownout.suites.incidents.ftvr_l9z_claims import claims

SEEDS = 1000
_ITSELF = "itself"

Statuses = Counter[tuple[str, ClaimStatus]]  # how many seeds give a claim of that id that status


def scaled(experiment: Experiment, load_scale: float = 1.0) -> Experiment:
    """The experiment with one control run: itself under that share of its load."""
    itself = ControlRun(posture=experiment.posture, load_scale=load_scale)
    return experiment.model_copy(update={"controls": {_ITSELF: itself}})


def statuses(experiment: Experiment, seed: int) -> Statuses:
    """The status of each claim in one simulated run of an experiment that `scaled` made."""
    run = prepare_control(experiment, _ITSELF, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        write_run_file(Path(folder), run)
        simulate(run, Path(folder))
        record = read_record(Path(folder))
    return Counter((claim.id, claim.status) for claim in claims(record.history, evaluate_record(record), {}))


def over_seeds(experiment: Experiment, seeds: Iterable[int], *, workers: int = 1) -> Statuses:
    """The statuses over all seeds, counted together; one status each for every claim and seed."""
    found: Statuses = Counter()
    with ProcessPoolExecutor(workers) as pool:
        for each in pool.map(partial(statuses, experiment), seeds, chunksize=4):
            found.update(each)
    return found


def table(found: Statuses) -> str:
    """How many seeds give each claim which status, in Markdown."""
    claims_found = sorted({claim for claim, _ in found}, key=lambda claim: int(claim.lstrip("C")))
    lines = ["| claim | seeds by status |", "|---|---|"]
    for claim in claims_found:
        own = {status: count for (name, status), count in found.items() if name == claim}
        lines.append(f"| {claim} | {', '.join(f'{status}: {count}' for status, count in sorted(own.items()))} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Prints the table; returns 1 when a claim differs for some seed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m brownout.suites.incidents.claims_over_seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many seeds, from 1 on (default {SEEDS})")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="how many processes")
    parser.add_argument("--load", type=float, default=1.0, help="share of the experiment's load (default 1)")
    options = parser.parse_args(arguments)
    experiment = scaled(load(find("ftvr-l9z")), options.load)
    found = over_seeds(experiment, range(1, options.seeds + 1), workers=options.workers)
    click.echo(table(found))
    return int(any(status == "differs" for _, status in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
