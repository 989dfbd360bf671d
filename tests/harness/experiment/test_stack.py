"""The table `stack` of an experiment: every run of it is built from that, and everything in the file is checked against it."""

from __future__ import annotations

from pathlib import Path

from brownout.harness.experiment.loader import load, validate
from brownout.harness.experiment.stack import stack_of
from support.small_day import small_day
from support.sound_file import FAULTS, SOUND, written

TOKYO = "stack: {vendors: [aws, azure], regions: [tokyo, sydney], home: sydney}\nload:\n"


def test_without_the_table_a_stack_is_as_it_always_was() -> None:
    """Azure's half of Sydney and Melbourne, with Sydney as home."""
    spec = stack_of(small_day(), seed=1)
    assert (spec.vendors, spec.regions, spec.home_region) == (("azure",), ("sydney", "melbourne"), "sydney")


def test_every_run_gets_the_stack_that_the_file_asks_for(tmp_path: Path) -> None:
    """Vendors, regions and home come from the table, and a cohort may stand in any of the regions."""
    text = SOUND.replace("load:\n", TOKYO, 1).replace(
        "{name: new, model: token, region: sydney", "{name: new, model: token, region: tokyo"
    )
    spec = stack_of(load(written(tmp_path, text), faults=FAULTS), seed=1)
    assert (spec.vendors, spec.regions, spec.home_region) == (("aws", "azure"), ("tokyo", "sydney"), "sydney")


def test_a_region_that_the_stack_does_not_have_is_refused(tmp_path: Path) -> None:
    """What names Melbourne (an objective, a machine, a cohort) is refused where the stack is Sydney alone."""
    text = SOUND.replace("load:\n", "stack: {regions: [sydney]}\nmachines:\n  web: {region: melbourne}\nload:\n", 1)
    (found,) = validate(written(tmp_path, text), faults=FAULTS)
    assert "no region 'melbourne'" in str(found)


def test_clients_of_a_vendor_that_the_stack_lacks_are_refused(tmp_path: Path) -> None:
    """The problem is at the cohort's model and says what to write; with the vendor there is none."""
    text = SOUND.replace("model: token,", "model: assume-role,", 1)
    (found,) = validate(written(tmp_path, text), faults=FAULTS)
    assert "clients of the model 'assume-role' need the vendor aws" in str(found)
    assert "stack: {vendors: [aws]}" in str(found)
