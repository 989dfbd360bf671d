"""The tests' folders mirror the project's, so what tests a package is found where the package is."""

from __future__ import annotations

from pathlib import Path

from support.places import ROOT

MIRRORED = ("compose", "faults", "harness", "identity", "reports", "suites")


def without_twin(root: Path) -> list[str]:
    """Folders with tests of packages that are not there."""
    folders = {path.parent for package in MIRRORED for path in (root / "tests" / package).rglob("test_*.py")}
    twins = {folder: root / folder.relative_to(root / "tests") for folder in folders}
    return sorted(str(folder.relative_to(root)) for folder, twin in twins.items() if not twin.is_dir())


def test_each_folder_of_tests_has_a_package() -> None:
    """A package that is moved or renamed takes its tests along."""
    assert without_twin(ROOT) == []


def test_a_folder_that_was_left_behind_is_noticed(tmp_path: Path) -> None:
    """It is named; a folder without tests is none."""
    for folder in ("tests/harness/gone", "tests/harness/judge", "harness/judge", "tests/harness/empty"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("gone", "judge"):
        (tmp_path / "tests" / "harness" / folder / "test_it.py").touch()
    assert without_twin(tmp_path) == ["tests/harness/gone"]
