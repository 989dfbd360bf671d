"""Runs an experiment: worlds, life cycle of faults, ledger, load, SLO maths, verdicts, command line, pytest plugin."""

__version__ = "0.1.0"
