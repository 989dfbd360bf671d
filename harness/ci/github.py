"""GitHub Actions: the summary of a job's step, and annotations.

A step that runs in GitHub Actions has `GITHUB_ACTIONS=true`. What it appends to the file `GITHUB_STEP_SUMMARY` is shown as
Markdown, at most 1 MiB of it: a step that writes more shows nothing. A line `::error title=T::M` becomes an annotation, at most
ten of each kind per step. In the message `%`, CR and LF are written as `%25`, `%0D` and `%0A`, in a property `:` and `,` too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from brownout.harness.record.result import Result

SUMMARY_BYTES_MAX = 1024 * 1024
ANNOTATIONS_MAX = 10
_ACTIONS, _SUMMARY = "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"
_MORE = "\nMore runs are not shown here: a step's summary holds 1 MiB.\n"
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


@dataclass(frozen=True, slots=True)
class Annotation:
    """What GitHub shows beside a job: an error or a warning, with a title and a message of any text."""

    level: Literal["error", "warning"]
    title: str
    message: str

    @property
    def line(self) -> str:
        """The workflow command, one line whatever the texts are."""
        return f"::{self.level} title={_escaped(self.title, _PROPERTY)}::{_escaped(self.message, _DATA)}"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return text.translate({ord(letter): written for letter, written in table.items()})


def is_github(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a step of GitHub Actions."""
    return environ.get(_ACTIONS) == "true"


def run_annotations(result: Result) -> tuple[Annotation, ...]:
    """An annotation for each reason of a run that was not as wished, none for a run whose exit code is 0.

    A verdict that proves nothing is a warning, any other an error. Beyond ten the last one says how many more there are.
    """
    if result.exit_code == 0:
        return ()
    level: Literal["error", "warning"] = "warning" if result.verdict == "inconclusive" else "error"
    expected = f" ({result.expectation})" if result.expectation else ""
    title = f"brownout: {result.experiment}, posture {result.posture}: {result.verdict}{expected}"
    return tuple(limited([Annotation(level, title, reason) for reason in result.reasons or (result.title,)]))


def limited(found: Sequence[Annotation]) -> Iterator[Annotation]:
    """Of each kind as many as GitHub shows; the last of a kind that has more says how many there are."""
    for level in ("error", "warning"):
        same = [one for one in found if one.level == level]
        if len(same) <= ANNOTATIONS_MAX:
            yield from same
        else:
            yield from same[: ANNOTATIONS_MAX - 1]
            yield Annotation(level, "brownout", f"{len(same) - ANNOTATIONS_MAX + 1} more are in the log and in the reports")


def add_to_summary(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """Appends Markdown to the step's summary, where there is one; returns why it could not, "" when nothing is wrong.

    Where it has no room, a line that says so is appended in its place, once.
    """
    name = environ.get(_SUMMARY, "")
    if not name:
        return ""
    try:
        _append(Path(name), f"{text.rstrip()}\n\n".encode())
    except OSError as error:
        return f"the step's summary {name} could not be written: {error.strerror or error}"
    return ""


def _append(path: Path, more: bytes) -> None:
    """One write, so that processes which append at the same time do not mix their lines."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        size, note = os.fstat(descriptor).st_size, _MORE.encode()
        if size + len(more) + len(note) <= SUMMARY_BYTES_MAX:
            os.write(descriptor, more)
        elif size + len(note) <= SUMMARY_BYTES_MAX and os.pread(descriptor, len(note), max(0, size - len(note))) != note:
            os.write(descriptor, note)
    finally:
        os.close(descriptor)
