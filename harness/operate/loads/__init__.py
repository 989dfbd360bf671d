"""Loads by hand on standing stacks, and what is read of them."""
