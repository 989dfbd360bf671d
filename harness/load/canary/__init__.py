"""Canaries: real client libraries beside a load, each in a process of its own."""
