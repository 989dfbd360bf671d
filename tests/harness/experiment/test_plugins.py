"""Finding what is installed, with made-up entry points."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType
from typing import ClassVar, Literal

import pytest

from brownout.faults.region_kill import RegionKill
from brownout.harness.base import entry_points as base_entry_points
from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.fault import Fault

REGION_KILL = "brownout.faults.region_kill"


class Cut(Fault):
    """Cuts a link."""

    kind: ClassVar[str] = "cut"
    family: ClassVar[Literal["link"]] = "link"
    link: str
    ways: Literal["both", "there"] = "both"


class OtherCut(Cut):
    """Another fault that wants the same name."""


@pytest.fixture
def install(monkeypatch):
    """Makes entry points of `group name=value` visible, their objects in a module called `made_up`."""
    module = ModuleType("made_up")
    module.Cut, module.OtherCut, module.claims = Cut, OtherCut, lambda *_: ()
    monkeypatch.setitem(sys.modules, "made_up", module)
    found = []
    monkeypatch.setattr(base_entry_points, "entry_points", lambda: EntryPoints(found))
    forget()

    def add(group, **names):
        found.extend(EntryPoint(name, value, group) for name, value in names.items())
        forget()

    yield add
    forget()


def forget():
    """What was installed is found anew."""
    base_entry_points.installed.cache_clear()
    base_entry_points._every.cache_clear()
    plugins._faults.cache_clear()


def test_faults_are_found_by_their_own_kind(install):
    """The class says what it is called, whatever the entry point's name."""
    install("brownout.faults", whatever="made_up:Cut")
    assert plugins.faults() == {"cut": Cut}


def test_a_fault_is_made_from_kind_and_parameters(install):
    """The parameters are the model's own."""
    install("brownout.faults", cut="made_up:Cut")
    assert plugins.fault("cut", {"link": "a->b"}) == Cut(link="a->b")


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("cutt", {}, "no fault 'cutt'.*did you mean 'cut'"),
        ("cut", {}, "'link' is missing"),
        ("cut", {"lnik": "a->b"}, "no key 'lnik'.*did you mean 'link'"),
        ("cut", {"link": "a->b", "ways": "bth"}, "not one of both, there.*did you mean 'both'"),
    ],
)
def test_a_wrong_fault_is_refused_with_a_suggestion(install, kind, params, words):
    """Kind and parameters are checked in words."""
    install("brownout.faults", cut="made_up:Cut")
    with pytest.raises(UsageError, match=f"(?s){words}"):
        plugins.fault(kind, params)


def test_no_faults_installed_is_said(install):
    """The hint is not an empty list."""
    with pytest.raises(UsageError, match="no faults are installed"):
        plugins.fault("cut", {})


def test_two_faults_of_one_kind_are_refused(install):
    """An installed package cannot replace another package's fault."""
    install("brownout.faults", cut="made_up:Cut", other="made_up:OtherCut")
    assert plugins.faults() == {}
    with pytest.raises(UsageError, match="two installed faults are called 'cut'"):
        plugins.fault("cut", {"link": "a->b"})


def test_brownouts_own_faults_are_found_one_by_one(monkeypatch):
    """Each entry point of ours is called as its kind, so one is found without importing the others."""
    every = plugins.faults()
    monkeypatch.setattr(plugins, "faults", lambda: pytest.fail("every fault is imported"))
    assert plugins.faults_among(every) == every
    assert plugins.faults_among(["region-kill", "./own.py"]) == {"region-kill": every["region-kill"]}


@pytest.mark.parametrize("kinds", [["region-kil"], ["./own.py", "cut"]])
def test_a_kind_that_is_not_ours_is_looked_for_among_all(kinds):
    """Whether it is another package's, and what is nearest to it, only all of them can tell."""
    assert plugins.faults_among(kinds) == plugins.faults()


def test_where_another_package_has_faults_all_are_looked_at(install):
    """The class says what it is called, so any of them may be another's double."""
    install("brownout.faults", cut="made_up:Cut", other="made_up:OtherCut", **{"region-kill": f"{REGION_KILL}:RegionKill"})
    assert plugins.faults_among(["cut"]) == plugins.faults_among(["region-kill"]) == {"region-kill": RegionKill}


def test_one_of_ours_that_cannot_be_imported_is_told_as_any_other(install):
    """Asked for by its name it is missing, and why is known."""
    install("brownout.faults", gone=f"{REGION_KILL}:Gone")
    assert plugins.faults_among(["gone"]) == {}
    assert "cannot be imported" in str(plugins.broken_faults()["gone"])


@pytest.mark.parametrize("value", ["made_up:Nothing", "not_there_at_all:Cut"])
def test_a_broken_package_is_named(install, value):
    """An entry point that cannot be imported is the user's to repair, not a crash."""
    install("brownout.faults", cut=value)
    with pytest.raises(UsageError, match=r"brownout\.faults 'cut' .* cannot be imported"):
        plugins.fault("cut", {"link": "a->b"})


@pytest.mark.parametrize("source", ["x = 1\nraise OSError('gone')\n", "x = 1\ndef (\n", "x = 1\nimport no_such_module\n"])
def test_a_broken_fault_is_named_by_file_and_line_and_blocks_only_itself(install, tmp_path, monkeypatch, source):
    """Whatever its code raises, the other faults can be used."""
    (tmp_path / "broken_fault.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    install("brownout.faults", cut="made_up:Cut", broken="broken_fault:Broken")
    assert plugins.fault("cut", {"link": "a->b"}) == Cut(link="a->b")
    with pytest.raises(UsageError, match=f"{tmp_path}/broken_fault.py:2: "):
        plugins.fault("broken", {})


def test_an_entry_point_that_is_no_fault_is_said(install):
    """The kind of mistake that a newcomer makes."""
    install("brownout.faults", cut="made_up:claims")
    with pytest.raises(UsageError, match="is no Fault with a kind"):
        plugins.fault("cut", {})


def test_claims_are_found_by_name(install):
    """A set of claims is whatever the entry point holds, and a slip gets a suggestion."""
    install("brownout.claims", **{"ftvr-l9z": "made_up:claims"})
    assert plugins.claims("ftvr-l9z") is sys.modules["made_up"].claims
    with pytest.raises(UsageError, match=r"among the claims(.|\n)*did you mean 'ftvr-l9z'"):
        plugins.claims("ftvr-l9")


def test_an_empty_group_is_said(install):
    """Where nothing is installed the hint names the group."""
    with pytest.raises(UsageError, match=r"entry-point group brownout\.reports"):
        plugins.load_plugin("brownout.reports", "html")


def test_experiments_are_the_files_of_their_packages(install, tmp_path, monkeypatch):
    """Every YAML file of a package's folder is an experiment, called as the file is; the folder needs no code."""
    (tmp_path / "made_up_plans").mkdir()
    for name in ("one.yaml", "two.yaml", "notes.txt"):
        (tmp_path / "made_up_plans" / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    install("brownout.experiments", plans="made_up_plans", gone="not_there_at_all", deeper="not_there.at_all")
    assert plugins.experiments() == {name: tmp_path / "made_up_plans" / f"{name}.yaml" for name in ("one", "two")}


def test_two_experiments_of_one_name_are_refused(install, tmp_path, monkeypatch):
    """A name means one file."""
    for package in ("plans_a", "plans_b"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "one.yaml").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    install("brownout.experiments", a="plans_a", b="plans_b")
    with pytest.raises(UsageError, match="two installed experiments are called 'one'"):
        plugins.experiments()
