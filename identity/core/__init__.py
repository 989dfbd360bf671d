"""The emulated identity service without any input or output of its own."""
