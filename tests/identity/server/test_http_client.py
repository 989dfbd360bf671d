"""The client of nodes and of the harness: which requests share a connection, and when an answer is whole."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from brownout.identity.core.messages import Request
from brownout.identity.server.http_client import HttpClient

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
WITHIN_S = 20.0


async def _asked(client: HttpClient, method: str, times: int) -> tuple[list[bytes], int]:
    """The payloads of the answers, and over how many connections they came."""
    connections: list[asyncio.Task[None] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER if method == "HEAD" else ANSWER + b"{}")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    async with server, asyncio.timeout(WITHIN_S):
        answers = [await client.send(address, Request(method, "/x")) for _ in range(times)]
        client.close()
        await asyncio.gather(*filter(None, connections))
    return [each.payload for each in answers], len(connections)


@pytest.mark.parametrize(("persistent", "connections"), [(True, 1), (False, 3)])
def test_only_a_persistent_client_keeps_its_connection(persistent: bool, connections: int) -> None:
    """Nodes keep connections to each other; the harness makes a new one for each request, so none is dead unnoticed."""
    assert asyncio.run(_asked(HttpClient(persistent=persistent), "GET", 3)) == ([b"{}"] * 3, connections)


def test_an_answer_to_head_is_whole_with_its_headers() -> None:
    """Its headers tell of a payload that does not come, so no other request may follow on its connection."""
    assert asyncio.run(_asked(HttpClient(), "HEAD", 2)) == ([b"", b""], 2)
