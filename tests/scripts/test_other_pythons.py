"""The script that runs tests on newer Pythons: what it states agrees with the package, and what is missing is told."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from types import ModuleType

import pytest

from support.places import ROOT


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("other_pythons", ROOT / "scripts" / "other_pythons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_classifiers_are_the_versions_that_are_tested(script: ModuleType) -> None:
    """The lock's Python, on which all tests run, and those of the script; no other is claimed."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    prefix = "Programming Language :: Python :: 3."
    claimed = {f"3.{line.removeprefix(prefix)}" for line in stated["project"]["classifiers"] if line.startswith(prefix)}
    oldest = stated["project"]["requires-python"].removeprefix(">=")
    assert claimed == {oldest, *script.DEBIAN}


def test_every_file_of_tests_is_there(script: ModuleType) -> None:
    """A name that is no file would fail on the other Pythons alone, minutes later."""
    assert [name for name in script.TESTS if not (ROOT / name).exists()] == []


def test_other_packages_are_another_image(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that was made from less is not taken for one that is up to date."""
    before = script.OtherPython("3.13").image
    assert before == script.OtherPython("3.13").image
    monkeypatch.setattr(script, "PACKAGES", f"{script.PACKAGES},git")
    assert script.OtherPython("3.13").image != before


def test_a_program_that_is_missing_is_named(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """In one message, with what it takes."""
    with pytest.raises(script.OtherPythonError, match=r"no-such-engine is not installed\n  -> it takes Docker"):
        script.run(["no-such-engine", "ps"])
    with pytest.raises(script.OtherPythonError, match=r"failed:\n.*No such file"):
        script.run(["ls", "/no/such/file"])
    with pytest.raises(SystemExit):
        script.main(["2.7"])
    assert "no Python 2.7 is known here; there are 3.13, 3.14" in capsys.readouterr().err
