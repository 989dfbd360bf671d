"""The shell and Python of the pages, run as they are printed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from brownout.harness.operate import stacks as standing
from support.docs_pages import DOCS, Block, blocks, pasted

pytestmark = pytest.mark.slow
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """A newcomer's shell: this environment's commands on PATH, a state folder of its own; no stack is left up."""
    home = str(tmp_path / "home")
    monkeypatch.setenv("BROWNOUT_HOME", home)
    clean = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    yield {**clean, "PATH": path, "BROWNOUT_HOME": home, "COLUMNS": "100"}
    for row in standing.stacks():
        asyncio.run(standing.tear_down(row))


def squeezed(text: str) -> str:
    """The text with every run of white space as one space, so that columns may be as wide as they like."""
    return " ".join(text.split())


def runs(block: Block) -> bool:
    return not block.mark.startswith("not run by the tests")


def test_the_tutorial_works_when_pasted(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Its blocks in one shell, in order, print what the page says that they print."""
    page = DOCS / "tutorial.md"
    script = "\n".join(block.text for block in blocks(page, "sh") if runs(block))
    assert script.count("brownout run") == 2
    told = squeezed(pasted(script, environment, tmp_path))
    printed = [block.text for block in blocks(page, "text") if block.mark == "printed"]
    assert len(printed) == 6
    for line in "".join(printed).splitlines():
        assert squeezed(line) in told, line
    assert "Traceback" not in told


def test_the_stack_files_page_works_as_printed(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Its Python uses an SDK over TLS and gets a token; its shell reaches the vault, ARM, the keys and a control plane."""
    page = DOCS / "stack-file.md"
    python = "\n".join(block.text for block in blocks(page, "python"))
    shell = "\n".join(block.text for block in blocks(page, "sh") if block.mark == "runs with a stack")
    (tmp_path / "printed.py").write_text(python, encoding="utf-8")
    up = 'brownout up\neval "$(brownout env --machine web-1)"\npython printed.py\n'
    told = pasted(up + shell, environment, tmp_path)
    for seen in (
        "['batch-id', 'doomed-melbourne',",
        "Bearer 86",
        '"resource":"https://management.azure.com/"',  # on the machine
        "iam-role",
        "AKV10000",
        "value of app-database",
        "batch-id",
        '"kid":',
        '"key_id":"manual-sydney-1"',
    ):
        assert seen in told, (seen, told)
    assert "Unauthorized" not in told.partition("value of app-database")[2]


def test_the_page_on_applications_works_as_printed(environment: Mapping[str, str], tmp_path: Path) -> None:
    """An application is refused for want of a role, a machine reads a vault and an account by name, an application is made."""
    page = DOCS / "azure-entra.md"
    scripts = [block.text for block in blocks(page, "python")]
    for number, script in enumerate(scripts):
        (tmp_path / f"printed_{number}.py").write_text(script, encoding="utf-8")
    application, machine, more = (block.text for block in blocks(page, "sh"))
    told = pasted(f"{application}\npython printed_0.py\n{machine}\npython printed_1.py\n{more}", environment, tmp_path)
    printed = [block.text for block in blocks(page, "text") if block.mark == "printed"]
    assert len(printed) == len(scripts) == 2
    for line in "".join(printed).splitlines():
        assert line in told, told
    assert '"secret":"' in told
    assert told.count('"name":"orders"') == 1
    assert "Traceback" not in told


def test_the_game_day_works_when_pasted(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Its blocks in one shell, in order, print what the page says; only what should be refused is, and nothing stays."""
    page = DOCS / "game-day.md"
    script = "\n".join(block.text for block in blocks(page, "sh") if runs(block))
    assert script.count("brownout inject") == 9
    told = squeezed(pasted(script, environment, tmp_path))
    printed = [block.text for block in blocks(page, "text") if block.mark == "printed"]
    assert len(printed) == 6
    for line in "".join(printed).splitlines():
        assert squeezed(line) in told, (line, told)
    assert told.count("time to bite") == 7, "all bite but the one that cannot and the one that is refused"
    assert told.count("time to heal") == 6
    assert "Traceback" not in told
    assert standing.stacks() == ()


def test_faults_over_http_work_when_pasted(environment: Mapping[str, str], tmp_path: Path) -> None:
    """curl puts a fault in place and undoes it; a locustfile loses requests during its block, and no others."""
    page = DOCS / "faults-over-http.md"
    bring_up, *more = (block.text for block in blocks(page, "sh"))
    (locustfile,) = (block for block in blocks(page, "python") if block.mark == "locustfile.py")
    (tmp_path / locustfile.mark).write_text(locustfile.text, encoding="utf-8")
    load = "locust -f locustfile.py --headless --users 5 --run-time 90s --only-summary --json-file figures\n"
    told = pasted(bring_up + load + "".join(more), environment, tmp_path)
    for line in "".join(block.text for block in blocks(page, "text")).splitlines():
        assert line in told, (line, told)
    assert told.index("bites: links with refuse") < told.index("healed")
    assert "inconclusive" not in told
    (counted,) = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert 0 < counted["num_failures"] < counted["num_requests"] / 2
    assert json.loads((tmp_path / "openapi.json").read_text(encoding="utf-8"))["openapi"] == "3.1.0"
    assert standing.stacks() == ()


def test_the_list_of_links_is_printed(environment: Mapping[str, str], tmp_path: Path) -> None:
    """The one-liner on the experiments' page lists links by their names."""
    (line,) = (block.text for block in blocks(DOCS / "writing-an-experiment.md", "sh") if "build_stack" in block.text)
    assert "sydney.token->sydney.store" in pasted(line, environment, tmp_path).splitlines()


@pytest.mark.docker
def test_the_page_on_containers_works_when_pasted(environment: Mapping[str, str], tmp_path: Path) -> None:
    """Its blocks in one shell, in order: every fault bites and heals, a container of one's own gets a token, nothing stays."""
    page = DOCS / "compose.md"
    script = "\n".join(block.text for block in blocks(page, "sh") if runs(block))
    told = pasted(script, environment, tmp_path)
    injected = script.count("brownout inject")
    assert injected == 5
    assert told.count("time to bite") == injected, told
    assert told.count("time to heal") == injected, told
    assert '"name":"hole"' in told, told
    assert ('"state":"bitten"' in told, '"state":"healed"' in told) == (True, True), told
    assert "\n200\n" in told
    assert "\n0\n" in told, "something of the stack stayed"
    assert "Traceback" not in told
    assert standing.stacks() == ()
