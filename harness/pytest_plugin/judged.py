"""What a test has of a record, a run's or a series', by the law of `brownout.harness.pytest_plugin.runs`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, Self, TypeVar

from brownout.harness.pytest_plugin.outcome import Inconclusive
from brownout.harness.pytest_plugin.uses import HARNESS_VERDICTS, Uses, require_verdicts

if TYPE_CHECKING:
    from brownout.harness.record.verdicts import Verdict


class JudgedResult(Protocol):
    """What every result has."""

    @property
    def verdict(self) -> Verdict: ...

    @property
    def reasons(self) -> tuple[str, ...]: ...


R = TypeVar("R", bound=JudgedResult)


class JudgedRecord(ABC, Generic[R]):
    """A result and its folder. To look at either is to use the record, for the test that looks."""

    kind: ClassVar[str]

    def __init__(self, result: R, folder: Path, uses: Uses) -> None:
        self._result, self._folder, self._uses = result, folder, uses

    @property
    @abstractmethod
    def name(self) -> str:
        """Which one this is, for people."""

    @property
    def result(self) -> R:
        """The result as it is in the record."""
        self._uses.note(self)
        return self._result

    @property
    def verdict(self) -> Verdict:
        return self.result.verdict

    @property
    def folder(self) -> Path:
        """The folder with the whole record."""
        self._uses.note(self)
        return self._folder

    @property
    def is_inconclusive(self) -> bool:
        return self._result.verdict == "inconclusive"

    @property
    def why(self) -> str:
        """Its name with the reasons of its verdict and the place of its record."""
        return f"{self.name}: {'; '.join(self._result.reasons)} (record: {self._folder})"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}: {self._result.verdict}>"

    def expect(self, *verdicts: str) -> Self:
        """The record itself, when its verdict is one of `verdicts`; raises AssertionError, or Inconclusive if that came out."""
        __tracebackhide__ = True
        require_verdicts(verdicts)
        self._uses.note(self)
        if self._result.verdict not in verdicts:
            self.require_conclusive()
            raise AssertionError(self._story(f"expected {' or '.join(verdicts)}, got {self._result.verdict}"))
        self._uses.accept(self)
        return self

    def require_conclusive(self) -> None:
        """Raises Inconclusive, or AssertionError after a harness error or an unsafe end; else does nothing."""
        __tracebackhide__ = True
        self._uses.note(self)
        if self.is_inconclusive:
            raise Inconclusive(self.why)
        if self._result.verdict in HARNESS_VERDICTS:
            raise AssertionError(self._story(f"the {self.kind} ended as {self._result.verdict}"))

    def _story(self, headline: str, lines: Iterable[str] = ()) -> str:
        """What a failed test shows; `lines` instead of the reasons of the verdict, where there are any."""
        return f"{headline}: {self.name}: {'; '.join(lines or self._result.reasons)} (record: {self._folder})"
