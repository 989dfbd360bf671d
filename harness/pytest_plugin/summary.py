"""What GitHub Actions shows of a test session: each run in the step's summary, and tests that a run explains as annotations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from brownout.harness.ci import github

if TYPE_CHECKING:
    from brownout.harness.record.result import Result

RUN_PROPERTY = "brownout_run"


def add_run(result: Result) -> str:
    """Appends a run that was made to the step's summary; returns why it could not, "" when nothing is wrong.

    It is called where the run is made, once however many tests and workers of pytest-xdist use it.
    """
    if not github.is_github():
        return ""
    from brownout.harness.ci.copies import rendered

    return github.add_to_summary(rendered("markdown", result))


def session_annotations(reports: Iterable[pytest.TestReport]) -> tuple[github.Annotation, ...]:
    """A warning for each test that proves nothing, an error for each failed one with the runs that it used."""
    found: list[github.Annotation] = []
    for report in reports:
        runs = ", ".join(str(value) for name, value in report.user_properties if name == RUN_PROPERTY)
        reason = getattr(report, "brownout_inconclusive", "")
        if reason:
            found.append(github.Annotation("warning", f"brownout: {report.nodeid} is inconclusive", reason))
        elif report.failed and runs:
            found.append(github.Annotation("error", f"brownout: {report.nodeid} failed", f"{runs}\n{_last_words(report)}"))
    return tuple(github.limited(found))


def _last_words(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(getattr(crash, "message", ""))
