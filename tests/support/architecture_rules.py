"""Rules of the code's shape that import contracts cannot say, as functions from a checkout to the list of its breaches.

A breach is a line `path:line: what`. Every rule is tested on the project and on a copy with a breach planted in it.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

PACKAGES = ("harness", "faults", "identity", "reports", "suites")
PRODUCTION = (*PACKAGES, "compose")
LONGEST_FILE, LONGEST_FUNCTION, MEDIAN_FUNCTION = 400, 60, 8
MOST_FILES, MOST_METHODS = 15, 20
CORE_BANNED = frozenset({"socket", "asyncio", "threading", "time", "random", "uuid", "secrets", "os"})
FAULTS_MAY_IMPORT = (
    "brownout.faults",
    "brownout.harness.effects",
    "brownout.harness.fault",
    "brownout.harness.world",
    "brownout.harness.errors",
    "pydantic",
)
REPORTS_MAY_IMPORT = ("brownout.reports", "brownout.harness.record", "brownout.harness.errors", "bokeh", "rich")

# Calls by which time, chance or the machine gets into a core that has neither: last two names of the called expression.
_BANNED_CALLS = frozenset(
    {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "uuid.uuid1",
        "uuid.uuid4",
        "os.urandom",
        "os.getpid",
    }
)
_BANNED_MODULES = frozenset({"time", "random", "secrets"})
_BANNED_NAMES = frozenset({"uuid1", "uuid4", "urandom", "hash", "id"})
_SET_MAKERS = frozenset({"set", "frozenset"})
_SET_ANNOTATIONS = frozenset({"set", "frozenset", "AbstractSet", "MutableSet"})
_ORDER_BLIND = frozenset({"sorted", "any", "all", "sum", "min", "max", "len", "set", "frozenset"})
_ORDER_TAKERS = frozenset({"list", "tuple", "enumerate", "iter", "next", "zip", "map", "dict", "join"})

_SECRETS = frozenset({"bearer", "control_token", "secret", "password", "signature", "seal", "mac"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Outline:
    """What several rules ask of a file: functions with line and length, classes with line and number of methods."""

    functions: tuple[tuple[str, int, int], ...]
    classes: tuple[tuple[str, int, int], ...]
    type_names: tuple[tuple[str, int], ...]


@cache
def outline(text: str) -> Outline:
    """The outline of a file of this text, which is parsed once for all rules."""
    tree = ast.parse(text)
    nodes = [node for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef)]
    return Outline(
        tuple((node.name, node.lineno, _length(node)) for node in nodes if isinstance(node, Function)),
        tuple((node.name, node.lineno, _methods(node)) for node in nodes if isinstance(node, ast.ClassDef)),
        tuple(_type_names(tree)),
    )


def outlines(paths: Iterator[Path]) -> Iterator[tuple[Path, Outline]]:
    """Each of the files with its outline."""
    return ((path, outline(path.read_text(encoding="utf-8"))) for path in paths)


def files(root: Path, *folders: str) -> Iterator[Path]:
    """Every Python file below the folders, ordered."""
    for folder in folders:
        yield from sorted((root / folder).rglob("*.py"))


def sources(root: Path, *folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file below the folders, ordered, with its tree."""
    return ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in files(root, *folders))


def long_files(root: Path) -> list[str]:
    """Files of more than 400 lines."""
    counted = ((path, len(path.read_text(encoding="utf-8").splitlines())) for path in files(root, *PACKAGES))
    return [f"{path.relative_to(root)}:{count}: file too long" for path, count in counted if count > LONGEST_FILE]


def long_functions(root: Path) -> list[str]:
    """Functions of more than 60 lines."""
    return [
        f"{path.relative_to(root)}:{line}: {name} has {length} lines"
        for path, found in outlines(files(root, *PACKAGES))
        for name, line, length in found.functions
        if length > LONGEST_FUNCTION
    ]


def crowded_folders(root: Path) -> list[str]:
    """Folders with more than 15 Python files, `__init__` not counted; `faults` is a list of one file per fault and may grow."""
    counts = Counter(path.parent for path in _production(root) if path.name != "__init__.py")
    counts.pop(root / "faults", None)
    return [f"{folder.relative_to(root)}:1: {n} files" for folder, n in sorted(counts.items()) if n > MOST_FILES]


def large_classes(root: Path) -> list[str]:
    """Classes with more than 20 methods."""
    return [
        f"{path.relative_to(root)}:{line}: {name} has {count} methods"
        for path, found in outlines(_production(root))
        for name, line, count in found.classes
        if count > MOST_METHODS
    ]


