"""Run folders, damaged: `report` evaluates what is left or says which file is wrong, and leaves no draft behind."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz.civil import broken_promise, told_by
from fuzz.files import RICH
from fuzz.nasty import JSON_VALUES

_MARK = "\0here\0"
CANARY = {
    "client": "sync", "machine": "web-1", "fresh": False, "started_s": 1720742475.0, "ended_s": 1720742476.0, "wall_s": 1.0,
    "ok": True, "unfinished": False, "error": "", "message": "",
}  # fmt: skip


def finished(work: Path) -> Path:
    """A finished run with every file that a folder can have; made at the first call."""
    folder = work / "runs" / "rich-simulation-plain-1"
    if not folder.exists():
        path = work / "rich.yaml"
        path.write_text(RICH, encoding="utf-8")
        told_by(["run", str(path), "--world", "simulation", "--out", str(work / "runs")], work / "home", work)
        (folder / "canary-sync.jsonl").write_text(json.dumps(CANARY) + "\n", encoding="utf-8")
        (folder / "gauges.json").write_text('{"issued": 200, "planned": 200, "lag_p99_ms": 1.0}', encoding="utf-8")
        claim = {"id": "C1", "text": "x", "published": "1", "measured": "1", "status": "holds"}
        (folder / "claims.json").write_text(json.dumps([claim]), encoding="utf-8")
    return folder


def attempt(draw: random.Random, work: Path) -> tuple[list[str], str]:
    """One damaged folder and what it broke, "" for nothing."""
    source, folder = finished(work), work / "damaged"
    _clear(folder)
    shutil.copytree(source, folder)
    done = [_damage(draw, folder) for _ in range(draw.choice((1, 1, 2)))]
    return done, broken_by(folder, work, draw.choice(("--json", "--junit", "--markdown", "")))


def broken_by(folder: Path, work: Path, how: str = "--json") -> str:
    told = told_by(["report", str(folder), *([how] if how else [])], work / "home", work)
    if broken := broken_promise(told, (0, 2, 4)):
        return f"report {how}: {broken}"
    drafts = sorted(found.name for found in folder.iterdir() if found.name.startswith("."))
    return f"report {how}: left {len(drafts)} drafts" if drafts else ""


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _damage(draw: random.Random, folder: Path) -> str:
    name = draw.choice(
        (
            "run.json",
            "run.json",
            "events.jsonl",
            "events.jsonl",
            "requests.jsonl",
            "result.json",
            "gauges.json",
            "claims.json",
            "canary-sync.jsonl",
        )
    )
    path = folder / name
    how = draw.choice((_json_changed,) * 6 + (_bytes_changed,) * 2 + (_replaced,))
    if path.is_symlink() or not path.is_file():  # what has replaced it is damage enough, and a device may not be read
        return "nothing"
    return f"{name}: {how(draw, path)}"


def _json_changed(draw: random.Random, path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    if not lines:
        return "nothing"
    at = draw.randrange(len(lines))
    try:
        document = json.loads(lines[at])
    except ValueError:
        return "nothing"
    value = draw.choice(JSON_VALUES)
    place = _changed(draw, document)
    if place == "":
        lines[at] = value
    else:
        lines[at] = json.dumps(document, indent=None).replace(json.dumps(_MARK), value)
    path.write_bytes(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    return f"line {at + 1} {place} = {value[:40]}"


def _changed(draw: random.Random, document: Any) -> str:
    """Puts the mark at a random place of the document, deletes or adds a key; returns the place, "" for the whole."""
    nodes: list[tuple[str, Any, Any]] = []
    stack: list[tuple[str, Any]] = [("", document)]
    while stack:
        path, here = stack.pop()
        items = list(here.items()) if isinstance(here, dict) else list(enumerate(here)) if isinstance(here, list) else []
        for key, value in items:
            nodes.append((f"{path}.{key}", here, key))
            stack.append((f"{path}.{key}", value))
    if not nodes or draw.random() < 0.05:
        return ""
    # The shallow ones are few and matter most.
    path, parent, key = draw.choice(nodes if draw.random() < 0.5 else [node for node in nodes if node[0].count(".") < 3])
    match draw.randrange(6):
        case 0:
            del parent[key]
            return f"without {path}"
        case 1 if isinstance(parent, dict):
            parent[draw.choice(("", "..", "a\0b", "x" * 3000))] = _MARK
            return f"beside {path}"
        case _:
            parent[key] = _MARK
            return path


def _bytes_changed(draw: random.Random, path: Path) -> str:
    data = path.read_bytes()
    at = draw.randrange(len(data) + 1)
    changed, what = draw.choice(
        (
            (data[:at], "cut off"),
            (data[:at] + draw.randbytes(4) + data[at:], "four bytes more"),
            (data[:at] + b"\0" * 100 + data[at + 100 :], "zeros"),
            (data[:at] + data[at + 7 :], "seven bytes less"),
            (b"\xef\xbb\xbf" + data, "a byte order mark"),
            (data.decode("utf-8", "replace").encode("utf-16"), "UTF-16"),
            (data + data, "twice"),
            (b"", "empty"),
            (b"\n\n" + data, "empty lines"),
        )
    )
    path.write_bytes(changed)
    return f"{what} at {at}"


def _folder(path: Path) -> None:
    path.mkdir()


def _nothing(path: Path) -> None:
    return


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


_INSTEAD: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("a folder", _folder),
    ("nothing", _nothing),
    ("a pipe", os.mkfifo),
    ("a loop", lambda path: path.symlink_to(path.name)),
    ("/dev/zero", _link("/dev/zero")),
    ("/dev/full", _link("/dev/full")),
    ("/proc/self/mem", _link("/proc/self/mem")),
    ("nowhere", _link("nowhere")),
)


def _replaced(draw: random.Random, path: Path) -> str:
    what, put = draw.choice(_INSTEAD)
    path.unlink()
    put(path)
    return f"{what} in its place"
