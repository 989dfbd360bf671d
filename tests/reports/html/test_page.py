"""The HTML report: offline, safe against what a record may hold, and there for every run, finished or not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.record.history import Event, Recorder
from brownout.reports.html import write

HOSTILE = """<img src=x onerror=alert(1)>"'</script><script>alert(2)</script> @left{safe} $$\\frac$$"""


class Page(HTMLParser):
    """Collects elements, their attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._quiet = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._quiet += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._quiet -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def read(folder: Path) -> Page:
    return Page(write(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def text(whole: Path) -> str:
    """The page of the whole run."""
    return write(whole).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_loads_nothing_from_anywhere(text: str, page: Page) -> None:
    """No element of the page names anything to load, no style does, and the page's own policy forbids all requests."""
    loads = [a for tag, a in page.elements for name in ("src", "srcset", "data", "poster", "xlink:href") if name in a]
    links = [a for a in page.all("a") if not str(a.get("href")).startswith("#")]
    styles = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    policies = [str(a.get("content")) for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert (loads, links, page.all("link")) == ([], [], [])
    assert "url(" not in styles
    assert "@import" not in styles
    assert policies
    assert policies[0].startswith("default-src 'none'")


def test_the_page_tells_the_whole_run(page: Page) -> None:
    """Verdict, times in sensible units, objectives, steps, claims, canaries, gates, digest and command are all in the text."""
    wanted = [
        "Breach", "as expected", "2 min 10 s", "5 h 33 min", "tokens-overall", "fail-over-zone", "not testable",
        "sync · token · new", "boto3 · AssumeRole · none",
        "management.needs-store", "generator-lag", "9f2c1ab04d5e6f708192a3b4c5d6e7f8", "requests.jsonl",
        "brownout run ftvr-l9z --world processes", "00:55", "50 % of C5", "not exercised", "660 of 660",
    ]  # fmt: skip
    missing = [words for words in wanted if words not in page.text.replace("\N{NO-BREAK SPACE}", " ")]
    assert missing == []


def test_the_charts_hold_slices_and_not_the_log(text: str) -> None:
    """The embedded JSON has a chart for each panel, a series per cohort, and no request's id."""
    found = re.search(r'<script type="application/json" id="chart-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found.group(1))
    assert sorted(data["elements"].values()) == ["chart-availability", "chart-lanes", "chart-latency", "chart-rate"]
    assert all(f'"good_{index}"' in found.group(1) for index in range(4))
    assert "machines-new-0" not in found.group(1)
    assert len(text) < 2_000_000


def test_light_and_dark_are_both_there(text: str) -> None:
    """Every colour of the light palette has its dark counterpart, in the page and in the static picture."""
    styles = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert len(styles) == 2
    for style in styles:
        light, _, dark = style.partition("prefers-color-scheme:dark")
        names = set(re.findall(r"(--[a-z0-9]+):#", light))
        assert len(names) > 10
        assert names <= set(re.findall(r"(--[a-z0-9]+):#", dark))


def test_hostile_names_stay_text(build_folder: Callable[..., Path]) -> None:
    """Markup in any name or reason of the record is shown as text, and never ends a script or becomes an element."""
    folder = build_folder(title=HOSTILE, reasons=(HOSTILE,), command=HOSTILE, parameters={HOSTILE: HOSTILE}, posture=HOSTILE)
    recorder = Recorder(folder)
    recorder.event(Event(1720742400.0, HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}))
    recorder.close()
    lines = (folder / "requests.jsonl").read_text(encoding="utf-8")
    (folder / "requests.jsonl").write_text(lines.replace('"machines-new"', json.dumps(HOSTILE)), encoding="utf-8")
    page = read(folder)
    assert page.all("img") == []
    assert [a for _, a in page.elements if any(name.startswith("on") for name in a)] == []
    assert len(page.all("script")) == 4
    assert "alert(2)" in page.text


def test_tables_can_be_read_out(page: Page) -> None:
    """Every table has a caption, every header a scope, and headings are in order without a gap."""
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_ids_are_unique_and_skip_link_leads_somewhere(page: Page) -> None:
    """No id is used twice, and every in-page link and label points to one that exists."""
    ids = [str(a["id"]) for _, a in page.elements if "id" in a]
    pointed = {str(a["href"])[1:] for a in page.all("a")} | {
        str(a["aria-labelledby"]) for a in page.all("section") if "aria-labelledby" in a
    }
    assert len(ids) == len(set(ids))
    assert pointed <= set(ids)


def test_a_killed_run_is_told_as_unfinished(build_folder: Callable[..., Path]) -> None:
    """A run cut short, with a torn last line, is rendered with what there is and says so."""
    folder = build_folder(finished=False, verdict="inconclusive", steps=(), claims=(), slos=(), gates=())
    log = folder / "requests.jsonl"
    log.write_text(log.read_text(encoding="utf-8")[:-40], encoding="utf-8")
    said = read(folder).text
    assert "did not finish" in said
    assert "No objective was judged" in said


def test_a_run_without_any_record_is_rendered(build_folder: Callable[..., Path]) -> None:
    """A result without history gives a page without charts, and without the chart library."""
    folder = build_folder(history=False, finished=False, verdict="harness-error", phases=(), steps=(), times={}, canaries=())
    path = write(folder)
    page = Page(path.read_text(encoding="utf-8"))
    assert "No requests were recorded" in page.text
    assert path.stat().st_size < 100_000


def test_a_page_without_bokeh_shows_the_still_picture(whole: Path, tmp_path: Path) -> None:
    """Where Bokeh is not installed the page has the picture of the run in place of the charts, and says what is missing."""
    shutil.copytree(whole, tmp_path / "run")
    code = (
        "import sys, pathlib; sys.modules['bokeh'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'bokeh' else find(name, *a)\n"
        "from brownout.reports.html import write; write(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=True, timeout=60)
    page = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert "brownout[report]" in page.text
    assert [a["class"] for a in page.all("figure")] == ["picture"]
    assert not any("charts" in str(a.get("class")).split() for _, a in page.elements)
    assert not any(a.get("id") == "chart-data" for a in page.all("script"))
    assert len(page.all("svg")) >= 1


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    """Without a result there is one clear error and no file."""
    with pytest.raises(UsageError, match=r"no result\.json"):
        write(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_the_same_record_gives_the_same_verdict_page(whole: Path, text: str) -> None:
    """Writing the report again changes nothing outside the chart library's own ids."""
    pages = (text, write(whole).read_text(encoding="utf-8"))
    first, second = (re.sub(r'id="chart-data">.*?</script>', "", page, flags=re.DOTALL) for page in pages)
    assert first == second
