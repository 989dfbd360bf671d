"""Runs an experiment: worlds, life cycle of faults, ledger, load, SLO maths, verdicts, command line, pytest plugin."""
