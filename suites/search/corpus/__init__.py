"""The corpus: shrunk schedules that once violated something, each a file. What was found once is tried first, by CI too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brownout.suites.search.minimise import Minimal
from brownout.suites.search.schedule import FaultSchedule

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class CorpusCase:
    """A schedule of the corpus, with the property that it violated when its bugs were planted."""

    name: str
    broken: str
    schedule: FaultSchedule


def cases() -> tuple[CorpusCase, ...]:
    """Every case, by the name of its file."""
    found = ((path.stem, Minimal.model_validate_json(path.read_bytes())) for path in sorted(FOLDER.glob("*.json")))
    return tuple(CorpusCase(name, least.broken, least.schedule) for name, least in found)
