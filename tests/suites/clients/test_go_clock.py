"""The clock of Go's programs: the standard library with three changes, or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brownout.suites.clients.programs.go_clock import with_clock, write_overlay

SOURCE = """package time

func Since(t Time) Duration {
		return subMono(runtimeNano()-startNano, t.ext)
}

func Until(t Time) Duration {
		return subMono(t.ext, runtimeNano()-startNano)
}

func Now() Time {
	sec, nsec, mono := runtimeNow()
}
"""


def test_now_since_and_until_are_ahead_alike() -> None:
    """So that what was begun before the clock moved is as much older."""
    changed = with_clock(SOURCE)
    assert changed.count("int64(Ahead)") == 3
    assert "\nvar Ahead Duration\n" in changed


@pytest.mark.parametrize("source", [SOURCE.replace("runtimeNow()", "now()"), SOURCE + SOURCE])
def test_another_standard_library_is_refused(source: str) -> None:
    """A clock that moves by half would be measured as a client's doing."""
    with pytest.raises(ValueError, match=r"time\.go has"):
        with_clock(source)


def test_the_overlay_leads_from_the_original_to_the_copy(tmp_path: Path) -> None:
    """The original stays as it is."""
    original = tmp_path / "src" / "time" / "time.go"
    original.parent.mkdir(parents=True)
    original.write_text(SOURCE)
    ((path, copy),) = json.loads(write_overlay(tmp_path, tmp_path).read_text())["Replace"].items()
    assert (Path(path), original.read_text()) == (original, SOURCE)
    assert "Ahead" in Path(copy).read_text()
