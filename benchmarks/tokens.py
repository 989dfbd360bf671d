"""The one request that benchmarks of a host make: a machine asks its IMDS for a token."""

from __future__ import annotations

from brownout.identity.core.messages import Request

PATH = "/web-1/metadata/identity/oauth2/token"
QUERY = {"api-version": "2018-02-01", "resource": "https://vault.azure.net"}


def token_request() -> Request:
    """What a machine asks its IMDS."""
    return Request("GET", PATH, QUERY, {"metadata": "true"})


def raw_token_request(address: str) -> bytes:
    """The same as bytes for a keep-alive connection."""
    target = f"{PATH}?{'&'.join(f'{name}={value}' for name, value in QUERY.items())}"
    return f"GET {target} HTTP/1.1\r\nhost: {address}\r\nmetadata: true\r\n\r\n".encode()


def address_of(url: str) -> tuple[str, int]:
    """Host and port of `http://host:port`."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)
