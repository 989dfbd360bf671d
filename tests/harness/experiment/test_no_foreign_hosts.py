"""An experiment's file can name regions, links and nodes of its own stack, and no host anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import load
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from fuzz.files import RICH

FOREIGN = ("evil.example", "10.0.0.1", "http://evil.example:80", "169.254.169.254")
# Each place that leads a request or a fault somewhere, as it stands in the sound file.
PLACES = (
    "region: sydney, rate_per_s: 3, machines: [web]",
    "link: client->sydney.host, latency",
    "link: client->sydney.host}}]",
    "region: sydney, status: 429",
    "region: sydney, overlap: 5s",
    "web: {region: sydney, count: 2}",
    "homes: {sydney: 2}",
    "total: {cohorts: [warm], regions: [sydney]}",
    'builds: {sydney: "1.0"}',
)


def prepared(path: Path) -> None:
    prepare(load(path), Options())


def test_the_file_is_sound_as_it_is(tmp_path: Path) -> None:
    """The control: with its own regions and links it is prepared."""
    path = tmp_path / "rich.yaml"
    path.write_text(RICH, encoding="utf-8")
    prepared(path)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("host", FOREIGN)
def test_a_host_of_somebody_else_is_refused(tmp_path: Path, place: str, host: str) -> None:
    """Before anything starts, wherever it stands: nothing of ours ever sends a request or a fault there."""
    assert RICH.count(place) == 1
    path = tmp_path / "foreign.yaml"
    path.write_text(RICH.replace(place, place.replace("sydney", f'"{host}"' if ":" in host else host, 1)), encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        prepared(path)
    assert host in str(refused.value)
