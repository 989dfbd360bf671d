"""What is changed in a file: operators, conditions, constants, returned values and statements, one at a time.

Left alone: texts (they are messages) with the values put into them, what an exception is told, annotations, assertions (they
state invariants of the core), decorators, imports, lines in a log, how often something looks in real time (`time.sleep`,
constants named POLL_S, TICK_S and BEAT_S), how many answers are remembered (REMEMBERED), and how a file is indented. Whether an
exception is raised is changed; what it says decides nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_CALCULATED: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Mod: "*", ast.Pow: "*",
    ast.BitAnd: "|", ast.BitOr: "&",
}  # fmt: skip
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_RETURNED = {"bool": ("True", "False"), "str": ('""',), "int": ("0", "1"), "float": ("0.0",)}
_COMPOUND = (ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.UnaryOp)  # they bind less than a comparison
_UNTOUCHED = (ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)


# How often something looks in real time, a line in a log, and how many answers are remembered.
_DECIDES_NOTHING = re.compile(r"(time\.sleep|log\.\w+)\(.*\)|_?(POLL|TICK|BEAT)_S = [\d.]+|_?REMEMBERED = [\d_]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` at bytes [start, end) of a file becomes `new`.

    `line` is the first line of what is changed, counted from 1, `statement_line` that of the statement which it is part of.
    """

    path: str
    function: str
    line: int
    statement_line: int
    start: int
    end: int
    old: str
    new: str
    is_import: bool

    @property
    def text(self) -> str:
        """The change in one line: what a page of survivors calls it by."""
        return f"{self.path}:{self.function}: {_short(self.old)} → {_short(self.new)}"

    def applied(self, source: bytes) -> bytes:
        """The file with the change."""
        assert source[self.start : self.end].decode() == self.old, "an edit is of the file that it was made from"
        return source[: self.start] + self.new.encode() + source[self.end :]


def _short(text: str) -> str:
    return " ".join(text.split()) or "nothing"


def edits(path: str, source: bytes) -> tuple[Edit, ...]:
    """All changes of one file, in the order of its lines."""
    found = _Finder(path, source)
    found.walk(ast.parse(source), "", (), is_import=True)
    return tuple(sorted(dict.fromkeys(found.edits), key=lambda one: (one.start, one.end, one.new)))


class _Finder:
    def __init__(self, path: str, source: bytes) -> None:
        self.edits: list[Edit] = []
        self._path, self._source = path, source
        self._starts = [0]
        self._statement_line = 1
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def walk(self, node: ast.AST, function: str, returns: tuple[str, ...], *, is_import: bool) -> None:
        """Below a module, class or function; `returns` are the values that its function may be changed to return."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _UNTOUCHED) or _is_annotation(child, node) or child in getattr(node, "decorator_list", ()):
                continue
            if isinstance(child, ast.stmt) and _DECIDES_NOTHING.fullmatch(self._text(child)):
                continue
            if isinstance(child, ast.keyword) and child.arg == "indent":
                continue
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                name = f"{function}.{child.name}" if function else child.name
                inside = not isinstance(child, ast.ClassDef)
                self.walk(child, name, _values(child) if inside else (), is_import=is_import and not inside)
                continue
            if isinstance(child, ast.stmt):
                self._statement_line = child.lineno
            where = (function or "module", self._imported(child, node, is_import=is_import))
            for target, new in _changes(child, returns, self._text):
                self._add(target, new, *where)
            if isinstance(child, ast.Raise):
                continue
            self.walk(child, function, returns, is_import=where[1])

    @staticmethod
    def _imported(child: ast.AST, node: ast.AST, *, is_import: bool) -> bool:
        """Whether it runs when the file is imported, as the defaults of a function do."""
        if isinstance(child, ast.arguments):
            return not isinstance(node, ast.Lambda) or is_import
        return is_import and not isinstance(child, ast.Lambda)

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        at: ast.expr = node  # type: ignore[assignment]  # a statement has the same four places
        assert at.end_lineno is not None, "nodes of a parsed file have a place"
        assert at.end_col_offset is not None
        return self._starts[at.lineno - 1] + at.col_offset, self._starts[at.end_lineno - 1] + at.end_col_offset

    def _add(self, target: ast.AST, new: str, function: str, is_import: bool) -> None:
        start, end = self._span(target)
        old, line = self._source[start:end].decode(), getattr(target, "lineno", 1)
        if old == new:
            return
        self.edits.append(Edit(self._path, function, line, self._statement_line, start, end, old, new, is_import))


def _is_annotation(child: ast.AST, node: ast.AST) -> bool:
    return child in (getattr(node, "annotation", None), getattr(node, "returns", None))


def _values(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    """What the function may be changed to return: of its annotated type where that is plain, else None."""
    told = "" if function.returns is None else ast.unparse(function.returns)
    if told.startswith("tuple") and "..." in told:
        return ("()",)
    return _RETURNED.get(told, ("None",))


def _changes(node: ast.AST, returns: tuple[str, ...], text: Callable[[ast.AST], str]) -> Iterator[tuple[ast.AST, str]]:
    match node:
        case ast.Compare(ops=ops) if len(ops) == 1:
            left, right = (_operand(one, text) for one in (node.left, node.comparators[0]))
            yield from ((node, f"{left} {other} {right}") for other in _COMPARED[type(ops[0])])
        case ast.Compare(ops=ops):
            parts = [_operand(one, text) for one in (node.left, *node.comparators)]
            for index, op in enumerate(ops):
                words = [_word(one) for one in ops]
                words[index] = _COMPARED[type(op)][0]
                yield node, " ".join([parts[0], *(f"{word} {part}" for word, part in zip(words, parts[1:], strict=True))])
        case ast.BoolOp(op=op, values=values):
            other = " or " if isinstance(op, ast.And) else " and "
            yield node, f"({other.join(f'({text(one)})' for one in values)})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, f"bool({text(operand)})"
        case ast.BinOp(op=op) if type(op) in _CALCULATED and not _is_text(node):
            left, right = (_operand(one, text, (*_COMPOUND, ast.BinOp)) for one in (node.left, node.right))
            yield node, f"({left} {_CALCULATED[type(op)]} {right})"
        case ast.Constant(value=bool(value)):
            yield node, str(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield node, repr(value + 1 if isinstance(value, int) else value * 2 or 1.0)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield node.func, _CALLED[name]
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield test, "False"
            if not isinstance(node, ast.While):
                yield test, "True"
        case ast.comprehension(ifs=ifs):
            yield from ((one, "True") for one in ifs)
        case ast.Return(value=value) if value is not None:
            yield from ((value, other) for other in returns)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Continue():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield node, "pass"
        case ast.Break():
            yield node, "continue"
        case _:
            return


def _operand(node: ast.expr, text: Callable[[ast.AST], str], kinds: tuple[type[ast.expr], ...] = _COMPOUND) -> str:
    """A node's text does not have the parentheses around it."""
    return f"({text(node)})" if isinstance(node, kinds) else text(node)


def _is_text(node: ast.BinOp) -> bool:
    """Whether a text is put together, or an annotation of a union: neither decides anything."""
    sides = (node.left, node.right)
    return any(
        isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str)) for one in sides
    )


def _word(op: ast.cmpop) -> str:
    words = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is"}
    more = {ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in"}
    return {**words, **more}[type(op)]
