"""The plugin's options: from the command line, the environment or the ini file, in this order."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from brownout.harness.pytest_plugin.settings import PluginSettings


class Config:
    """A pytest.Config with these values of its command line (`cli_NAME`) and ini file (`ini_NAME`)."""

    def __init__(self, **values: str) -> None:
        self._values = values
        self.invocation_params = type("Params", (), {"dir": Path("/from/here")})

    def getoption(self, name: str) -> str | None:
        return self._values.get(f"cli_{name}")

    def getini(self, name: str) -> str:
        return self._values.get(f"ini_{name}", "")


def settled(**values: str) -> PluginSettings:
    return PluginSettings.of(cast("pytest.Config", Config(**values)))


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD", "SEED", "OUT", "INCONCLUSIVE"):
        monkeypatch.delenv(f"BROWNOUT_{name}", raising=False)


@pytest.mark.usefixtures("bare_environment")
def test_the_command_line_beats_the_environment_beats_the_ini_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option is looked up in this order, and has a default."""
    assert settled() == PluginSettings("simulation", 1, None, "skip")
    assert settled(ini_brownout_seed="3", ini_brownout_world="processes") == PluginSettings("processes", 3, None, "skip")
    monkeypatch.setenv("BROWNOUT_SEED", "4")
    monkeypatch.setenv("BROWNOUT_OUT", "kept")
    assert settled(ini_brownout_seed="3") == PluginSettings("simulation", 4, Path("/from/here/kept"), "skip")
    assert settled(ini_brownout_seed="3", cli_brownout_seed="0", cli_brownout_inconclusive="ok").seed == 0


@pytest.mark.usefixtures("bare_environment")
@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("world", "moon", "brownout world 'moon' is none of simulation, processes"),
        ("seed", "-1", "brownout seed '-1' is not a whole number from 0 on"),
        ("inconclusive", "maybe", "brownout inconclusive 'maybe' is none of skip, fail, ok"),
    ],
)
def test_a_wrong_option_is_bad_usage(option: str, value: str, complaint: str) -> None:
    """Wherever it comes from, pytest ends with what is allowed."""
    for place in ("cli", "ini"):
        with pytest.raises(pytest.UsageError, match=complaint):
            settled(**{f"{place}_brownout_{option}": value})
