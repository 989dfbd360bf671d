"""A command run as if on a machine of a stack, with nothing set in its environment (`brownout exec`)."""
