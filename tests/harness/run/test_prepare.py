"""A run is prepared once: posture, stack, steps with their faults, moments and load, or a refusal before anything starts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import brownout.harness.worlds.stack_spec as stack_spec
from brownout.harness.api import carry_out
from brownout.harness.errors import AbilityMissing, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.loader import read
from brownout.harness.experiment.model import Experiment
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import derive, prepare, prepare_control
from brownout.identity.core.settings import Settings
from support.quiet_faults import Quiet
from support.small_day import small_day


def test_the_posture_is_the_experiments_own_or_the_named_one() -> None:
    """No name means the experiment's; an unknown one gets a suggestion."""
    assert prepare(small_day(), Options()).posture == "fragile"
    assert prepare(small_day(), Options(posture="repaired")).posture == "repaired"
    with pytest.raises(UsageError) as refused:
        prepare(small_day(), Options(posture="repared"))
    assert "repaired" in refused.value.hint


def test_a_postures_settings_win_over_the_experiments() -> None:
    """Settings of the file are the ground, the posture's lie over them."""
    run = prepare(small_day(settings={"host_refresh_fraction": 0.25, "key_overlap_s": 5}), Options())
    found = Settings.of(run.stack.settings)
    assert (found.host_refresh_fraction, found.key_overlap_s) == (1.0, 5)


@pytest.mark.parametrize(
    ("changed", "options", "words"),
    [
        ({}, {"world": "moon"}, "there is no world 'moon'"),
        ({"settings": {"key_overlap": 5}}, {}, "key_overlap"),
        ({"machines": {"web": {"regoin": "sydney"}}}, {}, "no key 'regoin'"),
        ({"machines": {"other": {"region": "sydney"}}}, {}, "no machine 'web'"),
        ({"schedule": [{"name": "a", "at": "01:00", "role": "fault", "fault": "y"}]}, {}, "there is no fault 'y'"),
    ],
)
def test_what_cannot_be_run_is_refused(changed: dict[str, Any], options: dict[str, str], words: str) -> None:
    """An experiment that was made by code is refused for what a file is refused for, and for the world."""
    with pytest.raises(UsageError) as refused:
        prepare(small_day(**changed), Options(**options))
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("derive_it", "words"),
    [
        (lambda day: day.model_copy(update={"laod": day.load}), "Experiment has no key 'laod'(.|\n)*did you mean 'load'"),
        (lambda day: day.load.cohorts[0].model_copy(update={"rate": 3}), "Cohort has no key 'rate'"),
        (lambda day: day.load.model_copy(update={"deadline": 0}), "load.deadline: 0 s is no deadline"),
        (lambda day: day.load.model_copy(update={"cohorts": ()}), "cohorts: at least 1 is needed"),
        (lambda day: day.model_copy(update={"postures": {"../up": day.postures["repaired"]}}), "is no name here"),
        (lambda day: day.model_copy(update={"posture": "gone"}), "posture: there is no posture 'gone'"),
        (lambda day: day.model_copy(update={"title": "\ud800"}), r"U\+D800"),
        (lambda day: day.model_copy(update={"load": day.load.model_construct(cohorts=[{"name": "x"}])}), "is missing"),
    ],
)
def test_a_derived_experiment_is_checked_as_a_file_is(derive_it: Callable[[Experiment], Any], words: str) -> None:
    """A mistyped key is refused where it is written, and what only the whole shows is refused before anything starts."""
    day = small_day()

    def derived_run() -> None:
        made = derive_it(day)
        prepare(made if isinstance(made, Experiment) else day.model_copy(update={"load": made}), Options())

    with pytest.raises(UsageError) as refused:
        derived_run()
    assert re.search(words, str(refused.value)), str(refused.value)


def test_a_part_that_was_made_without_validation_is_validated_before_a_run() -> None:
    """`model_construct` and changes under the hood end at `prepare`."""
    day = small_day()
    day.load.cohorts[0].__dict__["rate_per_s"] = math.nan
    with pytest.raises(UsageError, match="rate_per_s"):
        prepare(day, Options())


