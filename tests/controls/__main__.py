"""`make controls`: carries every negative control out and prints a line for each; exit code 1 when one stays green.

Also 1 when one is always red, or when something ships without a control.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from brownout.harness.judge.evaluate import evaluate_record
from brownout.harness.judge.run_folder import read_record
from brownout.harness.record.result import Result
from brownout.harness.run.header import write_run_file
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.run.simulated import simulate
from controls import registry
from controls.control import Control, Outcome
from controls.experiments import Order


def simulated(order: Order) -> Result:
    """The result of the run, without the control runs that only claims are compared with."""
    run = prepare(order.experiment, Options(posture=order.posture, seed=1, controls=False))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run_file(folder, run)
        simulate(run, folder)
        return evaluate_record(read_record(folder))


@cache
def every() -> tuple[Control, ...]:
    return registry.controls(simulated)


def outcome(number: int) -> Outcome:
    """How the control of that number came out, in whichever process."""
    return every()[number].run()


def main() -> int:
    failed = list(registry.refusals(registry.shipped(), every()))
    workers = min(2, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        for control, found in zip(every(), pool.map(outcome, range(len(every()))), strict=True):
            line = control.line(found)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            if not found.proves:
                failed.append(line)
    sys.stdout.write(f"{len(every())} controls, {len(failed)} failures\n")
    sys.stderr.write("".join(f"{line}\n" for line in failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
