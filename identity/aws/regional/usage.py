"""When keys and roles were last used, kept until the directory is told: the newest use of each, in batches.

Who waits for a request never waits for this. A batch that the directory did not take is kept and merged with newer uses.
"""

from __future__ import annotations

from collections.abc import Iterable

from brownout.identity.aws.records.principals import LastUsed


class Usage:
    """Uses that the directory has not been told of, the newest by subject."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._newest: dict[str, tuple[float, str]] = {}  # by subject: when, and of which service

    def __len__(self) -> int:
        return len(self._newest)

    def note(self, subject: str, service: str, at_s: float) -> None:
        """One use. `subject` is an access key's id, `role/NAME` or `password/NAME`."""
        self._newest[subject] = (at_s, service)

    def take(self) -> tuple[LastUsed, ...]:
        """All that there is, which is forgotten here."""
        taken = tuple(LastUsed(subject, at_s, self._region, service) for subject, (at_s, service) in self._newest.items())
        self._newest.clear()
        return taken

    def put_back(self, uses: Iterable[LastUsed]) -> None:
        """Keeps uses that the directory did not take, where there are no newer ones."""
        for use in uses:
            self._newest.setdefault(use.subject, (use.at_s, use.service))
