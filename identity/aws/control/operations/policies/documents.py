"""Policy documents as answers carry them (docs/reference/aws-wire.md#managed-policies)."""

from __future__ import annotations

from urllib.parse import quote


def encoded(document: str) -> str:
    """The document with all but letters, digits and `-._~` percent-encoded (RFC 3986)."""
    return quote(document, safe="")
