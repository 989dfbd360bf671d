"""Faults over HTTP: the API of a standing stack, for clients in any language (docs/faults-over-http.md)."""
