"""Python files of the person who runs Brownout, named in an experiment: run once, as modules of their own."""

from __future__ import annotations

import sys
from functools import cache
from hashlib import blake2b
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from brownout.harness.base.entry_points import place_of
from brownout.harness.base.files import is_file_there
from brownout.harness.errors import UsageError

SUFFIX = ".py"


def is_file_name(word: str) -> bool:
    """Whether a fault or a client model is named by its file."""
    return word.endswith(SUFFIX)


def beside(word: str, folder: Path, what: str) -> str:
    """The absolute path of a file that an experiment in `folder` names; raises UsageError for one outside of the folder."""
    path = (folder / word).resolve()
    if not path.is_relative_to(folder.resolve()):
        hint = f"keep the {what}'s file beside the experiment"
        raise UsageError(f"{word} is not below the folder of the experiment", hint=hint)
    return str(path)


@cache
def module_of(path: Path, what: str, how: str) -> ModuleType:
    """The module that the file at an absolute path makes; raises UsageError, with file and line, where it makes none.

    `what` says what the file is for, such as `fault`, and `how` where that is described.
    """
    name = f"brownout_{what.replace(' ', '_')}_{path.stem}_{blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not is_file_there(path):
        raise UsageError(f"there is no file {path}", hint=how)
    module = sys.modules[name] = module_from_spec(spec)  # before it runs: pydantic looks names of types up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code: it may raise anything
        del sys.modules[name]
        raise UsageError(f"{place_of(error)}{type(error).__name__}: {error}", hint=f"mend the {what}'s file") from error
    return module
