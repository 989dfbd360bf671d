"""Client models: what the clients of a load do, one file per model (docs/writing-a-client-model.md)."""
