"""The fourth outcome of a test: inconclusive, neither passed nor failed.

pytest has only passed, failed and skipped. So an inconclusive test is a skip for JUnit, Allure and other plugins, and has its
own name where this plugin can set it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from _pytest.outcomes import Failed, Skipped
else:  # the same classes by their public names, which type checkers take for variables
    Failed, Skipped = pytest.fail.Exception, pytest.skip.Exception

Policy = Literal["skip", "fail", "ok"]
POLICIES: tuple[Policy, ...] = ("skip", "fail", "ok")
NOTHING_PROVEN = 6  # a session's exit status where tests were inconclusive and none failed; pytest's own end at 5


class Inconclusive(Skipped):
    """A run that this test uses is inconclusive; the text has the reasons."""

    # Python shows a class of `builtins` by its bare name, and the first word of a skip's reason is that name.
    __module__ = "builtins"


class InconclusiveFailed(Failed):
    """The same under the policy `fail`, where proving nothing counts as failing."""

    __module__ = "builtins"

    def __init__(self, reason: str) -> None:
        super().__init__(f"INCONCLUSIVE: {reason}", pytrace=False)
