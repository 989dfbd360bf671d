"""What is built in which order, and what is not built again. The engine is a stand-in that notes what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from brownout.harness.base.files import FileLock
from brownout.harness.base.statedir import images_dir
from brownout.harness.worlds.compose.image_names import TOXIPROXY_IMAGE
from brownout.harness.worlds.compose.images import build
from brownout.harness.worlds.compose.images.build import build_images, remove_nameless
from brownout.harness.worlds.compose.images.programs import ImageError
from brownout.harness.worlds.compose.images.sources import DOCKERFILE, images
from support.brownout_command import invoke


class Engine:
    """Images by name with the digest that each carries; `folders` are the files that a build was given, at the time."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {TOXIPROXY_IMAGE: ""}
        self.built: list[str] = []
        self.pulled: list[str] = []
        self.pruned: list[list[str]] = []

    def run(self, command: Sequence[str | Path], **_: object) -> str:
        words = [str(word) for word in command]
        match words[1:3]:
            case ["image", "inspect"]:
                if words[-1] not in self.images:
                    raise ImageError(f"Error: No such image: {words[-1]}")
                return self.images[words[-1]] + "\n"
            case ["image", "ls"]:
                return "an id" if words[-1] in self.images else ""
            case ["image", "prune"]:
                self.pruned.append(words)
                return ""
            case ["pull", _]:
                self.pulled.append(words[-1])
                return ""
        assert words[1] == "build"
        assert (Path(words[-1]) / DOCKERFILE).is_file()
        name = words[words.index("-t") + 1]
        self.built.append(name)
        self.images[name] = words[words.index("--label") + 1].partition("=")[2]
        return ""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    made = Engine()
    monkeypatch.setattr(build, "run", made.run)
    return made


def test_every_image_is_built_once(engine: Engine) -> None:
    """All of them at first, none the second time, and one again when what it carries is of something else."""
    told: list[str] = []
    build_images(offline=False, say=told.append)
    names = [image.name for image in images()]
    assert engine.built == names
    assert told[-1] == "all images are there"
    build_images(offline=False, say=told.append)
    assert engine.built == names
    engine.images[names[0]] = "of an earlier version"
    build_images(offline=False, say=told.append)
    assert engine.built == [*names, names[0]]
    assert engine.pulled == []


def test_toxiproxys_image_is_pulled_where_it_is_not_there(engine: Engine) -> None:
    """With an image registry it is the one that its makers publish."""
    del engine.images[TOXIPROXY_IMAGE]
    build_images(offline=False, say=lambda _: None)
    assert engine.pulled == [TOXIPROXY_IMAGE]


def test_nothing_is_left_beside_the_parts(engine: Engine) -> None:
    """The folder that the engine is given ends with the build."""
    build_images(offline=False, say=lambda _: None)
    assert [path.name for path in images_dir().iterdir()] == ["lock"]


def test_builds_at_the_same_time_take_turns(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that meets another says so and waits; when its patience ends it says who holds the lock."""
    monkeypatch.setattr(build, "_OTHERS_PATIENCE_S", 0.01)
    told: list[str] = []
    with FileLock(images_dir() / "lock") as other:
        other.require(patience_s=0.0)
        with pytest.raises(Exception, match="lock"):
            build_images(offline=False, say=told.append)
    assert told == ["other images are being built: waiting for them"]
    assert engine.built == []


def test_without_an_engine_nothing_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine is asked before anything is downloaded; the command ends with one message and 4."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    told = invoke("images", "--offline")
    assert told.exit_code == 4
    assert "docker is not installed\n  -> install Docker" in told.stderr
    assert not (tmp_path / "home" / "images").exists()


def test_only_nameless_images_of_ours_are_removed(engine: Engine) -> None:
    """The engine removes what has no name any more and carries our label; it never touches what a container uses."""
    remove_nameless()
    assert engine.pruned == [["docker", "image", "prune", "--force", "--filter", "label=brownout.made-from"]]
