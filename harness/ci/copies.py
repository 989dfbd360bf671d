"""Copies of a run's reports where a CI job wants them: JUnit XML, Markdown and the HTML page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from brownout.harness.base.files import is_folder_there, is_there, replace_whole
from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.record.result import Result


@dataclass(frozen=True, slots=True)
class Copies:
    """Where each report goes; None for nowhere."""

    junit: Path | None = None
    markdown: Path | None = None
    html: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.junit, self.markdown, self.html) if path is not None)

    def check(self) -> None:
        """Makes the folders that are missing; raises UsageError where a file cannot be written, before any run."""
        if len(set(self.paths)) != len(self.paths):
            raise UsageError("two reports have the same file", hint="give each its own")
        for path in self.paths:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.stat()  # a name that no file can have is found here, not after the run
            except FileNotFoundError:
                pass
            except OSError as error:
                raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
            if is_folder_there(path):
                raise UsageError(f"{path} is a folder", hint="name a file")
            if not os.access(path if is_there(path) else path.parent, os.W_OK):
                raise UsageError(f"{path} cannot be written: permission denied")

    def write(self, result: Result, page: Path | None) -> tuple[str, ...]:
        """Writes them; returns why one could not be written, a line each. `page`: the HTML report, None for none."""
        problems: list[str] = []
        for name, path in (("junit", self.junit), ("markdown", self.markdown)):
            if path is not None:
                problems += _trying(path, partial(replace_whole, path, rendered(name, result), durable=False))
        if self.html is not None and page is None:
            problems.append(f"{self.html} could not be written: the run has no report.html")
        elif self.html is not None and page is not None:
            problems += _trying(self.html, partial(shutil.copyfile, page, self.html))
        return tuple(problems)


def rendered(name: str, result: Result) -> str:
    """The result as the installed report `name` renders it: `markdown` or `junit`."""
    text: str = plugins.load_plugin("brownout.reports", name)(result)
    return text


def _trying(path: Path, write: Callable[[], object]) -> list[str]:
    """Why the file could not be written, nothing when it could."""
    try:
        write()
    except OSError as error:
        return [f"{path} could not be written: {error.strerror or error}"]
    return []
