"""The fixture `brownout_stack` in a project of somebody else's."""

from __future__ import annotations

import pytest

from brownout.harness.operate.stacks import stacks
from support.plugin_project import Project, counted

pytestmark = pytest.mark.slow
TESTS = """
import pytest

@pytest.fixture(scope="session")
def brownout_stack_options():
    return {"vendors": ("azure",)}

@pytest.mark.parametrize("n", range(2))
def test_uses_it(brownout_stack, n):
    assert brownout_stack.file.aws is None
    with brownout_stack.fault("node-pause", target="sydney.token.z1"):
        pass

def test_does_not_bite(brownout_stack):
    with brownout_stack.fault("node-pause", target="sydney.token.z1"):
        with brownout_stack.fault("node-pause", target="sydney.token.z1"):
            raise AssertionError("it began")

def test_fails_by_itself(brownout_stack):
    with brownout_stack.fault("node-pause", target="sydney.token.z1"):
        assert 1 == 2
"""


@pytest.mark.parametrize(
    "arguments", [(), ("-n", "2"), ("-p", "no:cacheprovider", "--import-mode=importlib")], ids=["plain", "xdist", "importlib"]
)
def test_its_faults_count(live_project: Project, arguments: tuple[str, ...]) -> None:
    """A fault that bites lets the test decide, one that does not makes it inconclusive, and a failure stays a failure."""
    live_project.write(TESTS)
    ended = live_project.run(*arguments)
    assert counted(ended) == {"passed": 2, "inconclusive": 1, "failed": 1}
    ended.stdout.fnmatch_lines(["INCONCLUSIVE test_theirs.py::test_does_not_bite - *node-pause: no bite was seen*"])
    assert stacks() == ()
