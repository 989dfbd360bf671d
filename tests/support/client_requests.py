"""Requests as clients of the service send them."""

from __future__ import annotations

from brownout.identity.core.messages import Request


def token_request(machine: str) -> Request:
    """A machine's request to its metadata service for a token for the vault."""
    query = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}
    return Request("GET", f"/{machine}/metadata/identity/oauth2/token", query, {"metadata": "true"})
