"""Which files are changed, and which tests are to notice."""

from __future__ import annotations

from pathlib import Path

from support.places import ROOT

FOLDERS = (
    "harness/judge",
    "harness/judge/early",
    "harness/judge/invariants",
    "harness/judge/subject",
    "harness/injection",
    "harness/series",
)
FILES = (
    "harness/base/halt.py",
    "harness/base/permission.py",
    "harness/base/stats.py",
    "harness/experiment/phase_windows.py",
    "harness/record/reach.py",
    "harness/record/verdicts.py",
    "harness/record/result.py",
    "harness/record/selection.py",
    "harness/run/conductor.py",
    "harness/run/foreign_watch.py",
    "harness/run/journal.py",
    "harness/run/stack_whole.py",
    "harness/run/state_watch.py",
    "harness/run/stop_watch.py",
    "suites/incidents/evidence.py",
)
# Nothing that needs real processes or seconds of real time. Neither the experiments' controls nor the claims
# of whole incidents: they take minutes of simulation.
TESTS = (
    "tests/controls",
    "tests/harness/base/test_halt.py",
    "tests/harness/base/test_stats.py",
    "tests/harness/cli/test_series.py",
    "tests/harness/experiment/test_model.py",
    "tests/harness/injection",
    "tests/harness/judge",
    "tests/harness/record",
    "tests/harness/run",
    "tests/harness/series",
    "tests/harness/test_false_passes.py",
    "tests/harness/test_power_cuts.py",
    "tests/harness/test_true_figures.py",
    "tests/suites/incidents/test_aws_evidence.py",
    "tests/suites/incidents/test_evidence.py",
    "tests/suites/incidents/test_ftvr_l9z_claims.py",
    "tests/suites/incidents/test_identity_not_found_claims.py",
)
SELECTED = ("-m", "not slow and not docker and not alone", "-k", "not goes_red_and_its_twin_green")


def files() -> tuple[str, ...]:
    """The files, relative to the checkout."""
    found = [str(path.relative_to(ROOT)) for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py"))]
    return tuple(name for name in (*found, *FILES) if Path(ROOT / name).exists() and Path(name).name != "__init__.py")
