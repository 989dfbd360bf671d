"""Writes a scaffold: a few files into a folder, all of them or none."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from brownout.harness.errors import UsageError
from brownout.harness.experiment.editor_schema import schema_text

_TEMPLATES = Path(__file__).with_name("templates")
_SCHEMA = "brownout.schema.json"
_APPLICATION = "app.brownout.yaml"
_COMMAND, _READY = "[python, app.py]", "/healthz"  # as the template has them


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What is written. `texts`: by the name of each file; `then`: the commands to try it with, in order."""

    texts: Mapping[str, str]
    then: tuple[str, ...]


_EXPERIMENT = {"checkout.brownout.yaml": "checkout.brownout.yaml"}
_SIMULATED = "brownout run checkout.brownout.yaml --world simulation"
_FILES: Mapping[str, tuple[Mapping[str, str], str]] = {  # of each kind: the template of each file, and what to try
    "experiment": (_EXPERIMENT, _SIMULATED),
    "pytest": ({**_EXPERIMENT, "test_resilience.py": "test_resilience.py.txt"}, "pytest test_resilience.py"),
    "fault": (
        {"region_cut.py": "region_cut.py.txt", "region-cut.brownout.yaml": "region-cut.brownout.yaml"},
        "brownout run region-cut.brownout.yaml --world simulation",
    ),
    "app": ({"app.py": "app.py.txt", _APPLICATION: _APPLICATION}, f"brownout run {_APPLICATION}"),
    "ci": ({**_EXPERIMENT, ".github/workflows/brownout.yml": "github.yml"}, "brownout validate checkout.brownout.yaml"),
}
_RUNS = ("brownout run as-is.brownout.yaml", "brownout run fixed.brownout.yaml")
_INSTALLS = {  # what each sample needs before it runs
    "fastapi": "pip install -r requirements.txt",
    "worker": "pip install -r requirements.txt",
    "node": "npm ci",
}
KINDS = tuple(_FILES)
SAMPLES = tuple(_INSTALLS)


def of_kind(kind: str) -> Scaffold:
    """What a kind of KINDS writes."""
    templates, then = _FILES[kind]
    return Scaffold({name: _template(template) for name, template in templates.items()}, (then,))


def of_application(command: str, ready: str) -> Scaffold:
    """An experiment about an application that is there: started by `command`, ready once GET `ready` answers 2xx.

    `{port}` in the command becomes the port that a run picks; it is in the application's environment as PORT as well.
    Raises UsageError where either cannot be one.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--command {command!r}: {error}", hint="quote it as for a shell") from error
    if not words:
        raise UsageError("--command names no command", hint="such as --command 'python app.py'")
    if not ready.startswith("/") or re.search(r"[\s{}\"\\]", ready):
        raise UsageError(f"--ready {ready!r}: a path begins with / and has no spaces", hint="such as --ready /healthz")
    text = _template(_APPLICATION)
    for before, after in (
        (_COMMAND, json.dumps(command)),
        (f"http://127.0.0.1:{{port}}{_READY}", json.dumps(f"http://127.0.0.1:{{port}}{ready}")),
        (f"path: {_READY}", f"path: {json.dumps(ready)}"),
    ):
        assert before in text, before
        text = text.replace(before, after)
    return Scaffold({_APPLICATION: text}, (f"brownout run {_APPLICATION}",))


def of_sample(name: str) -> Scaffold:
    """The files of a sample application of SAMPLES, as they are in `samples/`."""
    folder = files("brownout") / "samples" / name
    texts = {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir() if each.is_file()}
    return Scaffold(texts, (_INSTALLS[name], *_RUNS))


def write(scaffold: Scaffold, folder: Path) -> tuple[Path, ...]:
    """Writes its files, and the schema that editors read beside them; returns the files that are new.

    A file that is there with the same content stays. Raises UsageError, having written nothing, where one has other content
    or cannot be written.
    """
    new = {folder / name: text for name, text in scaffold.texts.items() if not _is_there(folder / name, text)}
    if any(path.suffix == ".yaml" for path in new) and not (folder / _SCHEMA).exists():
        new[folder / _SCHEMA] = schema_text()
    for path, text in new.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    return tuple(new)


def _template(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _is_there(path: Path, text: str) -> bool:
    try:
        if path.read_text(encoding="utf-8") == text:
            return True
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        pass
    raise UsageError(f"{path} is there already", hint="move it away, or name another folder with --to")
