"""The experiments on the pages are sound, do what the pages say, and together show every key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from brownout.harness.api import Options, run
from brownout.harness.experiment.loader import load
from brownout.harness.experiment.model import Experiment
from support.docs_pages import DOCS, blocks

EXPERIMENTS = DOCS / "writing-an-experiment.md"
PRINTED = [block.text for block in blocks(EXPERIMENTS, "yaml") if block.mark == "experiment"]
FRAGMENTS = [block.text for block in blocks(EXPERIMENTS, "yaml") if block.mark == "fragment"]


def loaded(text: str, folder: Path) -> Experiment:
    path = folder / "printed.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def verdicts(experiment: Experiment, folder: Path) -> dict[str, str]:
    options = {name: Options(posture=name, out=folder, controls=False) for name in experiment.postures}
    return {name: run(experiment, option).result.verdict for name, option in options.items()}


def test_every_yaml_block_is_checked() -> None:
    """No block of the page escapes these tests."""
    assert len(PRINTED) == 2
    assert len(PRINTED) + len(FRAGMENTS) == len(blocks(EXPERIMENTS, "yaml"))


@pytest.mark.parametrize("text", PRINTED, ids=["smallest", "complete"])
def test_a_printed_experiment_gets_the_verdicts_that_it_expects(text: str, tmp_path: Path) -> None:
    """Each posture of it comes out as declared, in the simulation."""
    experiment = loaded(text, tmp_path)
    assert verdicts(experiment, tmp_path) == {name: posture.expect for name, posture in experiment.postures.items()}


@pytest.mark.parametrize("text", FRAGMENTS, ids=["posture", "cohorts", "stack", "stop", "blast_radius", "controls"])
def test_a_printed_fragment_fits_the_complete_experiment(text: str, tmp_path: Path) -> None:
    """In place of the keys of the same name it makes a sound experiment."""
    whole = yaml.safe_load(PRINTED[1]) | yaml.safe_load(text)
    loaded(yaml.safe_dump(whole, sort_keys=False), tmp_path)


def test_a_repaired_posture_is_shown_to_defend(tmp_path: Path) -> None:
    """The fragment whose system refuses the step passes when it is run."""
    whole = yaml.safe_load(PRINTED[1]) | yaml.safe_load(FRAGMENTS[0])
    experiment = loaded(yaml.safe_dump(whole, sort_keys=False), tmp_path)
    assert verdicts(experiment, tmp_path) == {"repaired": "pass"}


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_the_examples_show_the_keys_of_the_file() -> None:
    """Each key of the top level is in one of them, but for those that need an incident or an application of one's own."""
    shown = {key for text in (*PRINTED, *FRAGMENTS) for key in keys(yaml.safe_load(text))}
    wanted = {field.alias or name for name, field in Experiment.model_fields.items()}
    assert wanted - shown == {"claims", "source", "subject"}
