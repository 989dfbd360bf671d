"""A tiny service for the load's tests, run as a process: `python load_stub.py MODE [PORT]`, writes its port when ready.

Modes: `ok` answers every request, `status:N` answers N, `delay:S` answers after S seconds, `close` reads and closes,
`reset` reads and resets, `silent` reads and never answers, `cut` closes in the middle of the body. `GET /count` answers how
many other requests were read and how many connections were accepted.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from base64 import urlsafe_b64encode

CLAIMS = json.dumps({"aud": "https://vault.azure.net", "nbf": 0, "exp": 4e9}).encode()
JWT = f"head.{urlsafe_b64encode(CLAIMS).decode().rstrip('=')}.signature"  # as a client reads it: nobody signed it
TOKEN = {"access_token": JWT, "expires_in": "86399", "resource": "https://vault.azure.net"}
counts = {"requests": 0, "connections": 0}


def answer(status: int, body: object, *, claimed_length: int | None = None) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {claimed_length or len(content)}\r\n"
    head += "content-type: application/json\r\nx-brownout-trail: stub;1.0;k1;manual;fresh\r\n\r\n"
    return head.encode() + content


async def read_request(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    for line in head.lower().splitlines():
        if line.startswith("content-length:"):
            await reader.readexactly(int(line.split(":")[1]))
    return head.split(" ")[1]


def reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def respond(mode: str, writer: asyncio.StreamWriter) -> bool:
    """True while the connection can be used again."""
    word, _, value = mode.partition(":")
    if word == "delay":
        await asyncio.sleep(float(value))
    if word in ("ok", "delay", "status"):
        status = int(value) if word == "status" else 200
        body = {"error": {"code": "Stubborn"}} if word == "status" else TOKEN
        writer.write(answer(status, body))
        return True
    if word == "silent":
        await asyncio.sleep(3600)
    if word == "cut":
        writer.write(answer(200, TOKEN, claimed_length=5000))
        await writer.drain()
    if word == "reset":
        reset(writer)
    return False


async def main(mode: str, port: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts["connections"] += 1
        try:
            while True:
                if await read_request(reader) == "/count":
                    writer.write(answer(200, counts))
                    continue
                counts["requests"] += 1
                if not await respond(mode, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
