"""What to do next: the known word nearest to a misspelt one, and how to install what is missing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

import brownout

_LIST_MAX = 16
_UVX_FOLDER = re.compile(r"archive-v\d+")  # of uv's cache: uvx makes an environment there for each command
NEW_STACK = "this one is of an earlier version: `brownout down`, then `brownout up`"


def closest(word: str, options: Iterable[str]) -> str | None:
    """The option most like `word`, whatever its case; None when none is near."""
    by_folded = {option.casefold(): option for option in options}
    found = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """A hint: the nearest option, else what the options are, else an empty text when there are none."""
    known = sorted(set(options))
    best = closest(word, known)
    if best is not None:
        return f"did you mean {best!r}?"
    if not known:
        return ""
    more = f" and {len(known) - _LIST_MAX} more" if len(known) > _LIST_MAX else ""
    return f"known: {', '.join(known[:_LIST_MAX])}{more}"


def checkout() -> Path | None:
    """The checkout that this code runs from; None where the package is installed."""
    root = Path(brownout.__file__).absolute().parents[2]  # not resolved: in a checkout the packages are links below `src`
    return root if (root / "Makefile").is_file() and (root / "src" / "brownout").is_dir() else None


def install(*extras: str) -> str:
    """How to install Brownout with the packages of these extras, by the tool that has installed it here."""
    named = ",".join(sorted(set(extras)))
    if checkout() is not None:
        return f"`make setup` installs {f'what {named} needs' if named else 'it'}"
    wanted = f"'brownout[{named}]'" if named else "brownout"
    prefix = Path(sys.prefix)
    if (prefix / "pipx_metadata.json").is_file():
        return f"pipx install --force {wanted}"
    if (prefix / "uv-receipt.toml").is_file():
        return f"uv tool install --reinstall {wanted}"
    if _UVX_FOLDER.match(prefix.parent.name):
        return f"uvx --from {wanted} brownout"
    return f"pip install {wanted}" if named else f"pip install --force-reinstall {wanted}"


def images() -> str:
    """How to make the images of the world `compose`."""
    return "`brownout images` builds them, `brownout images --offline` where no image registry can be reached (a minute or two)"


def missing(*modules: str) -> tuple[str, ...]:
    """Those of the modules that are not installed. They are not imported: Locust, for one, patches the whole process."""
    return tuple(name for name in modules if not _installed(name))


def _installed(name: str) -> bool:
    parent, _, _ = name.rpartition(".")
    return (not parent or _installed(parent)) and find_spec(name) is not None
