"""The client models of AWS."""
