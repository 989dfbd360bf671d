"""A YAML file as plain data that remembers where every value stands, so that later complaints can point at it.

Laws. Data only: tags are refused. What YAML 1.1 silently turns into something else is refused too: a key written twice, a key
that is not text, and the scalars of `yaml_scalars` (010 is 8, yes is true). Dates stay text. Aliases are followed; a file that
grows beyond `NODES_MAX` values by them, or contains itself, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from brownout.harness.base.files import is_folder_there, read_regular
from brownout.harness.base.hints import closest
from brownout.harness.base.plain import text_flaw
from brownout.harness.base.pydantic_errors import DataPath, Problem
from brownout.harness.errors import FileError, UsageError
from brownout.harness.experiment.yaml_scalars import scalar_flaw

BYTES_MAX = 1_000_000
NODES_MAX = 20_000
DEPTH_MAX = 40
_LINE_MAX = 110
_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"


class FileErrors(UsageError):
    """Several mistakes in one file; `errors` has them in the order of the file."""

    def __init__(self, errors: tuple[FileError, ...]) -> None:
        path = errors[0].path
        super().__init__(f"{path}: {len(errors)} errors\n" + "\n".join(str(error) for error in errors))
        self.errors = errors


class _Loader(yaml.SafeLoader):
    """Safe data, with dates left as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the shape that PyYAML's class attribute has
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TAG + "timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuses tags, which a node no longer shows once it is made, and depth before it is too much for the stack."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs of PyYAML leave it untyped
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are not allowed", event.start_mark)
        if self._depth > DEPTH_MAX + 1:
            raise yaml.composer.ComposerError(None, None, "this is nested too deeply", event.start_mark)
        self._depth += 1
        try:
            made: yaml.Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        return made


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands and where its key does (the same for list items)."""

    value: yaml.Node
    key: yaml.Node


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data with the place of each value."""

    name: str
    lines: tuple[str, ...]
    data: Any
    places: Mapping[DataPath, Place]

    def error(self, problem: Problem) -> FileError:
        """The problem as an error that points at its line and column, or at the nearest thing around it that exists."""
        path = problem.path
        while path not in self.places:
            path = path[:-1]
        place = self.places[path]
        problem = replace(problem, path=path)
        node = place.key if problem.at_key or not isinstance(place.value, yaml.ScalarNode) else place.value
        at = node.start_mark
        return error_at(self.name, self.lines, at.line, at.column, str(problem), hint=problem.hint)

    def failure(self, problems: tuple[Problem, ...]) -> FileError | FileErrors:
        """The exception for these problems, of which there is at least one."""
        return together(tuple(self.error(problem) for problem in problems))


def together(errors: tuple[FileError, ...]) -> FileError | FileErrors:
    """The error when there is one, else all of them in the order of the file."""
    if len(errors) == 1:
        return errors[0]
    return FileErrors(tuple(sorted(errors, key=lambda error: (error.line, error.column))))


