"""What the mutation tester changes, and that what is kept for it by hand still fits the code."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from mutation.__main__ import sampled
from mutation.edits import edits
from mutation.explained import explained
from mutation.hand_made import PATCHES, Patch
from mutation.reach import Reach
from mutation.scope import files
from support.places import ROOT, TESTS

SOURCE = '''"""A page."""

LIMIT = 3
POLL_S = 0.25
REMEMBERED = 4_096


def judged(bad: int, total: int, names: list[str], most: int = 5) -> bool:
    """Whether it is so."""
    assert total > 0, "never without"
    found = [name for name in names if name]
    record(found)
    if bad / total <= LIMIT and not found:
        raise ValueError(f"{bad + 7} of {total}", total + 8)
    record(f"{9 * bad} were bad")
    log.warning("%d", bad + 11)
    time.sleep(LIMIT + 12)
    record(dump(found, indent=13))
    record((bad + total) * 2 - (bad if found else total))
    return max(bad, total) > 0
'''


def changes() -> dict[str, set[str]]:
    """The new texts by old text."""
    found: dict[str, set[str]] = {}
    for edit in edits("a.py", SOURCE.encode()):
        found.setdefault(edit.old, set()).add(edit.new)
    return found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bad / total <= LIMIT", "bad / total < LIMIT"),
        ("bad / total <= LIMIT", "bad / total > LIMIT"),
        ("bad / total", "(bad * total)"),
        ("(bad + total) * 2 - (bad if found else total)", "(((bad + total) * 2) + (bad if found else total))"),
        ("(bad + total) * 2", "((bad + total) / 2)"),
        ("bad / total <= LIMIT and not found", "((bad / total <= LIMIT) or (not found))"),
        ("bad / total <= LIMIT and not found", "True"),
        ("not found", "bool(found)"),
        ("max", "min"),
        ("3", "4"),
        ("record(found)", "pass"),
        ("name", "True"),
        ("max(bad, total) > 0", "False"),
        ('raise ValueError(f"{bad + 7} of {total}", total + 8)', "pass"),
    ],
)
def test_what_decides_is_changed(old: str, new: str) -> None:
    """Comparisons, calculations, conditions, constants, statements and what is returned."""
    assert new in changes()[old]


def test_what_only_tells_is_left_alone() -> None:
    """Texts with what they show, exceptions' arguments, logs, polls, memories, annotations and assertions decide nothing."""
    assert not {
        "bad + 7",
        "total + 8",
        "8",
        "9 * bad",
        "9",
        "0.25",
        "4_096",
        "13",
        'log.warning("%d", bad + 11)',
        "11",
        "time.sleep(LIMIT + 12)",
        "12",
        '"""A page."""',
        '"never without"',
        "int",
        "total > 0",
        "list[str]",
    } & set(changes())


def test_what_runs_at_import_is_told_apart() -> None:
    """A constant and a default run when the file is imported, what is in the function when it is called."""
    at_import = {edit.old: edit.is_import for edit in edits("a.py", SOURCE.encode())}
    assert (at_import["3"], at_import["5"], at_import["max"], at_import["bad / total"]) == (True, True, False, False)


def test_part_of_a_statement_knows_where_the_statement_begins() -> None:
    """Python gives some parts of a statement no line of their own."""
    source = b"def of(a, b):\n    return max(\n        a,\n        b + 1,\n    )\n"
    assert {(edit.line, edit.statement_line) for edit in edits("a.py", source) if edit.old == "1"} == {(4, 2)}


def test_any_beginning_of_a_sample_has_each_folders_share() -> None:
    """Of 300 and 100 the first eight have six and two, give or take one; another seed draws others."""
    source = "def of(a):\n" + "    a += 2\n" * 50
    known = [
        edits(f"{name}/{number}.py", source.encode()) for name, files in (("much", 3), ("little", 1)) for number in range(files)
    ]
    assert len({len(found) for found in known}) == 1
    for size in (8, 40, 200):
        drawn = sampled(known, seed=1)[:size]
        assert abs(sum(edit.path.startswith("little") for edit in drawn) - size / 4) <= 1
    assert sampled(known, seed=1) == sampled(known, seed=1) != sampled(known, seed=2)
    assert sorted(map(str, sampled(known, seed=1))) == sorted(str(edit) for found in known for edit in found)


def test_a_modules_own_tests_come_first_and_then_the_fastest() -> None:
    """Up to a time, and one in any case; what has no line of its own is reached with its statement."""
    own, fast, slow = "tests/harness/test_a.py::one", "tests/test_b.py::fast", "tests/test_b.py::slow"
    found = Reach({"harness/a.py": {2: frozenset({slow, fast, own})}}, {own: 5.0, fast: 1.0, slow: 9.0})
    (edit,) = (
        one for one in edits("harness/a.py", b"def of(a):\n    return max(a,\n        1)\n") if (one.old, one.new) == ("1", "2")
    )
    assert found.tests(edit) == (own, fast, slow)
    assert found.chosen(edit, 6.0) == (own, fast)
    assert found.chosen(edit, 1.0) == (own,)
    assert Reach({}, {}).chosen(edit, 1.0) == ()


def test_every_change_is_of_its_place_and_compiles() -> None:
    """Each changes one stretch of the file and leaves a file that Python reads."""
    for edit in edits("a.py", SOURCE.encode()):
        changed = edit.applied(SOURCE.encode())
        ast.parse(changed)
        assert changed != SOURCE.encode()


def test_the_files_that_decide_are_there() -> None:
    """Those named one by one have not moved, and each has something to change."""
    assert len(files()) > 45
    for name in files():
        assert edits(name, (ROOT / name).read_bytes()) or name.endswith("table.py"), name


@pytest.mark.parametrize("patch", PATCHES, ids=[patch.lie for patch in PATCHES])
def test_a_mutant_by_hand_fits_the_code(patch: Patch) -> None:
    """Its text is in the file once, what it makes compiles, and the tests that must notice are there."""
    ast.parse(patch.applied())
    assert all((ROOT / test).exists() for test in patch.tests)


def test_what_the_docs_explain_is_in_the_code() -> None:
    """Each row is of a change that can be made today, and gives a reason."""
    reasons = explained()
    names = {change.partition(":")[0] for change in reasons}
    known = {edit.text for name in names for edit in edits(name, (ROOT / name).read_bytes())}
    assert [change for change in reasons if change not in known] == []
    assert all(reasons.values())


@pytest.mark.slow
def test_a_lie_is_noticed_and_the_truth_is_not() -> None:
    """One mutant by hand, in processes of its own as the tester does it, and its control without the change."""
    program = (
        "import tempfile; from pathlib import Path; from mutation import trial; from mutation.hand_made import PATCHES\n"
        "from support.places import ROOT\n"
        "patch = next(each for each in PATCHES if each.lie == 'none of no requests is bad')\n"
        "trial.prepare()\n"
        "for source in (patch.applied(), (ROOT / patch.path).read_bytes()):\n"
        "    with tempfile.TemporaryDirectory() as name:\n"
        "        print(trial.fate(trial.Mutant(patch.path, source, patch.lie), patch.tests, 300.0, 300, Path(name)))\n"
    )
    environment = {"PYTHONPATH": str(TESTS), "PATH": "/usr/bin:/bin"}
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert told.stdout.split() == ["killed", "survived"], told.stderr
