"""What a test rests on, and whether that proves anything: the law of `brownout.harness.pytest_plugin.runs`, kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from brownout.harness.errors import NotProven, UsageError
from brownout.harness.pytest_plugin.outcome import Inconclusive

if TYPE_CHECKING:
    from brownout.harness.record.verdicts import Verdict

HARNESS_VERDICTS = ("harness-error", "unsafe")
Found = TypeVar("Found")


class RunEvidence(Protocol):
    """What a test rests on: a run, or a series of them."""

    @property
    def name(self) -> str: ...

    @property
    def verdict(self) -> Verdict: ...

    @property
    def is_inconclusive(self) -> bool: ...

    @property
    def why(self) -> str: ...

    def require_conclusive(self) -> None: ...


@dataclass(slots=True)
class Uses:
    """The runs that the current test has used, and those whose verdict it has accepted."""

    runs: list[RunEvidence] = field(default_factory=list)
    accepted: list[RunEvidence] = field(default_factory=list)
    folder: Path | None = None
    rerun: str = ""  # which test this is and for which time it runs, when it is not the first
    _times: Counter[str] = field(default_factory=Counter)

    def begin(self, test: str, folder: Path) -> None:
        """Another test begins, or the same one again (as with pytest-rerunfailures); `folder` is that of its file."""
        self.folder = folder
        self.runs.clear()
        self.accepted.clear()
        self._times[test] += 1
        self.rerun = f"{test} {self._times[test]}" if self._times[test] > 1 else ""

    def note(self, run: RunEvidence) -> None:
        if run not in self.runs:
            self.runs.append(run)

    def accept(self, run: RunEvidence) -> None:
        self.accepted.append(run)

    def inconclusive(self, failed: BaseException) -> Inconclusive | None:
        """Inconclusive, for a failed test that used an inconclusive run or a fault that did not work; None when it counts."""
        if isinstance(failed, NotProven):
            return Inconclusive(failed.message)
        unproven = [run for run in self.runs if run not in self.accepted and run.is_inconclusive]
        return Inconclusive(f"{unproven[0].why}; on it the test failed with {failed!r}") if unproven else None

    def check(self) -> None:
        """Raises for the first run that was used and proves nothing, unless its verdict was expected."""
        for run in self.runs:
            if run not in self.accepted:
                run.require_conclusive()


def require_verdicts(verdicts: tuple[str, ...]) -> None:
    """Raises UsageError for a word that is no verdict, and for none."""
    from brownout.harness.record.verdicts import VERDICTS

    unknown = [verdict for verdict in verdicts if verdict not in VERDICTS]
    if unknown or not verdicts:
        raise UsageError(f"no verdict {', '.join(unknown) or 'was named'}", hint=f"verdicts: {', '.join(VERDICTS)}")


def named(name: str, known: Mapping[str, Found], what: str) -> Found:
    """What is known by that name; raises UsageError with a suggestion."""
    if name not in known:
        from brownout.harness.base.hints import did_you_mean

        hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
        raise UsageError(f"there is no {what} called {name!r}", hint=hint)
    return known[name]