def error_at(name: str, lines: tuple[str, ...], line: int, column: int, text: str, *, hint: str = "") -> FileError:
    """An error at a zero-based line and column, with the source line and a caret below the message."""
    source = lines[line] if line < len(lines) else ""
    first = max(0, column - _LINE_MAX // 2) if len(source) > _LINE_MAX else 0
    shown = source[first : first + _LINE_MAX].replace("\t", " ").rstrip()
    number = str(line + 1)
    picture = f"  {number} | {shown}\n  {' ' * len(number)} | {' ' * (column - first)}^"
    return FileError(name, line + 1, column + 1, f"{text}\n{picture}", hint=hint)


def read_document(path: Path) -> Document:
    """The file's data and places.

    Raises UsageError when it cannot be read, FileError (FileErrors for several) when it is not sound YAML.
    """
    return _document(str(path), _read_text(path))


def read_value(text: str) -> Any:
    """A value as a file may have it, of a command line; raises FileError."""
    return _document("", text).data


def _document(name: str, text: str) -> Document:
    lines = tuple(text.splitlines())
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise FileError(name, 1, 1, "the file is empty", hint="start it with: schema: brownout/experiment/v1")
        unsound = tuple(_unsound(name, lines, root))
        if unsound:
            raise together(unsound)
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(name, lines, error) from None
    finally:
        loader.dispose()
    return Document(name, lines, data, dict(_places((), root, root)))


def _read_text(path: Path) -> str:
    try:
        raw = read_regular(path, bytes_max=BYTES_MAX)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", hint=_sibling_hint(path)) from None
    except IsADirectoryError:
        inside = ", ".join(sorted(found.name for found in path.glob("*.y*ml"))[:8]) or "it holds no YAML file"
        raise UsageError(f"{path} is a folder, not a file", hint=f"name a file in it: {inside}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="name a file of text") from None
    if len(raw) > BYTES_MAX:
        raise UsageError(f"{path} has more than the {BYTES_MAX:,} bytes that an experiment has at most")
    return _decode(str(path), raw)


def _sibling_hint(path: Path) -> str:
    if not is_folder_there(path.parent):
        return f"there is no folder {path.parent} either"
    best = closest(path.name, (found.name for found in path.parent.iterdir()))
    return f"did you mean {path.parent / best}?" if best else ""


def _decode(name: str, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(raw[: error.start].decode("utf-8", "replace"))
        raise FileError(name, line, column, "this is not UTF-8 text", hint="save the file as UTF-8") from None
    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if odd is not None:
        line, column = _position(text[: odd.start()])
        raise FileError(name, line, column, f"the character U+{ord(odd.group()):04X} is not allowed in YAML")
    return text


def _position(before: str) -> tuple[int, int]:
    """One-based line and column of what follows `before`."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _syntax_error(name: str, lines: tuple[str, ...], error: yaml.MarkedYAMLError) -> FileError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    text = f"{error.context}: {error.problem}" if error.context else str(error.problem)
    return error_at(name, lines, line, column, f"not valid YAML: {text}", hint=_syntax_hint(lines, line, text))


def _syntax_hint(lines: tuple[str, ...], line: int, text: str) -> str:
    source = lines[line] if line < len(lines) else ""
    if "\t" in text or "\\t" in text or "\t" in source:
        return "YAML is indented with spaces, never with tabs"
    if "mapping values are not allowed" in text:
        return 'text that contains ": " must be in quotes'
    if "tags are not allowed" in text:
        return "an experiment is plain data: write the value alone"
    if "single document" in text:
        return "one experiment per file: remove the second '---'"
    return ""


def _unsound(name: str, lines: tuple[str, ...], root: yaml.Node) -> Iterator[FileError]:
    """Every mistake in the file as YAML, without regard to what its data means."""
    seen = 0
    reported: set[int] = set()
    stack: list[tuple[yaml.Node, tuple[int, ...]]] = [(root, ())]
    while stack:
        node, around = stack.pop()
        seen += 1  # a node that several aliases reach counts each time, as it will in the data
        at = node.start_mark
        # Checked before the data is built: a few nested aliases can stand for billions of values.
        if id(node) in around or len(around) > DEPTH_MAX or seen > NODES_MAX:
            yield error_at(name, lines, at.line, at.column, _TOO_MUCH[id(node) in around])
            return
        if id(node) not in reported:
            reported.add(id(node))
            for bad, text, hint in _flaws(node):
                yield error_at(name, lines, bad.line, bad.column, text, hint=hint)
        stack.extend((child, (*around, id(node))) for child in reversed(_children(node)))


_TOO_MUCH: Mapping[bool, str] = {
    True: "an alias makes this contain itself",
    False: f"the file is nested deeper than {DEPTH_MAX} or grows beyond {NODES_MAX:,} values by its aliases",
}


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _flaws(node: yaml.Node) -> Iterator[tuple[yaml.Mark, str, str]]:
    if isinstance(node, yaml.MappingNode):
        yield from _key_flaws(node)
    elif isinstance(node, yaml.ScalarNode) and (flaw := scalar_flaw(node)) is not None:
        yield node.start_mark, *flaw


def _key_flaws(node: yaml.MappingNode) -> Iterator[tuple[yaml.Mark, str, str]]:
    first: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag == _MERGE:  # `<<`, which may be given more than once
            continue
        if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
            yield key.start_mark, "this key is not text", _key_hint(key)
        elif flaw := text_flaw(key.value):
            yield key.start_mark, flaw, ""
        elif key.value in first:
            yield key.start_mark, f"the key {key.value[:80]!r} is here twice", f"the first is on line {first[key.value]}"
        else:
            first[key.value] = key.start_mark.line + 1


def _key_hint(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode):
        return "a key is one word"
    flaw = scalar_flaw(key)
    return f"{flaw[0]}; {flaw[1]}" if flaw is not None else f'write it in quotes: "{key.value[:40]}"'


def _places(path: DataPath, node: yaml.Node, key: yaml.Node) -> Iterator[tuple[DataPath, Place]]:
    yield path, Place(node, key)
    if isinstance(node, yaml.MappingNode):
        for child_key, child in node.value:
            yield from _places((*path, child_key.value), child, child_key)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _places((*path, index), child, child)
