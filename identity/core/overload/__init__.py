"""Overload: what a node can work on, what waits, and what is refused."""
