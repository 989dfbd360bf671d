"""HTML that is always escaped: text becomes markup only through `el`, which escapes everything that is not Html."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from brownout.reports.units import printable

_VOID = frozenset({"meta", "input", "br"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Any value as escaped markup; None is nothing."""
    if isinstance(value, Html):
        return value
    words = "" if value is None else printable(value).replace(" %", "\N{NO-BREAK SPACE}%")  # or a line may begin with the sign
    return Html(html.escape(words, quote=True))


def join(parts: Iterable[object], separator: str = "") -> Html:
    return Html(text(separator).join(text(part) for part in parts))


def el(tag: str, *children: object, **attributes: str | float | bool | None) -> Html:
    """One element. Names of attributes: `class_` is `class`, `aria_label` is `aria-label`; None and False leave one out."""
    pairs = (_attribute(name, value) for name, value in attributes.items() if value is not None and value is not False)
    start = f"<{tag}{''.join(pairs)}>"
    return Html(start) if tag in _VOID and not children else Html(f"{start}{join(children)}</{tag}>")


def _attribute(name: str, value: str | float | bool) -> str:
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(printable(value), quote=True)}"'


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column. `kind`: `text`, `number` (right-aligned, figures of equal width) or `prose` (may wrap)."""

    name: str
    kind: str = "text"


def table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, class_: str = "") -> Html:
    """A table with its own scroll area; the first cell of each row is its header."""
    head = el("tr", *(el("th", c.name, scope="col", class_=c.kind) for c in columns))
    body = [
        el("tr", *(_cell(c, value, first=i == 0) for i, (c, value) in enumerate(zip(columns, row, strict=True))))
        for row in rows
    ]
    content = el("table", el("caption", caption), el("thead", head), el("tbody", *body), class_=class_ or None)
    return el("div", content, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _cell(column: Column, value: object, *, first: bool) -> Html:
    return el("th", value, scope="row", class_=column.kind) if first else el("td", value, class_=column.kind)
