"""Engines and Compose plugins that are not as they should be: a small HTTP server, and a program called `docker`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OLD, NEW = "1.40", "1.43"


@dataclass(frozen=True, slots=True)
class Answers:
    """What a stub engine says: the version of its API, whether it has images, and what has been asked of it."""

    api_version: str = NEW
    has_images: bool = True
    asked: list[str] = field(default_factory=list)

    def to(self, method: str, path: str) -> tuple[int, object]:
        self.asked.append(f"{method} {path}")
        if path.endswith("/version"):
            return 200, {"Version": "stub", "ApiVersion": self.api_version, "MinAPIVersion": "1.12"}
        if "/images/" in path:
            return (200, {"Id": "sha256:1", "RepoTags": []}) if self.has_images else (404, {"message": "No such image"})
        return 200, {"Volumes": []} if "/volumes" in path else []


@contextmanager
def stub_engine(answers: Answers) -> Iterator[str]:
    """Serves for as long as the block lasts; what DOCKER_HOST is to be."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.to(self.command, self.path)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_DELETE = do_POST = do_GET  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            """Requests are not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def stub_docker(folder: Path, *, version: str = "2.27.0", says: Mapping[str, str] | None = None) -> Path:
    """A `docker` whose Compose has a version (none when empty) and whose subcommands fail with what they say."""
    cases = "".join(f"*' {step} '*) echo '{words}' >&2; exit 1;;\n" for step, words in (says or {}).items())
    plugin = f"echo {version}" if version else "echo 'unknown command: docker compose' >&2; exit 1"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\ncase \" $* \" in\n*' version '*) {plugin};;\n{cases}esac\n")
    program.chmod(0o755)
    return program
