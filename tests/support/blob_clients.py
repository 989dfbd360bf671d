"""Clients of a simulated stack's storage accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from support.simulated_azure import SimulatedAzure, on_azure

CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
ACCOUNT = "https://brownoutsydney.blob.core.windows.net"
PIECE_BYTES = 65_536
VERSION = {"x-ms-version": "2025-01-05"}


def service(azure: SimulatedAzure, credential: Any = None, account: str = ACCOUNT) -> BlobServiceClient:
    """A client of Sydney's account on the machine `web`, which sends and gets more than 64 KiB in pieces."""
    sizes = ("max_single_put_size", "max_block_size", "max_single_get_size", "max_chunk_get_size")
    options: dict[str, Any] = dict.fromkeys(sizes, PIECE_BYTES)
    return BlobServiceClient(account, credential or azure.credential(), transport=azure.transport(), retry_total=0, **options)


def as_contributor(story: Callable[[BlobServiceClient, SimulatedAzure], Any]) -> Any:
    """Runs `story` with a client whose identity may read and write blobs and containers."""

    def whole(azure: SimulatedAzure) -> Any:
        azure.grant(azure.spec.identity("web-system").object_id, CONTRIBUTOR)
        return story(service(azure), azure)

    return on_azure(whole)


def refusal(call: Callable[..., Any], *given: Any, **named: Any) -> tuple[int | None, str]:
    """Status and code of the error that a call raises."""
    with pytest.raises(HttpResponseError) as caught:
        call(*given, **named)
    error: Any = caught.value
    return error.status_code, str(error.error_code.value if hasattr(error.error_code, "value") else error.error_code)


def by_hand(azure: SimulatedAzure, method: str, path: str, *, token: bool = True, **more: Any) -> Any:
    """A request to Sydney's account as it stands on the wire, with or without the machine's token."""
    headers = dict(VERSION) | more.pop("headers", {})
    if token:
        bearer = azure.credential().get_token("https://storage.azure.com/.default").token
        headers["Authorization"] = f"Bearer {bearer}"
    return azure.send(f"{ACCOUNT}{path}", method, headers=headers, **more)
