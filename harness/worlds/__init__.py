"""The worlds: where a stack runs."""
