"""`brownout images`: every image that a stack of containers needs, built or found up to date."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from brownout.harness.base.files import FileLock
from brownout.harness.base.statedir import images_dir
from brownout.harness.worlds.compose.image_names import TOXIPROXY_IMAGE
from brownout.harness.worlds.compose.images.parts import BASE_PACKAGES, SUITE, TOXIPROXY_PARTS, Parts, debian
from brownout.harness.worlds.compose.images.programs import ImageError, run
from brownout.harness.worlds.compose.images.sources import DOCKERFILE, PARTS, Image, digest, images, lay_out, package
from brownout.harness.worlds.toxiproxy.install import Say

BASE = f"brownout/base:{SUITE}"
DIGEST_LABEL = "brownout.made-from"
_TOXIPROXY_DOCKERFILE = "compose/Dockerfile.toxiproxy"
_OTHERS_PATIENCE_S = 1800.0


def build_images(*, offline: bool, say: Say) -> None:
    """Builds what is missing or made from something else; `say` gets a line for each that was built. Raises WorldError.

    `offline` uses no image registry. Calls that run at the same time take turns.
    """
    made_from(BASE)  # fails without an engine, before anything is downloaded
    store = images_dir()
    with FileLock(store / "lock") as lock:
        if not lock.take():
            say("other images are being built: waiting for them")
            lock.require(patience_s=_OTHERS_PATIENCE_S)
        with tempfile.TemporaryDirectory(prefix="build-", dir=store) as folder:
            builder = Builder(package(), Path(folder), say)
            if offline:
                builder.offline(Parts(store, builder.package, say))
            else:
                builder.online()
        remove_nameless()
    say("all images are there")


class Builder:
    """Builds the images of the package in `package`; the engine is given `folder`, which is filled when a build needs it."""

    def __init__(self, package: Path, folder: Path, say: Say) -> None:
        self.package = package
        self._folder = folder
        self._say = say
        self._parts: Mapping[str, Path] = {}
        self._is_laid_out = False

    def online(self) -> None:
        """All images from the registry's bases."""
        if not is_there(TOXIPROXY_IMAGE):
            run(["docker", "pull", "-q", TOXIPROXY_IMAGE])
        for image in images():
            self.build(image)

    def offline(self, parts: Parts) -> None:
        """All images from packages."""
        base()
        self._parts = parts.make_all()
        if not is_there(TOXIPROXY_IMAGE):  # its name has its version
            self.build_toxiproxy()
        for image in images():
            self.build(image, base_image=BASE)

    def build(self, image: Image, *, base_image: str = "") -> None:
        """One image from the Dockerfile, unless it is up to date."""
        arguments = (*image.arguments, *([f"BASE={base_image}"] if base_image else []))
        made = digest((DOCKERFILE, *image.sources), folder=self.package, more=(*arguments, _base_digest()))
        if made_from(image.name) != made:
            self._run_build(image.name, DOCKERFILE, made, "--target", image.target, *_options("--build-arg", arguments))

    def build_toxiproxy(self) -> None:
        """Toxiproxy's image as its own registry has it, from binaries that Go's client built."""
        assert set(TOXIPROXY_PARTS) <= set(self._parts), f"{PARTS} has what the image is made from"
        self._run_build(TOXIPROXY_IMAGE, _TOXIPROXY_DOCKERFILE, TOXIPROXY_IMAGE)

    def _run_build(self, name: str, dockerfile: str, made: str, *more: str) -> None:
        if not self._is_laid_out:
            lay_out(self._folder, folder=self.package, parts=self._parts)
            self._is_laid_out = True
        started_s = time.monotonic()
        how = [*more, "--label", f"{DIGEST_LABEL}={made}", "-t", name]
        # The classic builder: BuildKit is a plug-in that not every machine has, and nothing here needs it.
        run(
            ["docker", "build", "-q", "--force-rm", "-f", self._folder / dockerfile, *how, self._folder],
            env={"DOCKER_BUILDKIT": "0"},
        )
        self._say(f"{name} ({time.monotonic() - started_s:.0f} s)")


def made_from(image: str) -> str:
    """The digest that an image carries; empty when there is no such image. Raises ImageError without an engine."""
    template = '{{index .Config.Labels "' + DIGEST_LABEL + '"}}'
    try:
        return run(["docker", "image", "inspect", "-f", template, image]).strip()
    except ImageError as failed:
        if "no such image" in failed.message.lower():
            return ""
        raise


def is_there(image: str) -> bool:
    """Whether the engine has an image of that name; raises ImageError."""
    return run(["docker", "image", "ls", "--quiet", image]) != ""


def base() -> None:
    """The base image, which stands in for python:slim."""
    label = _base_digest()
    if made_from(BASE) == label:
        return
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "base.tar"
        debian(BASE_PACKAGES, tar, without=("/usr/share/zoneinfo/*",))
        run(["docker", "import", "--change", f"LABEL {DIGEST_LABEL}={label}", tar, BASE])


def remove_nameless() -> None:
    """Removes images of ours that a newer one has taken the name from, unless a container uses them."""
    run(["docker", "image", "prune", "--force", "--filter", f"label={DIGEST_LABEL}"])


def _base_digest() -> str:
    return digest((), folder=package(), more=(SUITE, BASE_PACKAGES))


def _options(name: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (name, value)]
