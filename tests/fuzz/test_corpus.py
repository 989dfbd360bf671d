"""The corpus: what mutants and people broke the command line with, and what is said of it now."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz import commands, folders
from fuzz.civil import broken_promise, told_by
from fuzz.files import RICH
from fuzz.nasty import DIGITS

pytestmark = pytest.mark.slow

# In the sound file RICH, what is replaced by what, and the words of the one answer.
FILES: tuple[tuple[str, str, str], ...] = (
    ("rate_per_s: 3", "rate_per_s: 010", r":\d+:\d+: 010 without quotes is the number 8"),
    ("count: 2", "count: 010", r"010 without quotes is the number 8(.|\n)*write 10"),
    ("rate_per_s: 3", "rate_per_s: yes", "reads yes without quotes as true"),
    ("rate_per_s: 3", "rate_per_s: !!int x", "tags are not allowed"),
    ("rate_per_s: 3", "rate_per_s: !!bool x", "tags are not allowed"),
    ("date: 2024-07-12", "date: !!timestamp x", "tags are not allowed"),
    ("rate_per_s: 3", f"rate_per_s: {DIGITS}", "this number has 5,000 characters"),
    ("rate_per_s: 3", "rate_per_s: .inf", "no finite number"),
    ("rate_per_s: 3", "rate_per_s: 1.0e+12", "less than or equal to 1000000"),
    ("deadline: 2s", "deadline: 0s", "0 s is no deadline"),
    ("short: 2s", "short: 0s", "0 s is no window"),
    ("[{target: 0.9}]", "[{target: 0.9999999999999999}]", "not one bad request in a million"),
    ("within: 300ms", "within: 3s", "no limit for requests that end after 2 s"),
    ("status: 429", "status: 100", "greater than or equal to 200"),
    ("title: A key", 'title: "\\uD800"\nsource: A key', r"U\+D800 is not allowed"),
    ("plain: {desc", "../../plain: {desc", "'../../plain' is no name here"),
    ("latency: 500ms", f"latency: {DIGITS}s", "a duration is from 0 s"),
    (
        'builds: {sydney: "1.0"}',
        'builds: {"../../etc": "1.0"}',
        r"builds names a region '../../etc' that the stack does not have",
    ),
    ("publish_interval_s: 20", "publish_interval_s: 1.0e-9", "from 0.1 to"),
    ("publish_interval_s: 20", "publish_interval_s: .nan", "no finite number"),
    ('at: "00:01:20"', "at: 10:01:20", "10:01:20 without quotes is the number 36080"),
    ("machines:\n", "machines: &all\n  x: *all\n", "contain itself"),
    ("load:\n", "deep: " + "[" * 3_000 + "]" * 3_000 + "\nload:\n", "nested too deeply"),
)

# Command lines in a folder with files of every kind, and what is said. None of them may wait.
COMMANDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("validate", "fifo"), "fifo cannot be read: it is a pipe, a device or a socket"),
    (("validate", "/dev/zero"), "/dev/zero cannot be read: it is a pipe, a device or a socket"),
    (("validate", "socket"), "socket cannot be read"),
    (("validate", "folder"), "folder is a folder, not a file"),
    (("validate", "loop"), "loop cannot be read|there is no experiment 'loop'"),
    (("validate", "x" * 5_000), "there is no experiment 'xxx"),
    (("validate", "x/" * 2_500), "cannot be read: File name too long"),
    (("validate", "empty"), "the file is empty"),
    (("validate", "binary"), "this is not UTF-8 text"),
    (("validate", "large"), "more than the 1,000,000 bytes"),
    (("run", "fifo", "--dry-run"), "it is a pipe"),
    (("run", "rich.yaml", "--dry-run", "--seed", str(2**63)), "a whole number is at most 2.63 - 1"),
    (("run", "rich.yaml", "--dry-run", "--seed", DIGITS), "a whole number is at most 2.63 - 1"),
    (("run", "rich.yaml", "--dry-run", "--posture", "../.."), "has no posture '../..'"),
    (("inject", "link-slow", "--target", "a->b", "--with", "latency=!!int x"), "link-slow"),
    (("inject", "imds-answer", "--target", "sydney", "--with", "status=0600"), "0600 without quotes is the number 384"),
    (("inject", "imds-answer", "--target", "sydney", "--with", f"status={DIGITS}"), "this number has 5,000 characters"),
    (("inject", "freeze", "--for", f"{DIGITS}s"), "a duration is from 0 s"),
    (("load", "rich.yaml", "--rate", "nan", "--stack", "none"), "'nan' is no number"),
    (("load", "rich.yaml", "--set", "warm=inf", "--stack", "none"), "'inf' is no number"),
    (("load", "fifo", "--stack", "none"), "it is a pipe"),
    (("env", "--stack-file", "fifo"), "it is a pipe"),
    (("env", "--stack-file", "/dev/zero"), "it is a pipe, a device"),
    (("env", "--inside", "--machine", "web-1", "--proxy"), "--inside and --proxy exclude each other"),
    (("report", "fifo"), "is not a run folder"),
    (("report", "/dev/zero"), "is not a run folder"),
    (("faults", "\x1b[2J"), r"there is no fault '\\x1b\[2J'"),
)


def _put(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def _instead(put: Callable[[Path], object]) -> Callable[[Path], object]:
    def replaced(path: Path) -> None:
        path.unlink()
        put(path)

    return replaced


def _changed(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: _put(path.read_text(encoding="utf-8").replace(old, new, 1))(path)


# A file of a finished run, what becomes of it, and what is said; "" when the rest is evaluated.
FOLDERS: tuple[tuple[str, Callable[[Path], object], str], ...] = (
    ("run.json", _instead(os.mkfifo), "run.json cannot be read: it is a pipe"),
    ("run.json", _instead(Path.mkdir), "run.json cannot be read: Is a directory"),
    ("run.json", _changed('"seed":', f'"seed": {DIGITS}, "s":'), "run.json is damaged: "),
    ("run.json", _changed('"seed":', '"posture": "gone", "seed":'), "has no posture 'gone'"),
    ("run.json", _changed('"clock_rate": 1.0', '"clock_rate": NaN'), "clock_rate"),
    ("events.jsonl", _instead(os.mkfifo), "events.jsonl:1:1: the record is damaged: it cannot be read"),
    (
        "events.jsonl",
        _changed('"routes":', '"routes":1e3,"r":'),
        r"events.jsonl:\d+:1: .*detail.routes should be",
    ),
    ("events.jsonl", _changed('"at_s":', '"at_s":1e300,"a":'), "no time in seconds since 1970"),
    (
        "requests.jsonl",
        _changed('"trail":"', '"trail":"a;b;c;d;e;f;g>'),
        "requests.jsonl:1:1: .*is no trail: a hop has 6 parts",
    ),
    ("requests.jsonl", _changed('"trail":"', '"trail":"nowhere>'), "requests.jsonl:1:1: .*'nowhere' is not a node name"),
    ("requests.jsonl", _changed('"trail":"', '"trail":"a.b;;;;;x>'), "requests.jsonl:1:1: .*'x' is no version"),
    ("requests.jsonl", _instead(Path.mkdir), "requests.jsonl:1:1: the record is damaged: it cannot be read: Is a directory"),
    ("requests.jsonl", _changed('"intended_s":', '"intended_s":-1,"i":'), "requests.jsonl:1:1: .*no time"),
    ("canary-sync.jsonl", _put('{"client": "sync", "started_s": "x"}\n'), "canary-sync.jsonl:1:1: "),
    ("requests.jsonl", _instead(lambda path: path.symlink_to("nowhere")), "requests.jsonl:1:1: .*No such file"),
    ("events.jsonl", Path.unlink, ""),
    ("gauges.json", _put("[1]"), ""),
    ("gauges.json", _instead(os.mkfifo), ""),
    ("claims.json", _put("null"), ""),
    ("result.json", _put('{"verdict": "pass"}'), ""),
    ("result.json", _instead(os.mkfifo), ""),
)


@pytest.mark.parametrize(("old", "new", "said"), FILES, ids=[new[:40] for _, new, _ in FILES])
def test_a_file_that_broke_something_is_refused_at_its_place(old: str, new: str, said: str, tmp_path: Path) -> None:
    """By `validate`, with one clear error and no traceback."""
    assert old in RICH
    (tmp_path / "found.yaml").write_text(RICH.replace(old, new, 1), encoding="utf-8")
    told = told_by(["validate", "found.yaml"], tmp_path / "home", tmp_path)
    assert broken_promise(told, (2,)) == ""
    assert told is not None
    assert re.search(said, told.stderr), told.stderr[:500]


def test_the_commands_that_broke_something_say_what_is_wrong(tmp_path: Path) -> None:
    """At once, with exit code 2; what they print is short."""
    commands.prepare_work(tmp_path)
    wrong = []
    for words, said in COMMANDS:
        told = told_by(list(words), tmp_path / "home", tmp_path)
        broken = broken_promise(told, (2,))
        if broken or told is None or not re.search(said, told.stderr):
            wrong.append((words, broken or (told and told.stderr[:300])))
    assert wrong == []


def test_folders_that_broke_the_report_are_told_or_evaluated(tmp_path: Path) -> None:
    """A record that is damaged is told with its file and line; what is evaluated again from the rest is not missed."""
    source, folder = folders.finished(tmp_path), tmp_path / "damaged"
    wrong = []
    for name, spoil, said in FOLDERS:
        shutil.copytree(source, folder)
        spoil(folder / name)
        told = told_by(["report", str(folder), "--json"], tmp_path / "home", tmp_path)
        broken = broken_promise(told, (2,) if said else (0,))
        if broken or told is None or not re.search(said, told.stderr):
            wrong.append((name, said, broken or (told and told.stderr[:300])))
        shutil.rmtree(folder)
    assert wrong == []
