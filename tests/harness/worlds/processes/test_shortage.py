"""What the processes of a stack ran out of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.worlds.processes import shortage
from brownout.harness.worlds.processes.shortage import ProcessShortages


def test_a_process_without_files_left_and_a_log_that_says_so_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was full once stays named, although it has room at the next look."""
    (tmp_path / "toxiproxy.log").write_text("dial tcp: connect: cannot assign requested address\n" * 3)
    (tmp_path / "sydney.host.log").write_text("")
    seen = iter(("23 of 24 open files", ""))
    monkeypatch.setattr(shortage, "out_of_files", lambda _: next(seen))
    monkeypatch.setattr(shortage, "children", lambda _: ())
    monkeypatch.setattr(shortage, "name_of", lambda _: "sydney.host")
    found = ProcessShortages(tmp_path, ProcessId(os.getpid(), ""))
    found.look()
    found.look()
    assert found.found() == (
        "sydney.host of the stack had 23 of 24 open files",
        "toxiproxy of the stack ran out of ephemeral ports, as its log says",
    )


def test_a_stack_that_lacks_nothing_has_no_shortage(tmp_path: Path) -> None:
    """Nor has one whose logs do not exist yet."""
    found = ProcessShortages(tmp_path / "logs", ProcessId(os.getpid(), ""))
    found.look()
    assert found.found() == ()
