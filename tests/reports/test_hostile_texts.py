"""Texts that a node, a file or a client made up: every form of a report shows them as text, and none acts on them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from brownout.harness.record.history import Event, Recorder
from brownout.harness.record.result import Result
from brownout.reports import junit, markdown
from brownout.reports.html.page import history_of, page
from brownout.reports.svg import availability_svg
from brownout.reports.terminal import console_on, render_result

TEXTS = {
    "html": "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script><a href=javascript:alert(3)>x</a>",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://elsewhere.example\x07click\x1b]8;;\x07\x9b31m\r\x08\x7f",
    "markdown": "![x](http://elsewhere.example/p.png) [y](javascript:alert(1)) <b>z</b> |a|b|\n# h\n```\n@team",
    "junit": "\x00\x0b\ufffe\ud800]]><!ENTITY x SYSTEM 'file:///etc/passwd'><failure/>&x;",
    "rich": "[bold red]red[/] [link=http://elsewhere.example]go[/link] :boom:",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LINK_OR_IMAGE = re.compile(r"(?<!\\)\]\((?!#)|(?<!\\)!\[|<(?!br>|/?details|/?summary|!--|/?sub|/?kbd)[a-zA-Z/]")


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(params=sorted(TEXTS))
def hostile(request: pytest.FixtureRequest, build_folder: Callable[..., Path]) -> tuple[str, Path, Result]:
    """A run in which every text that comes from elsewhere is hostile: error bodies, names of cohorts and steps, titles."""
    text = TEXTS[request.param]
    kept = text.encode("utf-8", "replace").decode()  # what a log can hold
    folder = build_folder(title=kept, description=kept, reasons=(kept,), parameters={kept: kept}, posture_description=kept)
    log = folder / "requests.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["error"] = kept if line["error"] else ""
        line["cohort"] = kept if line["cohort"] == "machines-new" else line["cohort"]
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    recorder = Recorder(folder)
    recorder.event(Event(1720742400.0, "note", kept, kept, {"evidence": kept}))
    recorder.close()
    result = Result.model_validate_json((folder / "result.json").read_bytes())
    changed = {"name": text, "describe": text, "evidence": text, "note": text}
    steps = tuple(step.model_copy(update=changed) for step in result.steps)
    slos = tuple(slo.model_copy(update={"name": text, "reason": text}) for slo in result.slos)
    gates = tuple(gate.model_copy(update={"reason": text, "passed": False}) for gate in result.gates)
    invariants = tuple(one.model_copy(update={"evidence": text, "note": text}) for one in result.invariants)
    update = {"title": text, "steps": steps, "slos": slos, "gates": gates, "invariants": invariants, "reasons": (text,)}
    return text, folder, result.model_copy(update=update)


def test_the_page_gets_no_element_of_theirs(hostile: tuple[str, Path, Result]) -> None:
    """No image, no handler, no address that runs or leads away, and no script but the page's own."""
    _, folder, result = hostile
    elements = Elements(page(result, history_of(folder), folder)).found
    assert [tag for tag, _ in elements if tag in ("img", "iframe", "object", "failure")] == []
    assert [attrs for _, attrs in elements if any(name.startswith("on") for name in attrs)] == []
    links = [str(attrs["href"]) for _, attrs in elements if attrs.get("href")]
    assert [link for link in links if link.startswith("javascript:") or "elsewhere" in link] == []
    assert len([tag for tag, _ in elements if tag == "script"]) <= 4


def test_markdown_gets_no_markup_of_theirs(hostile: tuple[str, Path, Result]) -> None:
    """No tag, no link, no image; a table keeps its columns."""
    said = markdown.render(hostile[2])
    assert LINK_OR_IMAGE.findall(said) == []
    assert CONTROL.findall(said.replace("\n", "")) == []


def test_junit_is_a_document_of_ours(hostile: tuple[str, Path, Result]) -> None:
    """It parses, has no entity, and as many failures as it says."""
    said = junit.render(hostile[2])
    assert "<!ENTITY" not in said
    suite = ET.fromstring(said).find("testsuite")
    assert suite is not None
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"])


def test_a_terminal_is_sent_no_order_of_theirs(hostile: tuple[str, Path, Result]) -> None:
    """No escape sequence and no control character but line breaks, in a pipe as on a terminal without colours."""
    stream = io.StringIO()
    render_result(hostile[2], console_on(stream))
    assert CONTROL.findall(stream.getvalue().replace("\n", "")) == []


def test_the_picture_parses(hostile: tuple[str, Path, Result]) -> None:
    """It has no element but shapes and texts."""
    root = ET.fromstring(availability_svg(hostile[2], history_of(hostile[1])))
    assert {element.tag.rpartition("}")[2] for element in root.iter()} & {"script", "a", "image", "foreignObject"} == set()
