"""Command lines, mutated: every command that cannot start a load or bring up a stack, with values that no one should give.

Nothing here finds a stack, so that what needs one ends with a word about that at the latest.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

import yaml

from fuzz.civil import broken_promise, told_by
from fuzz.files import RICH
from fuzz.nasty import WORDS
from support.brownout_command import SMALL

FILE, FOLDER, OUT, NUMBER, TEXT, DURATION, ASSIGNMENT, FAULT, TARGET, EXPERIMENT, CHOICE, FLAG = (
    "file", "folder", "out", "number", "text", "duration", "assignment", "fault", "target", "experiment", "choice", ""
)  # fmt: skip

# Each command with what always goes with it, its arguments and its options. `up` and `load` end for want of a stack or a world.
COMMANDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], Mapping[str, str]]] = {
    "validate": ((), (FILE,), {}),
    "schema": ((), (), {}),
    "report": ((), (FOLDER,), {"--json": FLAG, "--markdown": FLAG, "--junit": FLAG}),
    "run": (("--dry-run",), (EXPERIMENT,), {
        "--world": CHOICE, "--posture": TEXT, "--seed": NUMBER, "--out": OUT, "--expect": CHOICE, "--dashboard-port": NUMBER,
        "--json": FLAG, "--dashboard": FLAG, "--no-canaries": FLAG, "--no-controls": FLAG, "--set": ASSIGNMENT,
        "--longest": DURATION, "--offset": DURATION, "--episodes": NUMBER, "--junit": OUT, "--markdown": OUT, "--html": OUT,
    }),
    "compare": ((), (FOLDER, FOLDER), {"--margin": NUMBER, "--also-before": FOLDER, "--also-after": FOLDER, "--json": FLAG}),
    "faults": ((), (FAULT,), {}),
    "inject": ((), (FAULT,), {
        "--target": TARGET, "--with": ASSIGNMENT, "--for": DURATION, "--stack": TEXT, "--keep": FLAG, "--json": FLAG,
    }),
    "heal": ((), (), {"--stack": TEXT, "--fault": TEXT, "--json": FLAG}),
    "status": ((), (), {"--stack": TEXT, "--interval": DURATION, "--json": FLAG}),
    "down": ((), (), {"--owner": TEXT}),
    "env": ((), (), {"--machine": TEXT, "--stack-file": FILE, "--inside": FLAG, "--network": FLAG}),
    "up": (("--world", "simulation"), (), {
        "--posture": TEXT, "--set": ASSIGNMENT, "--seed": NUMBER, "--rate": NUMBER, "--stack-file": FILE, "--force": FLAG,
    }),
    "load": (("--stack", "no-such-stack", "--headless"), (EXPERIMENT,), {
        "--rate": NUMBER, "--scale-rate": NUMBER, "--set": ASSIGNMENT, "--workers": NUMBER, "--for": DURATION, "--seed": NUMBER,
        "--master-port": NUMBER, "--dashboard-port": NUMBER, "--json": FLAG,
    }),
}  # fmt: skip

_GOOD: Mapping[str, tuple[str, ...]] = {
    NUMBER: ("1", "7", "8089", "0.5"),
    TEXT: ("plain", "web-1", "gated", "ftvr-l9z:repaired"),
    DURATION: ("1s", "5m", "500ms", "1h"),
    FAULT: ("link-slow", "imds-answer", "key-rollover", "configure", "build-pin", "node-kill", "replication-pause", "freeze"),
    TARGET: ("client->sydney.host", "sydney", "sydney.z1", "sydney.web-1", "sydney.store", "melbourne", "*->*"),
    CHOICE: ("simulation", "processes", "pass", "breach"),
    ASSIGNMENT: (
        "latency=300ms", "status=429", "set.force_managed_key=true", "regions=sydney,melbourne", "build=1.0", "times=2",
        "overlap=1s", "token_alg=RS256", "builds.sydney=2.0", "host_refresh_fraction=0.5", "extra_resources=api://a,api://b",
        "calls=3", "warm=0",
    ),
}  # fmt: skip
_NAMES = (
    "latency", "status", "set.force_managed_key", "set", "regions", "times", "body", "retry_after", "machine",
    "token_lifetime_s", "builds.sydney", "builds", "warm", "host_cache", "key_id", "", "..", "a.b.c", "region",
)  # fmt: skip
_ODD_TEXT = (
    "\udcff",
    "x" * 5_000,
    "\x1b[2J",
    "--",
    "-",
    "=",
    "\n",
    " ",
    "-1",
    "٣",
    "\u2028",
    "../..",
    "%s",
    "💥",
    "é",
)


def prepare_work(work: Path) -> None:
    """Puts files of every kind that is no experiment into the folder, and two that are."""
    if (work / "fifo").exists():
        return
    (work / "small.yaml").write_text(yaml.safe_dump(dict(SMALL)), encoding="utf-8")
    (work / "rich.yaml").write_text(RICH, encoding="utf-8")
    (work / "empty").touch()
    (work / "binary").write_bytes(bytes(range(256)))
    (work / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + RICH.encode())
    (work / "large").write_bytes(b"#" * 1_500_000)
    (work / "text").write_text("not: [an, experiment]\n", encoding="utf-8")
    (work / "list.json").write_text("[1, 2]", encoding="utf-8")
    (work / "stack.json").write_text('{"schema": "brownout/stack/v1", "regions": []}', encoding="utf-8")
    (work / "folder").mkdir()
    (work / "locked").mkdir(mode=0)
    (work / "loop").symlink_to("loop")
    (work / "dangling").symlink_to("nowhere")
    os.mkfifo(work / "fifo")
    held = socket.socket(socket.AF_UNIX)
    held.bind(os.fspath(work / "socket"))
    held.close()


_PATHS = (
    "small.yaml", "rich.yaml", "rich.yaml", "empty", "binary", "bom.yaml", "large", "text", "list.json", "stack.json",
    "folder", "locked", "loop", "dangling", "fifo", "socket", "/dev/zero", "/dev/null", "/dev/full", "/dev/stdin",
    "/proc/self/mem", "/proc/self/fd", "/", "ftvr-l9z", "nowhere.yaml", "nowhere/x.yaml", "small.yaml/x.yaml", "x" * 5_000,
    "x/" * 2_500, "x" * 300 + ".yaml", "", ".", "..", "~", "~nobody/x.yaml", "\udcff.yaml", "-", "folder/",
    "small.yaml/", "small.yaml\n", "*", "\x1b[2J",
)  # fmt: skip
_OUTS = (
    "runs",
    "folder",
    "empty",
    "fifo",
    "loop",
    "x" * 5_000,
    "/dev/null",
    "/proc/x",
    "small.yaml/x",
    "locked/x",
)


def _value(draw: random.Random, kind: str) -> str:
    if kind in (FILE, FOLDER, EXPERIMENT):
        return draw.choice(_PATHS)
    if kind == OUT:
        return draw.choice(_OUTS)
    if draw.random() < 0.4:
        return draw.choice(_GOOD[kind])
    odd = draw.choice((*WORDS, *_ODD_TEXT))
    return f"{draw.choice(_NAMES)}={odd}" if kind == ASSIGNMENT and draw.random() < 0.9 else odd


def made(draw: random.Random) -> list[str]:
    """A command line; now and then with a word too many, too few, or out of order."""
    name = draw.choice((*COMMANDS, "inject", "run", "validate"))
    always, arguments, options = COMMANDS[name]
    words = [_value(draw, kind) for kind in arguments]
    for option in draw.sample(sorted(options), draw.randint(0, min(3, len(options)))):
        words += [option] if options[option] == FLAG else [option, _value(draw, options[option])]
        if draw.random() < 0.1:
            words += [option, _value(draw, options[option] or TEXT)]
    if words and draw.random() < 0.05:
        words.pop(draw.randrange(len(words)))
    if draw.random() < 0.05:
        words.insert(draw.randrange(len(words) + 1), draw.choice((*WORDS, *_ODD_TEXT)))
    return [name, *words, *always]


def attempt(draw: random.Random, work: Path) -> tuple[list[str], str]:
    """One command line and what it broke, "" for nothing."""
    prepare_work(work)
    words = made(draw)
    return words, broken_by(words, work)


def broken_by(words: list[str], work: Path) -> str:
    before = _listing(work)
    told = told_by(words, work / "home", work)
    if broken := broken_promise(told, (0, 2, 3)):
        return f"{words[0]}: {broken}"
    left = _listing(work) - before
    return f"{words[0]}: left {sorted(left)}" if left else ""


def _listing(work: Path) -> set[str]:
    """Everything in the folder but the state folder, which any command may make."""
    return {found.relative_to(work).as_posix() for found in work.rglob("*") if "home" not in found.relative_to(work).parts[:1]}