@pytest.mark.parametrize("options", [{"seed": -1}, {"seed": 2**63}, {"seed": True}, {"seed": 1.5}, {"expect": "green"}])
def test_options_that_no_command_line_can_give_are_refused(options: dict[str, Any]) -> None:
    """A seed fits 64 bits, and a verdict is one of the five."""
    with pytest.raises(UsageError, match=r"seed|verdict"):
        prepare(small_day(), Options(**options))


def test_a_fault_that_the_world_cannot_carry_out_is_refused() -> None:
    """The run is refused before it starts; a control run goes on, and its step fails there."""
    step = {"name": "a", "at": "01:00", "role": "fault", "fault": "demanding"}
    day = small_day(schedule=[step], controls={"other": {"posture": "repaired"}})
    with pytest.raises(AbilityMissing, match="teleport"):
        prepare(day, Options())
    assert [resolved.step.name for resolved in prepare_control(day, "other", seed=1).steps] == ["a"]


def test_a_run_builds_each_fault_and_its_stack_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file to the verdict no step's parameters are read twice, and the run makes no second stack."""
    built: Counter[str] = Counter()

    class Counted(Quiet):
        """Counts how often it is built."""

        name: str

        def model_post_init(self, _: object) -> None:
            built[self.name] += 1

    monkeypatch.setattr(plugins, "faults", lambda: {"x": Counted})
    make = stack_spec.StackSpec

    def counting(*args: Any, **kwargs: Any) -> Any:
        built["the stack"] += 1
        return make(*args, **kwargs)

    monkeypatch.setattr(stack_spec, "StackSpec", counting)
    steps = [
        {"name": name, "at": f"01:0{minute}", "role": "fault", "fault": "x", "with": {"name": name}}
        for minute, name in enumerate(("first", "second"))
    ]
    file = tmp_path / "day.yaml"
    file.write_text(small_day(schedule=steps, gates={"steady_state": False}).model_dump_json(by_alias=True))
    checked = read(file)
    del built["the stack"]  # the file is checked against a stack of no posture and seed
    outcome = carry_out(prepare(checked, Options(out=tmp_path)))
    assert {step.state for step in outcome.result.steps} == {"healed"}
    assert built == {"first": 1, "second": 1, "the stack": 1}


def test_a_control_run_is_the_experiment_with_its_changes() -> None:
    """It drops and adds steps, thins the load, moves borders and takes its own posture; it has no control runs itself."""
    control = {
        "posture": "repaired",
        "drop": ["late"],
        "add": [{"name": "extra", "at": "00:30", "role": "operation", "fault": "x"}],
        "settings": {"key_overlap_s": 9},
        "load_scale": 0.5,
        "fault": "01:10",
    }
    made = small_day(controls={"other": control}, claims="c")
    derived = derive(made, made.controls["other"])
    assert [step.name for step in derived.schedule] == ["extra", "held"]
    assert derived.load.cohorts[0].rate_per_s == 0.25
    assert (derived.timeline.fault, derived.timeline.recovery) == (4200, 7200)
    assert (derived.posture, derived.claims, dict(derived.controls)) == ("repaired", "", {})
    assert derived.settings == {"key_overlap_s": 9}
    assert derived.gates.steady_state is False
    assert made.load.cohorts[0].rate_per_s == 0.5


def test_a_control_run_may_be_without_caches_of_names() -> None:
    """Its clients ask their region's resolver each time; the experiment's own keep theirs."""
    caches = {"count": 3, "ttl": "5m", "negative_ttl": "5m"}
    cohort = {"model": "sign-in", "name_caches": caches}
    made = small_day(cohort, controls={"uncached": {"posture": "repaired", "name_caches": False}})
    assert derive(made, made.controls["uncached"]).load.cohorts[0].name_caches is None
    assert made.load.cohorts[0].name_caches is not None


def test_settings_of_the_options_go_over_those_of_every_posture() -> None:
    """So a run with a setting is compared with control runs that have it too."""
    day = small_day(settings={"key_overlap_s": 5})
    run = prepare(day, Options(settings={"key_overlap_s": 9}))
    assert run.stack.settings["key_overlap_s"] == 9
    assert {posture.settings["key_overlap_s"] for posture in run.experiment.postures.values()} == {9}
    with pytest.raises(UsageError, match="no_such"):
        prepare(day, Options(settings={"no_such": 1}))
