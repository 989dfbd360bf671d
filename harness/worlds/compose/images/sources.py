"""What images are made from: the package's own files, their digest, and the folder that a build is given.

The folder looks as a checkout does, wherever the package is installed: `identity`, `harness`, `suites` and `compose` at its top
and the package's own module below `src`. So the Dockerfile is the same for both.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import brownout
from brownout.harness.worlds.compose.image_names import FIREWALL_IMAGE, IDENTITY_IMAGE, LOAD_IMAGE, identity_image
from brownout.harness.worlds.compose.layout import OLD_BUILDS

DOCKERFILE = "compose/Dockerfile"
SERVICE_LIST, LOAD_LIST = "compose/service.txt", "compose/load-image.txt"
PARTS = "compose/dist"  # in the folder of a build: what was made from packages beforehand
_PACKAGE = "src/brownout/__init__.py"
_SERVICE = (SERVICE_LIST, _PACKAGE, "identity", "harness")
_FIREWALL = ("compose/firewall.py",)
_LOAD = (LOAD_LIST, _PACKAGE, "identity", "harness", "suites")
_LAID_OUT = ("identity", "harness", "suites", "compose")
_NOT_COPIED = ("__pycache__", "dist")
_DIGEST_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Image:
    """One image: its name, the stage of the Dockerfile that it is, what goes into it, and arguments of the build."""

    name: str
    target: str
    sources: tuple[str, ...]
    arguments: tuple[str, ...] = ()


def images() -> tuple[Image, ...]:
    """Every image of ours, in the order in which they are built."""
    return (
        Image(IDENTITY_IMAGE, "identity", _SERVICE),
        *(Image(identity_image(build), "identity", _SERVICE, (f"IMAGE_BUILD={build}",)) for build in OLD_BUILDS),
        Image(FIREWALL_IMAGE, "firewall", _FIREWALL),
        Image(LOAD_IMAGE, "load", _LOAD),
    )


def package() -> Path:
    """The folder of the installed package. In a checkout, what is below it are links."""
    return Path(brownout.__file__).absolute().parent


def located(name: str, folder: Path) -> Path:
    """Where the package in `folder` has what a build's folder has at `name`."""
    return folder / ("__init__.py" if name == _PACKAGE else name)


def digest(sources: Iterable[str], *, folder: Path, more: Sequence[str] = ()) -> str:
    """A digest of every file below these sources of the package in `folder`, and of what else decides an image's content."""
    found = hashlib.sha256("\0".join(more).encode())
    for name, path in sorted(_files(sources, folder)):
        found.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:_DIGEST_CHARACTERS]


def _files(sources: Iterable[str], folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of the sources, each with its name in the folder of a build."""
    for source in sources:
        path = located(source, folder)
        if path.is_file():
            yield source, path
            continue
        for each in path.rglob("*"):
            inside = each.relative_to(path)
            if each.is_file() and not set(_NOT_COPIED) & set(inside.parts):
                yield f"{source}/{inside}", each


def lay_out(target: Path, *, folder: Path, parts: Mapping[str, Path]) -> None:
    """Fills the folder of a build from the package in `folder`. `parts` are on the same disk: they are links, not copies."""
    for name in _LAID_OUT:
        shutil.copytree(located(name, folder), target / name, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    module = target / _PACKAGE
    module.parent.mkdir(parents=True)
    shutil.copy(located(_PACKAGE, folder), module)
    (target / PARTS).mkdir()
    for name, part in parts.items():
        os.link(part, target / PARTS / name)
