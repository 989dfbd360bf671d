"""Figures of the project, each with the command that repeats it: `python -m benchmarks [NAME...]`.

Law. A benchmark is a function from its settings to a frozen model of figures; what it measures, it measures in several
rounds and reports as a median with its spread; what it compares, it compares within one run. All of it runs on loopback
with a state folder of its own, and nothing is left running.
"""
