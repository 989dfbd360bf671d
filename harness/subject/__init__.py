"""The user's own application under test: its process, its environment, its output, and its end whatever happens."""
