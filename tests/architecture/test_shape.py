"""The project keeps its rules of size, determinism and testing, and each rule notices a breach."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import support.architecture_rules as rules
from support.places import ROOT

Rule = Callable[[Path], list[str]]
RULES: tuple[Rule, ...] = (
    rules.long_files,
    rules.long_functions,
    rules.core_imports,
    rules.core_calls,
    rules.silent_cores,
    rules.silent_methods,
    rules.set_iterations,
    rules.fault_imports,
    rules.report_imports,
    rules.secrets_compared,
    rules.undocumented_tests,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(rule: Rule) -> None:
    """No file of the project breaks the rule."""
    assert rule(ROOT) == []


# Today's exceptions, as `path: what`. The lists can only shrink, and the test fails for a stale line as for a new breach.
FOLDERS: set[str] = set()
CLASSES: set[str] = set()
TYPE_NAMES: set[str] = set()
RATCHETS: tuple[tuple[Rule, set[str]], ...] = (
    (rules.crowded_folders, FOLDERS),
    (rules.large_classes, CLASSES),
    (rules.shared_type_names, TYPE_NAMES),
)


def without_line(breach: str) -> str:
    """`path: what` of `path:line: what`."""
    return re.sub(r":\d+:", ":", breach, count=1)


@pytest.mark.parametrize(("rule", "exceptions"), RATCHETS, ids=[rule.__name__ for rule, _ in RATCHETS])
def test_exceptions_are_listed_and_can_only_shrink(rule: Rule, exceptions: set[str]) -> None:
    """What breaks the rule is listed, and what is listed breaks it: an exception that is no longer one fails too."""
    assert {without_line(breach) for breach in rule(ROOT)} == exceptions


def test_functions_are_short() -> None:
    """The median function has eight lines or fewer."""
    assert rules.median_function_length(ROOT) <= rules.MEDIAN_FUNCTION


def test_the_rules_see_the_project() -> None:
    """The rules look at real files: every package has some, the core and the tests too."""
    for folder in (*rules.PACKAGES, "identity/core", "tests"):
        assert len(list(rules.files(ROOT, folder))) > 1, folder


FUNCTION = "def long() -> None:\n" + "    pass\n" * 60
BREACHES: tuple[tuple[Rule, str, str], ...] = (
    (rules.long_files, "harness/planted.py", "x = 1\n" * 401),
    (rules.long_files, "reports/planted.py", "\n" * 401),
    (rules.long_functions, "suites/planted.py", FUNCTION),
    (rules.long_functions, "identity/planted.py", "class A:\n    async " + FUNCTION.replace("\n", "\n    ")),
    (rules.core_imports, "identity/core/planted.py", "import socket\n"),
    (rules.core_imports, "identity/core/planted.py", "from os import path\n"),
    (rules.core_imports, "identity/core/planted.py", "import httpx\n"),
    (rules.core_imports, "identity/core/planted.py", "from brownout.identity.server import port_range\n"),
    (rules.core_imports, "identity/core/planted.py", "def f():\n    from brownout.harness import errors\n"),
    (rules.core_imports, "identity/core/planted.py", "from .. import server\n"),
    (rules.core_calls, "identity/core/planted.py", "x = time.monotonic()\n"),
    (rules.core_calls, "identity/core/planted.py", "x = random.random()\n"),
    (rules.core_calls, "identity/core/planted.py", "x = datetime.now()\n"),
    (rules.core_calls, "identity/core/planted.py", "x = datetime.datetime.now(UTC)\n"),
    (rules.core_calls, "identity/core/planted.py", "x = uuid4()\n"),
    (rules.core_calls, "identity/core/planted.py", "x = os.urandom(4)\n"),
    (rules.core_calls, "identity/core/planted.py", "x = hash('a')\n"),
    (rules.silent_cores, "identity/core/planted.py", "class A:\n    def f(self):\n        self.x = 1\n"),
    (rules.silent_cores, "identity/core/planted.py", "class A:\n    async def f(self):\n        self.x.y['a'] += 1\n"),
    (rules.silent_cores, "identity/core/planted.py", "class A:\n    def f(self):\n        (a, self.x), b = g()\n"),
    (rules.silent_cores, "identity/core/planted.py", "class A:\n    def f(self):\n        del self.x['a']\n"),
    (
        rules.silent_cores,
        "identity/core/nodes/planted.py",
        "class A:\n    async def f(self):\n        await ports.persist('a', {})\n",
    ),
    (rules.silent_methods, "identity/core/planted.py", "class A:\n    def f(self):\n        self.x = 1\n        self.g()\n"),
    (rules.set_iterations, "identity/core/planted.py", "for x in {1, 2}:\n    pass\n"),
    (rules.set_iterations, "identity/core/planted.py", "y = [x for x in frozenset(z)]\n"),
    (rules.set_iterations, "identity/core/planted.py", "y = ','.join({'a', 'b'})\n"),
    (rules.set_iterations, "identity/core/planted.py", "def f(s: frozenset[str]):\n    return list(s)\n"),
    (rules.set_iterations, "identity/core/planted.py", "s = set()\nfor x in s:\n    pass\n"),
    (
        rules.set_iterations,
        "identity/core/planted.py",
        "class A:\n    s: set[int]\n    def f(self):\n        return [*self.s]\n",
    ),
    (rules.set_iterations, "identity/core/planted.py", "for x in a.keys() - b:\n    pass\n"),
    (rules.fault_imports, "faults/planted.py", "from brownout.harness import ledger\n"),
    (rules.fault_imports, "faults/planted.py", "from brownout.identity.core import topology\n"),
    (rules.fault_imports, "faults/planted.py", "import httpx\n"),
    (rules.report_imports, "reports/planted.py", "from brownout.harness.base import files\n"),
    (rules.report_imports, "reports/planted.py", "import brownout.identity.wire\n"),
    (rules.secrets_compared, "compose/planted.py", "def f(self, given):\n    return given == self._bearer\n"),
    (rules.secrets_compared, "harness/planted.py", "ok = spec.control_token != given\n"),
    (rules.large_classes, "reports/planted.py", "class A:\n" + "".join(f"    def m{n}(self): ...\n" for n in range(21))),
    (rules.undocumented_tests, "tests/planted/test_planted.py", "def test_x():\n    assert True\n"),
    (rules.undocumented_tests, "suites/test_planted.py", "def test_x():\n    '''Nothing'''\n"),
)


@pytest.mark.parametrize(("rule", "path", "text"), BREACHES)
def test_a_planted_breach_is_noticed(tmp_path: Path, rule: Rule, path: str, text: str) -> None:
    """A file that breaks the rule, and only that file, is named."""
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    breaches = rule(tmp_path)
    assert breaches
    assert all(breach.startswith(f"{path}:") for breach in breaches)


def test_a_crowded_folder_is_noticed(tmp_path: Path) -> None:
    """Sixteen files beside `__init__` are too many, fifteen are not; any number of faults is fine."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "faults").mkdir()
    for number in range(20):
        (tmp_path / "faults" / f"planted_{number}.py").write_text("")
    for name in ("__init__", *(f"planted_{number}" for number in range(15))):
        (tmp_path / "reports" / f"{name}.py").write_text("")
    assert rules.crowded_folders(tmp_path) == []
    (tmp_path / "reports" / "planted_15.py").write_text("")
    assert rules.crowded_folders(tmp_path) == ["reports:1: 16 files"]


