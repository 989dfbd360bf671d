"""The pages as a site: built strictly, every link of it leads somewhere, nothing is loaded from elsewhere, the search finds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from support.dashboard_browser import browser, browser_or_skip
from support.docs_pages import DOCS, ROOT

CONFIGURATION = ROOT / "zensical.toml"
ZENSICAL = Path(sys.executable).with_name("zensical")
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}


class Page(HTMLParser):
    """What a page of the site links to, what it loads, and where it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in _LOADS and (source := given.get(_LOADS[tag])) and given.get("rel") not in ("next", "prev", "canonical"):
            self.loaded.append(source)


def listed(entries: Any) -> Iterator[str]:
    """The pages of a navigation, in order."""
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict):
        for inner in entries.values():
            yield from listed(inner)
    else:
        for entry in entries:
            yield from listed(entry)


def build(folder: Path, *, added: str = "") -> subprocess.CompletedProcess[str]:
    """Builds the site below a folder as `make docs` does, `added` to its first page."""
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(CONFIGURATION, folder)
    with (folder / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write(added)
    return subprocess.run([str(ZENSICAL), "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    told = build(folder)
    assert told.returncode == 0, told.stdout + told.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


class QuietHandler(SimpleHTTPRequestHandler):
    """It serves the site and logs nothing."""

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    """The site's address on a server of this test."""
    handler = partial(QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_every_page_is_in_the_navigation_once() -> None:
    """A new page gets its line in zensical.toml, and a page that is removed loses it."""
    navigation = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["project"]["nav"]
    assert sorted(listed(navigation)) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    """Each link to the site itself names a file of it and, with an anchor, a place on that page."""
    wrong = []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            found = target.is_file() and (target not in pages or unquote(parts.fragment) in pages[target].anchors)
            wrong += [] if found else [f"{path.relative_to(site)}: {link}"]
    assert len(pages) > 40
    assert wrong == []


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(pages: dict[Path, Page]) -> None:
    """Scripts, styles, fonts and pictures are files of the site."""
    assert all(page.loaded for page in pages.values())
    assert [source for page in pages.values() for source in page.loaded if urlsplit(source).netloc] == []


@pytest.mark.slow
def test_no_list_is_lost_in_a_paragraph(site: Path) -> None:
    """A forge begins a list right below a line of text, the site's Markdown does not: an empty line suits both."""
    lost = re.compile(r"<p>(?:(?!</p>).)*\n(?:[-*]|\d+\.) (?:(?!</p>).)*</p>", re.DOTALL)
    found = {str(path.relative_to(site)): lost.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("added", "complaint"),
    [("\n[a page](none.md)\n", "page does not exist"), ("\n[a place](install.md#none)\n", "anchor does not exist")],
)
def test_a_broken_link_fails_the_build(tmp_path: Path, added: str, complaint: str) -> None:
    """A page that is not there, and a heading that is not there."""
    told = build(tmp_path, added=added)
    assert told.returncode != 0
    assert complaint in re.sub(r"\x1b\[[0-9;]*m", "", told.stdout + told.stderr)


@pytest.mark.slow
def test_the_search_finds_a_page_and_asks_no_other_server(served: str) -> None:
    """Typed into the search field, a fault's name leads to the page of experiments; all requests go to the site."""
    program = browser_or_skip()
    asked = "performance.getEntriesByType('resource').map(each => each.name)"
    shown = "[...document.querySelectorAll('*')].map(each => each.shadowRoot?.textContent ?? '').join('')"
    with browser(program) as page:
        page.show(width=1280)
        page.open(f"{served}/index.html")
        page.wait_for(f"{asked}.some(each => each.includes('/search.'))", within_s=30)
        page.evaluate("document.querySelector('.md-search__button').click()")
        page.wait_for("document.activeElement.shadowRoot?.activeElement?.tagName === 'INPUT'", within_s=30)
        page.enter("key-rollover")
        page.wait_for(f"({shown}).includes('Writing an experiment')", within_s=30)
        urls = page.evaluate(asked)
    assert urls
    assert [url for url in urls if not url.startswith(served)] == []