def shared_type_names(root: Path) -> list[str]:
    """Classes and type aliases whose name is defined in another production module too."""
    homes: dict[str, list[str]] = defaultdict(list)
    for path, found in outlines(_production(root)):
        for name, line in found.type_names:
            homes[name].append(f"{path.relative_to(root)}:{line}: {name} has another home too")
    return sorted(place for places in homes.values() if len(places) > 1 for place in places)


def median_function_length(root: Path) -> float:
    """Lines of the median function."""
    return median(length for _, found in outlines(files(root, *PACKAGES)) for _, _, length in found.functions)


def core_imports(root: Path) -> list[str]:
    """Imports of the core that are neither of the core itself nor of the allowed part of the standard library."""
    allowed = sys.stdlib_module_names - CORE_BANNED
    return [
        f"{path.relative_to(root)}:{line}: core imports {name}"
        for path, tree in sources(root, "identity/core")
        for name, line in _imports(tree)
        if not _is_within(name, "brownout.identity.core") and name.partition(".")[0] not in allowed
    ]


def fault_imports(root: Path) -> list[str]:
    """Imports of faults beyond the world protocol, pydantic and the standard library."""
    return _imports_beyond(root, "faults", FAULTS_MAY_IMPORT)


def report_imports(root: Path) -> list[str]:
    """Imports of reports beyond the record, the errors, what draws and prints, and the standard library."""
    return _imports_beyond(root, "reports", REPORTS_MAY_IMPORT)


def _imports_beyond(root: Path, folder: str, allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(root)}:{line}: {folder} may not import {name}"
        for path, tree in sources(root, folder)
        for name, line in _imports(tree)
        if not any(_is_within(name, each) for each in allowed) and name.partition(".")[0] not in sys.stdlib_module_names
    ]


def core_calls(root: Path) -> list[str]:
    """Calls in the core that read a clock, roll dice, or depend on the process (`hash` of text, `id`)."""
    return [
        f"{path.relative_to(root)}:{call.lineno}: core calls {_dotted(call.func)}"
        for path, tree in sources(root, "identity/core")
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _is_banned(_dotted(call.func))
    ]


def silent_cores(root: Path) -> list[str]:
    """Files of the core with a class that changes state after it was made, and no assertion of an invariant."""
    return [
        f"{path.relative_to(root)}:{changing[0]}: core changes state and asserts nothing"
        for path, tree in sources(root, "identity/core")
        if (changing := list(_state_changes(tree))) and not any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    ]


def silent_methods(root: Path) -> list[str]:
    """Public methods of the core that change state and assert nothing, neither themselves nor by a method that they call."""
    return [
        f"{path.relative_to(root)}:{method.lineno}: {node.name}.{name} changes state and asserts nothing"
        for path, tree in sources(root, "identity/core")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for own in [{each.name: each for each in node.body if isinstance(each, Function)}]
        for name, method in own.items()
        if not name.startswith("_") and any(map(_is_state_change, _expressions(method))) and not _asserts(method, own)
    ]


def set_iterations(root: Path) -> list[str]:
    """Places in the core where the order of a set, which differs between processes, could get out."""
    return [
        f"{path.relative_to(root)}:{line}: order of a set gets out"
        for path, tree in sources(root, "identity/core")
        for line in _set_order_leaks(tree)
    ]


def secrets_compared(root: Path) -> list[str]:
    """Secrets that are compared by `==`, whose time tells how much of a guess was right: `hmac.compare_digest` does not."""
    return [
        f"{path.relative_to(root)}:{node.lineno}: compares a secret"
        for path, tree in sources(root, *PRODUCTION)
        for node in ast.walk(tree)
        if not path.name.startswith("test_")
        and isinstance(node, ast.Compare)
        and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
        and any(map(_secret_in, (node.left, *node.comparators)))
        and not any(isinstance(one, ast.Constant) for one in node.comparators)
    ]


def _secret_in(node: ast.expr) -> str:
    """The name of the secret that the expression is, "" for any other."""
    name = _dotted(node).rpartition(".")[2].lstrip("_")
    return name if name in _SECRETS else ""


def undocumented_tests(root: Path) -> list[str]:
    """Test functions without a docstring whose first paragraph is a sentence."""
    return [
        f"{path.relative_to(root)}:{function.lineno}: {function.name} does not say what must hold"
        for path, tree in sources(root, "tests", "suites")
        if path.name.startswith("test_")
        for function in _functions(tree)
        if function.name.startswith("test_") and not _is_sentence(ast.get_docstring(function))
    ]


