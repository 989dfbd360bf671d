"""The terminal: one plain line per change where it is no terminal, a redrawn table where it is, and the outcome last."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from brownout.harness.record.progress import Status
from brownout.harness.record.result import Result
from brownout.reports.terminal import live_view, progress, render_result, summary


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def status(**changes: object) -> Status:
    values: dict[str, object] = {
        "phase": "fault",
        "elapsed_s": 61.0,
        "total_s": 121.0,
        "clock": "01:10",
        "offered_per_s": 140.0,
        "achieved_per_s": 139.6,
        "good": {"machines-warm": 1.0, "machines-new": 0.0, "none-yet": None},
        "burn": {"cold-tokens": 62.14},
        "p99_ms": 1490.0,
        "active": ("switch-keys",),
    }
    return Status(**{**values, **changes})  # type: ignore[arg-type]  # names are checked by the call


@pytest.fixture
def result(whole: Path) -> Result:
    return Result.model_validate_json((whole / "result.json").read_bytes())


def test_a_pipe_gets_one_line_per_change() -> None:
    """Each new phase, fault or message is one line; equal phase and faults are not repeated."""
    stream = io.StringIO()
    sink = progress(stream)
    healed = status(active=(), phase="recovery", message="healed")
    for told in (status(), status(elapsed_s=62.0), status(active=()), status(active=(), phase="recovery"), healed, healed):
        sink.update(told)
    sink.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("01:10  fault")
    assert "machines-new 0 %" in lines[0]
    assert lines[3] == "01:10  healed"
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_cannot_redraw_gets_plain_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """CI, NO_COLOR and a dumb terminal get no control sequences."""
    monkeypatch.setenv(name, value)
    sink = progress(terminal)
    sink.update(status())
    sink.close()
    assert "\x1b" not in terminal.getvalue()
    assert len(terminal.getvalue().splitlines()) == 1


def test_a_terminal_is_redrawn_at_most_four_times_a_second(terminal: Terminal) -> None:
    """A flood of updates draws once, a change of phase draws at once, and the cursor comes back at the end."""
    sink = progress(terminal)
    for turn in range(50):
        sink.update(status(elapsed_s=float(turn)))
    drawn = terminal.getvalue().count("of 2 min 1 s")
    sink.update(status(phase="recovery"))
    changed = terminal.getvalue().count("of 2 min 1 s")
    sink.close()
    sink.close()
    assert drawn <= 2
    assert changed == drawn + 1
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")


@pytest.mark.parametrize("width", [80, 160])
def test_the_outcome_fits_the_width(result: Result, width: int) -> None:
    """No line is wider than the terminal, and nothing that matters is missing."""
    console = Console(file=io.StringIO(), width=width, no_color=True)
    render_result(result, console)
    console.print(live_view(status()))
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert max(map(len, said.splitlines())) <= width
    for words in (
        "Breach (as expected)",
        "tokens-overall",
        "fail-over-zone",
        "C27",
        "switch-keys",
        "not-exercised",
        "longest outage 5 h 33 min",
    ):
        assert words in said


def test_the_report_is_named_last(result: Result) -> None:
    """The last line is the report's path, whole, however long it is."""
    stream, path = io.StringIO(), Path("/a-folder") / ("long-" * 40) / "report.html"
    summary(result, path, stream)
    assert stream.getvalue().splitlines()[-1] == f"Report: {path}"


def test_names_cannot_steer_the_terminal(result: Result) -> None:
    """Control characters of the record never reach the stream."""
    stream = io.StringIO()
    bad = result.model_copy(
        update={"reasons": ("\x1b[2J\x07gone",), "slos": (result.slos[0].model_copy(update={"name": "\x1b]0;x"}),)}
    )
    summary(bad, None, stream)
    sink = progress(stream)
    sink.update(status(active=("\x1b[31mred",), message="\x1b[2Jgone"))
    assert "\x1b" not in stream.getvalue()
    assert "\x07" not in stream.getvalue()


def test_failed_gates_are_told(result: Result) -> None:
    """The outcome shows a failed gate with its reason, and no gate that passed."""
    gate = result.gates[0].model_copy(update={"passed": False, "reason": "p99 300 ms"})
    stream = io.StringIO()
    summary(result.model_copy(update={"gates": (gate, result.gates[1])}), None, stream)
    assert "p99 300 ms" in stream.getvalue()
    assert "arrivals-issued" not in stream.getvalue()
