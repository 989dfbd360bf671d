"""A mutation tester for the code that decides: one small change at a time, and the tests that reach it must notice.

`make mutants` runs it. How it works, and why it is our own, is in docs/mutants.md.
"""
