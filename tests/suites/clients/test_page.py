"""The page of the measured clients is what the generator writes of the stored measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.suites.clients.answers import ANSWERS
from brownout.suites.clients.measure import CLIENTS
from brownout.suites.clients.page import page
from brownout.suites.clients.records import ClientMeasurement, merged, read, write
from support.places import ROOT

DATA, PAGE = ROOT / "docs" / "data" / "azure-clients.json", ROOT / "docs" / "azure-clients.md"


def row(client: str, answer: str, error: str = "") -> ClientMeasurement:
    return ClientMeasurement(client, "1", answer, "", 1, 0.0, error, "2026-01-01")


def test_the_page_is_that_of_the_stored_measurements() -> None:
    """`python -m brownout.suites.clients.table` without --client writes it again."""
    assert PAGE.read_text(encoding="utf-8") == page(read(DATA))


def test_every_client_was_measured_with_every_answer() -> None:
    """The page has no client that can be measured and was not."""
    measured = {(row.client, row.answer) for row in read(DATA) if not row.age}
    assert measured == {(client, answer.name) for client in CLIENTS for answer in ANSWERS}


def test_measurements_come_back_as_they_were_written(tmp_path: Path) -> None:
    """A file of another schema is refused."""
    rows = (row("sync", "400", "CredentialUnavailableError"), row("msal", "ok"))
    write(tmp_path / "data.json", rows)
    assert read(tmp_path / "data.json") == rows
    (tmp_path / "other.json").write_text('{"schema": "other"}')
    with pytest.raises(ValueError, match="schema"):
        read(tmp_path / "other.json")


def test_new_measurements_take_the_place_of_the_same_clients() -> None:
    """All of a client's are of one day and one version."""
    kept, old, new = row("msal", "ok"), row("sync", "400"), row("sync", "ok")
    assert merged((kept, old), (new,)) == (kept, new)
