"""The page about the plugin, carried out: its files in a project of somebody else's, its output next to what pytest prints."""

from __future__ import annotations

import re
import sys

import pytest

from brownout.harness.operate.stacks import stacks
from support.places import ROOT
from support.plugin_project import Project, counted

PAGE = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^<!-- (.+?) -->\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
FAST = ("checkout.yaml", "pytest.ini", "test_checkout.py", "test_sweep.py", "test_system.py", "test_undecided.py")


def test_the_page_works_as_printed(project: Project) -> None:
    """Its tests pass, the undecided one is inconclusive, a wrong expectation reads as shown, and all blocks are known."""
    assert set(BLOCKS) == {*FAST, "failure", "inconclusive", "test_real.py, real", "test_stack.py, real", "by_hand.py, real"}
    for name in FAST:
        (project.folder / name).write_text(BLOCKS[name], encoding="utf-8")
    (project.folder / "test_wrong.py").write_text(BLOCKS["test_checkout.py"].replace("breach", "pass"), encoding="utf-8")
    ended = project.run("-W", "error", "--strict-markers", "-o", "brownout_out=")
    assert counted(ended) == {"passed": 5, "failed": 1, "inconclusive": 1}
    for line in (BLOCKS["failure"] + BLOCKS["inconclusive"].splitlines()[0]).splitlines():
        ended.stdout.fnmatch_lines([f"*{line.replace('...', '*').strip()}*"])


@pytest.mark.slow
def test_a_stack_in_a_test_works_as_printed(live_project: Project) -> None:
    """The page's tests of a client on real processes pass, and its script prints what proved the bite; nothing stays up."""
    (live_project.folder / "test_stack.py").write_text(BLOCKS["test_stack.py, real"], encoding="utf-8")
    ended = live_project.run("-W", "error", "--strict-markers")
    assert counted(ended) == {"passed": 2}
    told = live_project.pytester.run(sys.executable, "-c", BLOCKS["by_hand.py, real"])
    assert told.ret == 0
    told.stdout.fnmatch_lines(["http://127.0.0.1:*", "*sydney.token.z1*"])
    assert stacks() == ()
