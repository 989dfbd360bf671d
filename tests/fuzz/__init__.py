"""Mutated input for the command line: experiment files, command lines, run folders. What must hold is in `civil`."""
