"""Lines on the supervisor socket of a real stack, changed: one JSON line comes back or none, and the stack is as it was.

What a case holds is released afterwards. `stop` ends the stack, as it should, and is left out.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import random
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from brownout.harness.base.statedir import tools_dir
from brownout.harness.worlds.processes.stack import read_process_stack, take_down
from brownout.harness.worlds.processes.supervisor_socket import SOCKET_NAME, ask
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.toxiproxy.install import TOXIPROXY_PROGRAM, toxiproxy_server
from fuzz.nasty import JSON_VALUES, WORDS
from fuzz.shaken import _value

PATIENCE_S, SETTLE_S, CHECK_EVERY = 20.0, 30.0, 50
NODE, LINK = "sydney.token.z1", "client->sydney.host"
SAMPLES: tuple[Mapping[str, Any], ...] = (
    {"command": "status"},
    {"command": "read", "node": NODE},
    {"command": "hold", "node": NODE, "id": "f1", "effect": "paused"},
    {"command": "hold", "node": NODE, "id": "f1", "effect": "down"},
    {"command": "release", "node": NODE, "id": "f1"},
    {"command": "lend", "link": LINK},
    {"command": "keep", "link": LINK},
    {"command": "keep-all"},
    {"command": "launch"},
    {"command": "restart", "node": NODE},
    {"command": "restart-sidecar", "name": "toxiproxy"},
)


class _Stack:
    """One stack for all cases of the process."""

    def __init__(self) -> None:
        program = toxiproxy_server(say=lambda _: None)
        self.folder = Path(tempfile.mkdtemp(prefix="brownout-fuzz-"))
        self._home = os.environ.get("BROWNOUT_HOME")
        os.environ["BROWNOUT_HOME"] = str(self.folder)
        (tools_dir() / TOXIPROXY_PROGRAM).symlink_to(program.resolve())
        self.stack = self.folder / "stack"
        spec = build_stack(seed=1, vendors=("azure",))
        world = ProcessesWorld(spec, folder=self.stack, epoch_s=time.time(), rate=1.0, toxiproxy_binary=program)
        asyncio.run(world.start())
        self.tries = 0

    def close(self) -> None:
        """Takes it down, and gives the process its own state folder back."""
        take_down(read_process_stack(self.stack))
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._home is None:
            del os.environ["BROWNOUT_HOME"]
        else:
            os.environ["BROWNOUT_HOME"] = self._home

    def send(self, data: bytes) -> bytes:
        """What comes back until the other side closes; raises TimeoutError."""
        handle = os.open(self.stack, os.O_PATH | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PATIENCE_S)
                connection.connect(f"/proc/self/fd/{handle}/{SOCKET_NAME}")
                return b"".join(_exchange(connection, data))
        finally:
            os.close(handle)

    def restored(self) -> str:
        """Releases what is held; which node does not run then, "" for none."""
        for name, report in ask(self.stack, "status")["nodes"].items():
            for fault in report["holds"]:
                ask(self.stack, "release", node=name, id=fault)
        status = ask(self.stack, "status")
        worse = [name for name, report in status["nodes"].items() if report["state"] != "running" or report["holds"]]
        return f"{', '.join(worse)} does not run any more" if worse else ""


def _exchange(connection: socket.socket, data: bytes) -> Iterator[bytes]:
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            yield part
    except (BrokenPipeError, ConnectionResetError):
        return  # it closed while we were talking, which it may


_stack: list[_Stack] = []


@atexit.register
def close() -> None:
    """Takes the stack of the cases down. A worker of a test session may end without what `atexit` knows: a test calls it."""
    while _stack:
        _stack.pop().close()


def attempt(draw: random.Random, work: Path) -> tuple[str, str]:
    """What was sent, and which promise the stack's parent broke; "" for none."""
    if not _stack:
        _stack.append(_Stack())
    stack, data = _stack[0], _made(draw)
    stack.tries += 1
    sent = repr(data[:400])
    try:
        answer = stack.send(data)
        if answer:
            told = json.loads(answer)
            if not isinstance(told, dict) or (not told.get("ok") and not str(told.get("error", "")).strip()):
                return sent, f"answered {answer[:60]!r}"
        worse = stack.restored() if b"hold" in data or stack.tries % CHECK_EVERY == 0 else ""
    except TimeoutError:
        return sent, f"no end within {PATIENCE_S:g} s"
    except ValueError:
        return sent, f"answered with no JSON: {answer[:60]!r}"
    except (OSError, Exception) as gone:  # whatever it is: the stack's parent is worse
        return sent, f"{type(gone).__name__}: {str(gone)[-80:]}"
    return sent, worse


def _made(draw: random.Random) -> bytes:
    sample = draw.choice(SAMPLES) if draw.randrange(8) else draw.choice(SAMPLES[-2:])
    changed: Any = sample
    while changed == sample or (isinstance(changed, dict) and changed.get("command") == "stop"):
        changed = _value(draw, json.loads(json.dumps(sample)))
    data = json.dumps(changed).encode("utf-8", "surrogatepass") + b"\n"
    match draw.randrange(8):
        case 0:
            return data[: draw.randrange(len(data))]
        case 1:
            at = draw.randrange(len(data))
            return data[:at] + draw.randbytes(draw.choice((1, 4))) + data[at:]
        case 2:
            return draw.choice((*JSON_VALUES, *WORDS)).encode("utf-8", "surrogatepass") + b"\n"
        case 3:
            return draw.choice((b"", b"\n", b"\0" * 50, b"[" * 100_000 + b"\n", b"x" * 1_100_000, data + data, b"\xff\n"))
    return data
