"""Checks of single parts of an experiment: its cohorts, its phases, its control runs."""
