"""The pages that list things list them all: keys of files, fields, faults, settings, gates, exit codes, commands, links."""

from __future__ import annotations

import importlib.util
import re
import shlex
from dataclasses import fields
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from brownout.harness.cli import main
from brownout.harness.client_env.stack_file import IdentityEntry, MachineEntry, RegionEntry, StackFile
from brownout.harness.errors import LeftUnsafe, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.model import (
    Alert,
    ControlRun,
    Experiment,
    Gates,
    Good,
    Indicator,
    Load,
    Objective,
    Posture,
    RatioMetric,
    Selector,
    Slo,
    Step,
    Timeline,
)
from brownout.harness.experiment.subject import Subject
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.models.asks import CommandAsk, HttpAsk
from brownout.harness.record.result import EXIT_CODES, ClaimResult, StepResult, Times
from brownout.harness.record.verdicts import VERDICTS
from brownout.identity.core.settings import Settings
from support.docs_pages import DOCS, PAGES, ROOT, anchors, blocks, keys_in, links, prose, read, section

EXPERIMENTS = DOCS / "writing-an-experiment.md"
VERDICT = DOCS / "reading-a-verdict.md"
SECTIONS = (
    ("The file", (Experiment,)),
    ("timeline", (Timeline,)),
    ("A posture", (Posture,)),
    ("A step", (Step,)),
    ("load", (Load,)),
    ("A cohort", (Cohort,)),
    ("An objective (slos)", (Slo, Indicator, RatioMetric, Objective, Selector, Good)),
    ("An alert", (Alert,)),
    ("gates", (Gates,)),
    ("A control run", (ControlRun,)),
    ("A subject", (Subject,)),
    ("Clients of a subject", (HttpAsk, CommandAsk)),
)


def names(model: type[BaseModel]) -> set[str]:
    """A model's fields as files spell them."""
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize(("heading", "models"), SECTIONS, ids=[heading for heading, _ in SECTIONS])
def test_every_key_of_an_experiment_is_explained(heading: str, models: tuple[type[BaseModel], ...]) -> None:
    """The section's tables name each key of its part of the file, and no key that is not there."""
    wanted = set().union(*map(names, models))
    if Slo in models:
        wanted -= {"total", "good"}  # explained under ratioMetric and with tables of their own
    assert keys_in(section(EXPERIMENTS, heading)) == wanted


def test_every_installed_fault_is_listed_with_its_parameters() -> None:
    """The table of faults has a row for each of this distribution, with every parameter in it."""
    rows = {
        line.split("`")[1]: line for line in section(EXPERIMENTS, "What can be done").splitlines() if line.startswith("| `")
    }
    ours = {kind: fault for kind, fault in plugins.faults().items() if fault.__module__.startswith("brownout.faults.")}
    assert set(rows) == set(ours)
    for kind, fault in ours.items():
        parameters = rows[kind].split("|")[2]
        assert set(re.findall(r"`(\w+)`", parameters)) == set(fault.model_fields), kind


def test_every_setting_is_listed() -> None:
    """The table of settings is the service's."""
    assert keys_in(section(EXPERIMENTS, "Settings of the service")) == {field.name for field in fields(Settings)}


def test_every_field_of_the_stack_file_is_explained() -> None:
    """The page names each field of the file, its regions, machines and identities."""
    wanted = set().union(*map(names, (StackFile, RegionEntry, MachineEntry, IdentityEntry)))
    assert keys_in(section(DOCS / "stack-file.md", "Fields")) == wanted


def test_every_exit_code_and_verdict_is_explained() -> None:
    """The table of verdicts has each verdict with its code, and the codes that belong to no verdict."""
    text = section(VERDICT, "The verdict and the exit code")
    rows = re.findall(r"^\| (`[\w-]+`|–) \| (\d+) \|", text, re.MULTILINE)
    known = {name.strip("`"): int(code) for name, code in rows if name != "–"}
    assert known == dict(EXIT_CODES)
    assert set(known) == set(VERDICTS)
    assert {int(code) for name, code in rows if name == "–"} == {UsageError.exit_code, 130}
    assert known["unsafe"] == LeftUnsafe.exit_code


def literals(model: type[BaseModel], field: str) -> set[str]:
    return set(model.model_json_schema()["properties"][field]["enum"])


def test_every_status_and_time_is_explained() -> None:
    """States of steps, statuses of claims and the four times have a row each."""
    assert keys_in(section(VERDICT, "Steps")) == literals(StepResult, "state")
    assert keys_in(section(VERDICT, "Claims")) == literals(ClaimResult, "status")
    assert keys_in(section(VERDICT, "Times")) == {"detect", "mitigate", "recover", "longest_outage"} <= names(Times)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    """Links lead to files of this repository and to headings that are there."""
    for link in links(page):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def commands(page: Path) -> list[str]:
    """Every `brownout ...` of the page: in shell blocks a command each, in prose what is in code style."""
    shell = "\n".join(re.sub(r"\\\n", " ", block.text) for block in blocks(page, "sh"))
    found = re.findall(r"(?<![\w/.-])brownout (?=[a-z-])[^\n\"`)|;#>]*", shell)
    return found + re.findall(r"`(brownout (?=[a-z-])[^`]*)`", prose(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_exists(page: Path) -> None:
    """Subcommands, options and their values are what the command line takes."""
    for text in commands(page):
        _, name, *arguments = shlex.split(text.split(" > ")[0])
        if name == "--help":
            continue
        assert name in main.commands, f"{page.name}: {text}"
        try:
            main.commands[name].make_context(name, arguments, resilient_parsing="..." in arguments)
        except click.MissingParameter:
            pass  # prose may name a command without its argument
        except click.UsageError as wrong:
            pytest.fail(f"{page.name}: {text}: {wrong.message}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_and_module_exists(page: Path) -> None:
    """`make TARGET` and `python -m MODULE` of shell blocks are there."""
    shell = "\n".join(block.text for block in blocks(page, "sh"))
    targets = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", shell, re.MULTILINE)) <= targets
    for module in re.findall(r"python -m ([\w.]+)", shell):
        assert importlib.util.find_spec(module) is not None, module
