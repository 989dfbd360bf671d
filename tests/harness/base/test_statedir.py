"""Where the state folder is, and what is said where there can be none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from brownout.harness.base import statedir
from brownout.harness.cli import main
from brownout.harness.errors import StateFolderError
from brownout.harness.injection.standing import anything_stands
from support.brownout_command import small


def test_it_is_made_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is made when it is used, and not when somebody only looks."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "a" / "b"))
    assert statedir.existing_state_dir() is None
    assert not anything_stands()
    assert not (tmp_path / "a").exists()  # a look makes nothing
    assert statedir.state_dir().stat().st_mode & 0o777 == 0o700
    assert statedir.existing_state_dir() == tmp_path / "a" / "b"


def test_a_place_that_no_folder_can_have_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its place, or a name too long, is named with what to do."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        monkeypatch.setenv("BROWNOUT_HOME", str(place))
        with pytest.raises(StateFolderError) as raised:
            statedir.state_dir()
        assert str(place)[:100] in raised.value.message
        assert "BROWNOUT_HOME" in raised.value.hint


def test_somebody_elses_folder_is_refused_and_their_own_read_only_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose folder it is decides, because an undo must work on a full disk."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    assert statedir.state_dir() == tmp_path  # an undo needs no more than to read it
    monkeypatch.setattr(os, "geteuid", lambda: 65533)
    for ask in (statedir.state_dir, statedir.existing_state_dir):
        with pytest.raises(StateFolderError, match="belongs to another user"):
            ask()


def _without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user whom the system has no home for."""

    def unknown(*_: object, **__: object) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("BROWNOUT_HOME", raising=False)
    monkeypatch.setattr(statedir.platformdirs, "user_state_path", unknown)


@pytest.mark.parametrize(
    "words", [("status",), ("heal",), ("down",), ("up",), ("inject", "node-kill", "--target", "sydney.host")]
)
def test_without_a_home_a_command_that_needs_the_folder_says_so(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence and exit code 4, no traceback."""
    _without_home(monkeypatch)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 4
    assert done.output.splitlines() == [
        "brownout: the state folder ~/.local/state/brownout cannot be used: HOME is not set, and this user has no home",
        "  -> set BROWNOUT_HOME to a folder that you may write",
    ]


def test_a_simulation_needs_no_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in the simulation and its report work for a user without a home."""
    _without_home(monkeypatch)
    runs = tmp_path / "runs"
    words = ("run", str(small(tmp_path)), "--world", "simulation", "--expect", "breach", "--out", str(runs))
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    (folder,) = runs.iterdir()
    assert CliRunner().invoke(main, ("report", str(folder))).exit_code == 0
