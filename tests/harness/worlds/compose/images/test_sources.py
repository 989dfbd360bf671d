"""What the images are made from, and the folder that the engine is given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from brownout.harness.worlds.compose import stack as compose_stack
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE, TOXIPROXY_IMAGE
from brownout.harness.worlds.compose.images import sources
from brownout.harness.worlds.compose.images.sources import DOCKERFILE, PARTS, Image, digest, images, lay_out, located, package
from brownout.harness.worlds.compose.layout import OLD_BUILDS
from support.places import ROOT


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A package as a wheel installs it: files and no links. It has some of each of its folders."""
    folder = tmp_path / "site packages" / "brownout"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "src" / "brownout" / "__init__.py", folder)
    for name in ("compose", "identity/core", "harness/judge", "suites/load"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("dist", "__pycache__"))
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {image.target: digest((DOCKERFILE, *image.sources), folder=folder) for image in images()}


def test_the_images_are_those_that_a_stack_needs() -> None:
    """Every image that `up` looks for is built, the old builds too, under the names that the world uses."""
    names = [image.name for image in images()]
    assert {*names, TOXIPROXY_IMAGE} >= set(compose_stack.wanted_images())
    assert [name for name in names if "-build" in name] == [f"{IDENTITY_IMAGE}-build{build}" for build in OLD_BUILDS]


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("identity/core/new.py", {"identity", "load"}),
        ("harness/judge/verdict.py", {"identity", "load"}),
        ("suites/load/locustfile.py", {"load"}),
        ("suites/load/web/new.js", {"load"}),
        ("compose/service.txt", {"identity"}),
        ("compose/load-image.txt", {"load"}),
        ("__init__.py", {"identity", "load"}),
        ("compose/firewall.py", {"firewall"}),
        ("compose/Dockerfile", {"identity", "firewall", "load"}),
        ("compose/compose.yaml", set()),
        ("identity/core/__pycache__/signing.pyc", set()),
    ],
)
def test_what_is_changed_is_built_anew(installed: Path, changed: str, rebuilt: set[str]) -> None:
    """A change to any file that goes into an image changes its digest, and no other does."""
    before = digests(installed)
    path = installed / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something else")
    after = digests(installed)
    assert {target for target in before if before[target] != after[target]} == rebuilt


def test_a_checkout_and_a_wheel_of_it_give_one_digest(tmp_path: Path) -> None:
    """Links and files count alike, so an image that the one has built is up to date for the other."""
    for source in ("identity/core", "compose"):
        shutil.copytree(ROOT / source, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
        assert digest((source,), folder=tmp_path) == digest((source,), folder=package())


def test_every_file_that_the_dockerfile_copies_is_laid_out_and_counts(installed: Path, tmp_path: Path) -> None:
    """What it copies is in the folder that the engine gets, and part of some image's digest."""
    lay_out(tmp_path / "build", folder=installed, parts={})
    dockerfile = (tmp_path / "build" / DOCKERFILE).read_text(encoding="utf-8")
    copied = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line]
    names = {name for line in copied for name in line if not name.startswith(PARTS)}
    assert names
    assert [name for name in names if not (tmp_path / "build" / name).exists()] == []
    assert names <= {source for image in images() for source in image.sources}


def test_the_folder_of_a_build_has_what_is_digested_and_nothing_made_by_running(installed: Path, tmp_path: Path) -> None:
    """No bytecode and no earlier parts; parts that were made come in by name."""
    (installed / "identity" / "core" / "__pycache__").mkdir()
    (installed / "compose" / "dist").mkdir()
    (installed / "compose" / "dist" / "service.tar").write_text("of an earlier build")
    (tmp_path / "made.tar").write_text("made")
    target = tmp_path / "build"
    lay_out(target, folder=installed, parts={"service.tar": tmp_path / "made.tar"})
    assert list(target.rglob("__pycache__")) == []
    assert [path.name for path in (target / PARTS).iterdir()] == ["service.tar"]
    assert (target / PARTS / "service.tar").read_text() == "made"
    assert (target / "src" / "brownout" / "__init__.py").read_bytes() == (installed / "__init__.py").read_bytes()


def test_every_source_of_an_image_is_in_the_package() -> None:
    """A source with a wrong name would count for nothing in a digest."""
    for image in images():
        assert isinstance(image, Image)
        assert [name for name in (DOCKERFILE, *image.sources) if not located(name, sources.package()).exists()] == []
