"""Invariants of an identity system: pure checks over a run's history, each with a count of how often it was exercised."""
