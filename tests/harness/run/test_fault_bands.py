"""FaultSpans come from the ledger: a fault's time in place, in the stack's own time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import Intent, State
from brownout.harness.load.fault_spans import FILE_NAME, read_fault_spans, write_fault_spans
from brownout.harness.run.fault_bands import BandsFile, LedgerBands
from brownout.harness.world import Carrier

RATE = 100.0
NOW_S = 50_000.0


class Wall:
    """A wall clock that is set."""

    def __init__(self) -> None:
        self.now_s = time.time() - 60.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def ledger(tmp_path: Path, wall: Wall) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite", wall=wall) as made:
        made.add_stack("up-1", folder=tmp_path, world="m:W", run_owned=False)
        yield made


def fault(ledger: Ledger, step: str, *states: State) -> str:
    carriers = (Carrier("link", "client->sydney.host"), Carrier("node", "sydney.vault"))
    made = ledger.intend("up-1", 1, Intent(step, "link-refuse", {}, carriers, {}, time.monotonic() + 100))
    for state in states:
        ledger.advance(made.id, state)
    return made.id


def test_a_band_lasts_from_applied_to_reverted(ledger: Ledger, wall: Wall) -> None:
    """Its ends are the ledger's moments in the stack's clock; while the fault is in place it has no end."""
    began_s = wall.now_s
    fault_id = fault(ledger, "cut", "applied")
    source = LedgerBands(ledger, "up-1", {})
    (before,) = source.read(now_s=NOW_S, rate=RATE).bands
    assert before.until_s is None
    wall.now_s += 7.0
    for state in ("bitten", "reverting", "reverted", "healed"):
        ledger.advance(fault_id, state)  # type: ignore[arg-type]
    (after,) = source.read(now_s=NOW_S, rate=RATE).bands
    assert after.until_s is not None
    assert after.until_s - after.from_s == pytest.approx(7.0 * RATE, abs=1.0)
    assert after.from_s == pytest.approx(NOW_S - (time.time() - began_s) * RATE, abs=RATE)
    assert (after.name, after.kind, after.state) == ("cut", "link-refuse", "healed")
    assert after.target == "client->sydney.host, sydney.vault"


def test_what_was_never_in_place_has_no_band(ledger: Ledger) -> None:
    """An intent that came to nothing and a step that the system refused are no bands; a stuck fault is one without end."""
    fault(ledger, "only-meant")
    fault(ledger, "refused", "reverting", "defended")
    fault(ledger, "stuck", "applied", "reverting", "stuck")
    bands = LedgerBands(ledger, "up-1", {}).read(now_s=NOW_S, rate=RATE)
    assert [(band.name, band.until_s, band.state) for band in bands.bands] == [("stuck", None, "stuck")]
    assert bands.active() == bands.bands


def test_steps_that_are_no_faults_are_told_apart(ledger: Ledger) -> None:
    """A run says which of its steps are operations and mitigations."""
    fault(ledger, "fail-over", "applied")
    (band,) = LedgerBands(ledger, "up-1", {"fail-over": "mitigation"}).read(now_s=NOW_S, rate=RATE).bands
    assert band.role == "mitigation"


def test_the_file_is_kept_fresh_and_taken_away(ledger: Ledger, tmp_path: Path) -> None:
    """It is there from the first tick on, whole, and gone at the end; nothing readable is None."""
    folder = tmp_path / "load"
    folder.mkdir()
    assert read_fault_spans(folder) is None
    file = BandsFile(folder, LedgerBands(ledger, "up-1", {}))
    fault(ledger, "cut", "applied")
    file.tick(now_s=NOW_S, rate=RATE)
    found = read_fault_spans(folder)
    assert found is not None
    assert [band.name for band in found.bands] == ["cut"]
    assert abs(found.told_at_s - time.time()) < 5
    file.remove()
    assert list(folder.iterdir()) == []
    (folder / FILE_NAME).write_text('{"schema": "other"}')
    assert read_fault_spans(folder) is None
    write_fault_spans(folder, found)
    assert read_fault_spans(folder) == found


def test_a_ledger_that_cannot_be_read_leaves_the_old_document(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing is raised into the run; the document grows old, which its readers can see."""
    file = BandsFile(tmp_path, LedgerBands(ledger, "up-1", {}))
    file.tick(now_s=NOW_S, rate=RATE)
    before = (tmp_path / FILE_NAME).read_bytes()
    ledger.close()
    file._next_s = 0.0
    file.tick(now_s=NOW_S, rate=RATE)
    assert (tmp_path / FILE_NAME).read_bytes() == before
