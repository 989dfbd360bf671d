"""The page on CI: each service's snippet is well formed, and its steps do what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.docs_pages import DOCS, blocks

PAGE = DOCS / "ci.md"
SERVICES = ("GitHub Actions", "GitLab", "Azure Pipelines", "Jenkins")


def steps(text: str) -> list[str]:
    """The shell commands of a snippet, in order."""
    if text.startswith("pipeline {"):
        return re.findall(r"^ *sh '(.*)'$", text, re.MULTILINE)
    return list(_commands(yaml.safe_load(text)))


def _commands(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("run", "script") and isinstance(value, str):
                yield value
            elif name == "script":
                yield from value
            else:
                yield from _commands(value)
    elif isinstance(node, list):
        for each in node:
            yield from _commands(each)


def snippets() -> list[str]:
    return [block.text for language in ("yaml", "groovy") for block in blocks(PAGE, language) if block.mark == "steps"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the page's experiment and test."""
    for language in ("yaml", "python"):
        for block in blocks(PAGE, language):
            if block.mark.endswith((".yaml", ".py")):
                (tmp_path / block.mark).write_text(block.text, encoding="utf-8")
    return tmp_path


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "PATH": path, "BROWNOUT_HOME": str(folder / "home"), **variables}
    return subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_every_service_has_its_snippet() -> None:
    """One for each, whose commands install Brownout and use it."""
    found = snippets()
    assert len(found) == len(SERVICES)
    for text in found:
        commands = steps(text)
        assert commands[0].startswith("pip install")
        assert any(command.startswith("brownout run") for command in commands)


@pytest.mark.parametrize("number", range(len(SERVICES)))
def test_its_steps_run_as_printed(project: Path, number: int) -> None:
    """Every command but the installation ends with 0 and leaves the files that the snippet hands to its service."""
    summary = project / "summary.md"
    text = snippets()[number]
    for command in steps(text)[1:]:
        told = shell(command, project, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
        assert told.returncode == 0, (command, told.stdout, told.stderr)
    for name in set(re.findall(r"out/[\w.]+", text)):
        assert (project / name).exists(), name
    assert "Pass" in summary.read_text(encoding="utf-8")


def test_the_extras_of_the_snippets_are_installable() -> None:
    """What is installed is the package with extras that the page on installing names."""
    known = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "install.md").read_text(encoding="utf-8"), re.MULTILINE))
    for text in snippets():
        (wanted,) = shlex.split(steps(text)[0])[2:]
        assert set(wanted.removeprefix("brownout[").removesuffix("]").split(",")) <= known


def test_the_hook_accepts_sound_files_and_refuses_others(project: Path) -> None:
    """Its entry, with the names of files after it as pre-commit calls it, ends with 0 or not."""
    (block,) = (block for block in blocks(PAGE, "yaml") if block.mark == "hook")
    (hook,) = yaml.safe_load(block.text)["repos"][0]["hooks"]
    (project / "sound.brownout.yaml").write_text((project / "checkout.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (project / "unsound.brownout.yaml").write_text("schema: brownout/experiment/v1\n", encoding="utf-8")
    assert re.search(hook["files"], "sound.brownout.yaml")
    assert shell(f"{hook['entry']} sound.brownout.yaml", project).returncode == 0
    refused = shell(f"{hook['entry']} sound.brownout.yaml unsound.brownout.yaml", project)
    assert refused.returncode != 0
    assert "unsound.brownout.yaml" in refused.stderr
