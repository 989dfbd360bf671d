"""Writes a scaffold: a few files of one kind into a folder, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.errors import UsageError
from brownout.harness.experiment.editor_schema import schema_text

_TEMPLATES = Path(__file__).with_name("templates")
_SCHEMA = "brownout.schema.json"


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What one kind writes. `files`: the name of each file and of its template; `then`: the command to try it with."""

    files: Mapping[str, str]
    then: str


_EXPERIMENT = {"checkout.brownout.yaml": "checkout.brownout.yaml"}
SCAFFOLDS: Mapping[str, Scaffold] = {
    "experiment": Scaffold(_EXPERIMENT, "brownout run checkout.brownout.yaml --world simulation"),
    "pytest": Scaffold({**_EXPERIMENT, "test_resilience.py": "test_resilience.py.txt"}, "pytest test_resilience.py"),
    "fault": Scaffold(
        {"region_cut.py": "region_cut.py.txt", "region-cut.brownout.yaml": "region-cut.brownout.yaml"},
        "brownout run region-cut.brownout.yaml --world simulation",
    ),
    "ci": Scaffold({**_EXPERIMENT, ".github/workflows/brownout.yml": "github.yml"}, "brownout validate checkout.brownout.yaml"),
}


def write(kind: str, folder: Path) -> tuple[Path, ...]:
    """Writes the files of a kind of SCAFFOLDS, and the schema that editors read beside them; returns the files that are new.

    A file that is there with the same content stays. Raises UsageError, having written nothing, where one has other content
    or cannot be written.
    """
    texts = {name: (_TEMPLATES / template).read_text(encoding="utf-8") for name, template in SCAFFOLDS[kind].files.items()}
    new = {folder / name: text for name, text in texts.items() if not _is_there(folder / name, text)}
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


def _is_there(path: Path, text: str) -> bool:
    try:
        if path.read_text(encoding="utf-8") == text:
            return True
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError):
        pass
    raise UsageError(f"{path} is there already", hint="move it away, or name another folder with --to")