def _production(root: Path) -> Iterator[Path]:
    """Every file that is shipped: of the packages, without the tests among the suites."""
    return (path for path in files(root, *PRODUCTION) if not path.name.startswith(("test_", "conftest")))


def _type_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Classes and aliases at the top of a module: `Name = ...` in capitals and small letters is an alias, not a constant."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.Assign) and isinstance(target := node.targets[0], ast.Name) and _is_type_name(target.id):
            yield target.id, node.lineno


def _is_type_name(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _methods(node: ast.ClassDef) -> int:
    return sum(isinstance(each, Function) for each in node.body)


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each imported module by full name with its line; `from package import name` counts as package.name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def _is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def _dotted(node: ast.expr) -> str:
    """`a.b.c` for names and attributes, the trailing part of it for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def _is_banned(called: str) -> bool:
    parts = called.split(".")
    return called in _BANNED_NAMES or ".".join(parts[-2:]) in _BANNED_CALLS or (len(parts) == 2 and parts[0] in _BANNED_MODULES)


def _state_changes(tree: ast.Module) -> Iterator[int]:
    """Lines of methods, construction aside, that assign to `self` or below it, delete there, or persist a record."""
    methods = (each for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for each in node.body)
    for method in methods:
        if isinstance(method, Function) and method.name not in ("__init__", "__post_init__"):
            yield from (node.lineno for node in ast.walk(method) if isinstance(node, ast.expr) and _is_state_change(node))


def _expressions(tree: ast.AST) -> Iterator[ast.expr]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.expr))


def _asserts(method: Function, own: Mapping[str, Function], depth: int = 3) -> bool:
    """Whether the method has an assertion, or one of the class's `own` that it calls, or one that those call."""
    if any(isinstance(node, ast.Assert) for node in ast.walk(method)):
        return True
    called = (own.get(_dotted(node.func).removeprefix("self.")) for node in ast.walk(method) if isinstance(node, ast.Call))
    return depth > 0 and any(_asserts(each, own, depth - 1) for each in called if each is not None)


def _is_state_change(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return _dotted(node.func).endswith(".persist")
    if not isinstance(node, ast.Attribute | ast.Subscript) or isinstance(node.ctx, ast.Load):
        return False
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        inner = inner.value
    return isinstance(inner, ast.Name) and inner.id == "self"


def _is_sentence(docstring: str | None) -> bool:
    if not docstring:
        return False
    first = docstring.strip().split("\n\n")[0]
    return first.endswith((".", "?", "!")) and len(first.split()) >= 3


def _set_order_leaks(tree: ast.Module) -> Iterator[int]:
    """Lines where a set is walked through, unless what walks it is blind to order (sorted, any, all, sum, ...)."""
    names = _names_of_sets(tree)
    blind = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _dotted(call.func) in _ORDER_BLIND
        for argument in call.args
    }
    for node in ast.walk(tree):
        if id(node) in blind or isinstance(node, ast.SetComp):
            continue
        if any(_is_set(walked, names) for walked in _walked(node)):
            yield getattr(node, "lineno", 0)


def _walked(node: ast.AST) -> list[ast.expr]:
    """The expressions whose elements `node` takes in their order."""
    if isinstance(node, ast.For | ast.AsyncFor):
        return [node.iter]
    if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
        return [generator.iter for generator in node.generators]
    if isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] in _ORDER_TAKERS:
        return list(node.args)
    if isinstance(node, ast.Starred):
        return [node.value]
    return []


def _is_set(node: ast.expr, names: frozenset[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        return _dotted(node.func) in _SET_MAKERS
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor | ast.Sub):
        return any(_is_set(side, names) or _is_keys(side) for side in (node.left, node.right))
    return _dotted(node).rpartition(".")[2] in names


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")


def _names_of_sets(tree: ast.Module) -> frozenset[str]:
    """Names that this file annotates as sets or assigns sets to, wherever they stand (attributes by last name)."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and _is_set_annotation(node.annotation):
            names.add(_dotted(node.target).rpartition(".")[2])
        elif isinstance(node, ast.arg) and node.annotation is not None and _is_set_annotation(node.annotation):
            names.add(node.arg)
        elif isinstance(node, ast.Assign) and _is_set(node.value, frozenset()):
            names.update(_dotted(target).rpartition(".")[2] for target in node.targets)
    return frozenset(names - {""})


def _is_set_annotation(annotation: ast.expr) -> bool:
    outer = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return _dotted(outer) in _SET_ANNOTATIONS
