"""What the reach of a file of tests depends on: when any of it changes, the reach is measured again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutation import sources
from support.places import ROOT


def test_modules_are_followed_by_their_imports_through_support() -> None:
    """The file, the conftest of its folders, its support, and what that imports in turn; nothing of the project itself."""
    found = sources.modules("tests/harness/injection/test_troubled_lives.py")
    assert {"tests/harness/injection/conftest.py", "tests/conftest.py", "tests/support/troubled_lives.py"} <= found
    assert "tests/support/fake_world.py" in found, "imported by what it imports"
    assert "tests/support/__init__.py" in found
    assert "tests/harness/judge/test_verdict.py" not in found
    assert all(name.startswith("tests/") for name in found)


def test_data_are_files_of_the_checkout_and_no_code() -> None:
    """By the place where they are, also when they were opened through a link."""
    life = "tests/harness/injection/lives"
    opened = [
        str(next((ROOT / life).glob("*.txt"))), str(ROOT / "Makefile"), str(ROOT / "tests/conftest.py"), "/etc/hostname",
        str(ROOT / "no-such-file"), str(ROOT / ".git/HEAD"),
    ]  # fmt: skip
    found = sources.data(opened)
    assert {str(Path(name).parent) for name in found} == {life, "."}
    assert "Makefile" in found


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of a module and a folder of data."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("module.py", "data/one.txt", "data/other.txt"):
        (tmp_path / name).write_text("before")
    return tmp_path


def digest() -> str:
    for remembered in (sources._content, sources._names):
        remembered.cache_clear()
    return sources.digest(["module.py"], ["data/one.txt"], ["scope.py"])


@pytest.mark.parametrize("change", ["module.py", "data/one.txt", "data/new.txt"])
def test_a_change_of_any_part_changes_the_digest(small: Path, change: str) -> None:
    """Of a module, of data that was read, and of what is beside it, for a new file may be a new test."""
    before = digest()
    assert digest() == before
    (small / change).write_text("after")
    assert digest() != before


def test_what_was_not_read_does_not_count(small: Path) -> None:
    """Nor what Python keeps beside it."""
    before = digest()
    (small / "data" / "other.txt").write_text("after")
    (small / "data" / "__pycache__").mkdir()
    assert digest() == before


def test_a_change_of_what_is_in_scope_changes_the_digest(small: Path) -> None:
    """Lines of a file that comes into scope were not looked at before."""
    assert digest() != sources.digest(["module.py"], ["data/one.txt"], ["scope.py", "more.py"])
