"""Mutated input for the machinery around the service: what it keeps on disk, and what its own helpers answer."""