@pytest.mark.parametrize("text", ["class Outcome:\n    pass\n", "Outcome = str | None\n"])
def test_a_second_home_of_a_type_name_is_noticed(tmp_path: Path, text: str) -> None:
    """Both homes are named, whether the name is a class or an alias; constants and tests do not count."""
    for path in ("harness/first.py", "reports/second.py", "suites/test_third.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"LIMIT = 3\n{text}")
    told = rules.shared_type_names(tmp_path)
    assert [without_line(each) for each in told] == [
        "harness/first.py: Outcome has another home too",
        "reports/second.py: Outcome has another home too",
    ]


def test_what_is_allowed_is_not_noticed(tmp_path: Path) -> None:
    """Order-blind uses of sets, allowed imports and a clock that was handed in are no breaches."""
    allowed = (
        "from collections.abc import Mapping\n"
        "from brownout.identity.core.messages import Request\n"
        "names: frozenset[str] = frozenset({'a'})\n"
        "def f(node, wanted):\n"
        "    now = node.now()\n"
        "    for name in sorted(names):\n"
        "        node.random(name)\n"
        "    return any(x for x in names), len(names), 'a' in names, {x for x in names}, [x for x in wanted]\n"
        "class Made:\n"
        "    def __init__(self):\n"
        "        self.count = 0\n"
        "class Counted(Made):\n"
        "    def add(self):\n"
        "        self.count += 1\n"
        "        assert self.count > 0\n"
    )
    (tmp_path / "identity" / "core").mkdir(parents=True)
    (tmp_path / "identity" / "core" / "fine.py").write_text(allowed)
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "fine.py").write_text("from pydantic import Field\nfrom brownout.harness.fault import Fault\n")
    for rule in RULES:
        assert rule(tmp_path) == []


def test_the_median_grows_with_long_functions(tmp_path: Path) -> None:
    """The median is of all functions, methods included."""
    shutil.copytree(ROOT / "faults", tmp_path / "faults", ignore=shutil.ignore_patterns("__pycache__"))
    short = rules.median_function_length(tmp_path)
    (tmp_path / "harness").mkdir()
    for number in range(400):
        (tmp_path / "harness" / f"planted_{number}.py").write_text(FUNCTION)
    assert rules.median_function_length(tmp_path) > rules.MEDIAN_FUNCTION >= short
