"""The parts of the benchmarks that need no stack: spreads, percentiles, reports, the table, the prober's sightings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import ValidationError

import benchmarks.__main__ as command
from benchmarks.__main__ import BENCHMARKS, main, take
from benchmarks.fault_effect import FEELS
from benchmarks.report import Benchmark, Figures, Report, Row, Spread, percentile, read_report, text
from benchmarks.sightings import RUN, Probe, Sightings
from benchmarks.table import BEGIN, END, PAGE, plain, write_table

PAGE_TEXT = f"# Figures\n\n{BEGIN}\nold\n{END}\n\nafter\n"
BEAT_NS = 4_000_000


class Sleeps(Figures):
    slept_s: Spread


@dataclass(frozen=True, slots=True)
class Nights:
    slept_s: tuple[float, ...]


def measure(nights: Nights) -> Sleeps:
    if not nights.slept_s:
        raise OSError("no bed")
    return Sleeps(slept_s=Spread.of(nights.slept_s))


def rows(figures: Sleeps) -> tuple[Row, ...]:
    return (Row("slept", text(figures.slept_s, "s"), "8 s"), Row("- of which well", "half"))


SLEEPS = Benchmark("sleeps", "Sleep", "At night.", Sleeps, measure, rows, full=Nights((7.0, 9.0, 8.0)), tiny=Nights((1.0,)))
BROKEN = Benchmark("broken", "No sleep", "Never.", Sleeps, measure, rows, full=Nights(()), tiny=Nights(()))


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "BENCHMARKS", {"broken": BROKEN, "sleeps": SLEEPS})


def test_a_spread_is_median_and_range() -> None:
    """The spread of rounds is their median, lowest and highest, in any order, and of no rounds there is none."""
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(median=2.0, low=1.0, high=3.0, rounds=3)
    with pytest.raises(ValueError, match="at least one round"):
        Spread.of([])


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: int) -> None:
    """Of the numbers 1 to 100 each percentile is its own number."""
    assert percentile(range(1, 101), share) == expected


def test_figures_are_read_back_as_written(tmp_path: Path) -> None:
    """A report survives its JSON, and one with a foreign field is refused."""
    path = tmp_path / "sleeps.json"
    report = take(SLEEPS, size="full")
    path.write_bytes(report.to_json())
    assert read_report(path, Sleeps).to_json() == report.to_json()
    path.write_bytes(report.to_json().replace(b'"slept_s"', b'"dozed_s"'))
    with pytest.raises(ValidationError, match="dozed_s"):
        read_report(path, Sleeps)


def test_a_report_names_no_host_and_no_path(tmp_path: Path) -> None:
    """A report describes the machine by cores, Python and system only."""
    report: Report = take(SLEEPS, size="full")
    assert set(report.machine.model_dump()) == {"cores", "python", "system", "busy_before"}
    assert "/" not in report.command


@pytest.mark.usefixtures("benches")
def test_a_failing_benchmark_keeps_none_of_the_others_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All are run though the first fails, its reason is told, and the exit code is 1."""
    assert main([], results=tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["sleeps.json"]
    assert "broken failed: OSError: no bed" in capsys.readouterr().err


@pytest.mark.usefixtures("benches")
def test_the_table_replaces_what_is_between_the_marks(tmp_path: Path) -> None:
    """`table` fills the page from the results and leaves the rest of it alone; done twice it changes nothing."""
    page = tmp_path / "page.md"
    page.write_text(PAGE_TEXT)
    assert main(["sleeps"], results=tmp_path) == 0
    assert main(["table"], results=tmp_path, page=page) == 0
    once = page.read_text()
    assert "| slept | 8 s (7 to 9, 3 rounds) | 8 s |" in once
    assert "`python -m benchmarks sleeps`" in once
    assert "old" not in once
    assert once.startswith("# Figures\n")
    assert once.endswith("\n\nafter\n")
    assert main(["table"], results=tmp_path, page=page) == 0
    assert page.read_text() == once


@pytest.mark.usefixtures("benches")
def test_figures_from_before_have_a_column_of_their_own(tmp_path: Path) -> None:
    """They are found by what each figure measures, and only where the same benchmark was taken before."""
    page = tmp_path / "page.md"
    page.write_text(PAGE_TEXT)
    assert main(["sleeps"], results=tmp_path / "before") == 0
    assert main(["sleeps"], results=tmp_path) == 0
    assert main(["table"], results=tmp_path, page=page) == 0
    assert "| slept | 8 s (7 to 9, 3 rounds) | 8 s (7 to 9, 3 rounds) | 8 s |" in page.read_text()


def test_a_table_without_results_or_marks_is_refused(tmp_path: Path) -> None:
    """A page without marks and a folder without results are errors, and the page stays as it was."""
    page = tmp_path / "page.md"
    page.write_text("# Figures\n")
    with pytest.raises(ValueError, match="no marks"):
        write_table(page, BENCHMARKS, tmp_path)
    page.write_text(PAGE_TEXT)
    with pytest.raises(FileNotFoundError, match="no results"):
        write_table(page, BENCHMARKS, tmp_path)
    assert page.read_text() == PAGE_TEXT


def test_the_page_has_marks() -> None:
    """The page of the documentation can be filled."""
    assert BEGIN in PAGE.read_text(encoding="utf-8")
    assert END in PAGE.read_text(encoding="utf-8")


def test_an_unknown_benchmark_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name is told with the right ones, and nothing runs."""
    with pytest.raises(SystemExit) as left:
        main(["stack_redy"])
    assert left.value.code == 2
    assert "stack_ready" in capsys.readouterr().err


def test_a_terminal_gets_aligned_lines() -> None:
    """Every line has its value in the same column."""
    lines = plain(rows(Sleeps(slept_s=Spread.of([8.0])))).splitlines()
    assert lines[0].index("8 s") == lines[1].index("half")


def seen(outcomes: str, *, wanted: str, since: int = 0) -> int:
    """The number of the first probe that counts; the outcomes are a letter each, sent a beat apart, told in reverse pairs."""
    lines = [f"{n} {n * BEAT_NS} {n * BEAT_NS + 1} {outcome}\n".encode() for n, outcome in enumerate(outcomes)]
    shuffled = [line for pair in zip(lines[1::2], lines[::2], strict=True) for line in pair]

    async def find() -> Probe:
        reader = asyncio.StreamReader()
        reader.feed_data(b"".join(shuffled))
        reader.feed_eof()
        return await Sightings(reader).first(lambda probe: probe.outcome == wanted, since_ns=since * BEAT_NS)

    return asyncio.run(find()).number


def test_the_first_of_a_run_dates_an_effect() -> None:
    """One odd probe is no effect; the first of a run of them is, in the order of sending."""
    assert seen("okxkkk" + "x" * RUN + "kk", wanted="x") == 6


def test_probes_sent_before_the_order_do_not_count() -> None:
    """A run that began before the order counts from the order on."""
    assert seen("x" * (RUN + 6), wanted="x", since=3) == 3


def test_a_prober_that_ends_is_noticed() -> None:
    """When no more probes can come, waiting for an effect ends in an error."""
    with pytest.raises(RuntimeError, match="prober has ended"):
        seen("kk", wanted="x")


@pytest.mark.parametrize(
    ("effect", "probe"),
    [
        ("refuse", Probe(0, 0, 1_000_000, "refused")),
        ("stall", Probe(0, 0, 300_000_000, "timeout")),
        ("slow", Probe(0, 0, 121_000_000, "ok")),
    ],
)
def test_each_effect_is_felt_in_its_own_way(effect: str, probe: Probe) -> None:
    """A probe under an effect is felt as that effect, a healthy one as none."""
    assert FEELS[effect](probe)
    assert not any(feels(Probe(0, 0, 3_000_000, "ok")) for feels in FEELS.values())
