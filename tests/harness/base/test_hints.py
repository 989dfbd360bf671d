"""Suggestions for misspelt words, and for what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

import brownout
from brownout.harness.base import hints
from brownout.harness.base.hints import closest, did_you_mean
from brownout.harness.errors import UsageError
from brownout.harness.load import driver
from support.places import ROOT


@pytest.mark.parametrize(
    ("word", "options", "best"),
    [("basline", ["baseline", "fault"], "baseline"), ("SYDNEY", ["sydney"], "sydney"), ("zzz", ["baseline"], None)],
)
def test_the_closest_word(word: str, options: list[str], best: str | None) -> None:
    """A slip or a change of case finds the word, anything else nothing."""
    assert closest(word, options) == best


def test_hints_name_the_word_or_the_words() -> None:
    """One likely word is suggested, else all are named, but never too many."""
    assert did_you_mean("basline", ["baseline"]) == "did you mean 'baseline'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", [f"n{n:02d}" for n in range(20)]).endswith("n15 and 4 more")
    assert did_you_mean("zzz", []) == ""


def test_make_is_advised_in_a_checkout_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user of the installed package, who has no Makefile, is told of pip."""
    assert hints.checkout() == ROOT
    assert "make setup" in hints.install("load")
    monkeypatch.setattr(brownout, "__file__", str(tmp_path / "lib" / "site-packages" / "brownout" / "__init__.py"))
    assert hints.checkout() is None
    assert hints.install("load") == "pip install 'brownout[load]'"
    assert hints.install("load", "aws", "load") == "pip install 'brownout[aws,load]'"
    assert "make" not in hints.install()
    assert "make" not in hints.images()


@pytest.mark.parametrize(
    ("place", "mark", "told", "whole"),
    [
        ("pipx/venvs/brownout", "pipx_metadata.json", "pipx install --force", ""),
        ("uv/tools/brownout", "uv-receipt.toml", "uv tool install --reinstall", ""),
        ("uv/archive-v0/Yto3fQt", "CACHEDIR.TAG", "uvx --from", " brownout"),
    ],
)
def test_an_extra_is_installed_by_what_has_installed_brownout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, mark: str, told: str, whole: str
) -> None:
    """pip would install beside the environment in which the command runs."""
    prefix = tmp_path / place
    prefix.mkdir(parents=True)
    (prefix / mark).touch()
    monkeypatch.setattr(brownout, "__file__", str(prefix / "lib" / "site-packages" / "brownout" / "__init__.py"))
    monkeypatch.setattr("sys.prefix", str(prefix))
    assert hints.install("load") == f"{told} 'brownout[load]'{whole}"
    assert hints.install() == f"{told} brownout{whole}"


def test_missing_packages_of_the_load_are_named_without_importing_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """The load itself needs fewer than its canaries, and nothing has started yet."""
    assert hints.missing("json", "no_such", "no_such.below", "importlib.no_such") == (
        "no_such",
        "no_such.below",
        "importlib.no_such",
    )
    monkeypatch.setattr(driver, "LOAD_MODULES", {"no_such_locust": "load"})
    monkeypatch.setattr(driver, "CANARY_MODULES", {"no_such_sdk": "aws"})
    with pytest.raises(UsageError, match="the load needs no_such_locust, not installed here"):
        driver.require_packages(canaries=False)
    with pytest.raises(UsageError, match="no_such_locust, no_such_sdk"):
        driver.require_packages(canaries=True)
