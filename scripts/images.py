"""Builds the images of the compose world. `make images-offline` needs no image registry, `make images` does.

Offline, the base comes from Debian's packages (mmdebstrap, `docker import`), Python packages through uv from the locked
list, Toxiproxy from Go's client; then both ways run the same Dockerfile and give images of the same names. Every image,
and every file that goes into one, carries a digest of its inputs; what is up to date is not built again. Images of ours
whose name a newer one has taken are removed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.worlds.compose.image_names import (
    FIREWALL_IMAGE,
    IDENTITY_IMAGE,
    LOAD_IMAGE,
    TOXIPROXY_IMAGE,
    identity_image,
)
from brownout.harness.worlds.compose.layout import OLD_BUILDS

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "compose" / "dist"
PACKAGE = "src/brownout/__init__.py"
SUITE = "bookworm"
BASE = f"brownout/base:{SUITE}"
BASE_PACKAGES = "python3,libsqlite3-0,libstdc++6,ca-certificates,dash,coreutils,tzdata"
TOXIPROXY_MODULE = "github.com/Shopify/toxiproxy/v2/cmd"
IPTABLES_FILES = re.compile(r"/(xtables-nft-multi|iptables-nft|xtables/lib[^/]+\.so|lib(xtables|nftnl|mnl)\.so[^/]*)$")
DIGEST_LABEL = "brownout.made-from"
COMMON = ("compose/Dockerfile", ".dockerignore")
SERVICE = ("requirements/service.txt", PACKAGE, "identity", "harness")
FIREWALL = ("compose/firewall.py",)
LOAD = ("requirements/load-image.txt", PACKAGE, "identity", "harness", "suites")
NOT_COPIED = ("__pycache__",)  # as in .dockerignore
LABEL_FILTER = f"label={DIGEST_LABEL}"
_HINTS = (  # pattern in a program's output, and what to do about it
    (r"no space left on device", "free disk space (`docker system df` lists what takes it)"),
    (
        r"cannot connect to the docker daemon|docker daemon running|permission denied.*docker",
        "start the engine, or join the group docker; `brownout doctor --world compose` looks at it",
    ),
    (
        r"could not resolve|temporary failure|name resolution|no such host|unreachable|connection refused|timed? ?out",
        "check the network and its proxy's settings, then run it again: what is done is kept",
    ),
)
_INSTALL = {
    "docker": "install Docker 20.10 or newer",
    "uv": "`make setup` installs it",
    "mmdebstrap": "`apt-get install mmdebstrap`, or `make images` where an image registry can be reached",
}


class ImageError(Exception):
    """An image cannot be built; the message ends with what to do."""


@dataclass(frozen=True)
class Image:
    """One image: its name, the stage of the Dockerfile that it is, what goes into it, and arguments of the build."""

    name: str
    target: str
    sources: tuple[str, ...]
    arguments: tuple[str, ...] = ()


def images() -> tuple[Image, ...]:
    """Every image of ours, in the order in which they are built."""
    return (
        Image(IDENTITY_IMAGE, "identity", SERVICE),
        *(Image(identity_image(build), "identity", SERVICE, (f"IMAGE_BUILD={build}",)) for build in OLD_BUILDS),
        Image(FIREWALL_IMAGE, "firewall", FIREWALL),
        Image(LOAD_IMAGE, "load", LOAD),
    )


def say(text: str) -> None:
    print(f"images: {text}", flush=True)  # noqa: T201 - what is built is told


def run(command: Sequence[str | Path], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Runs a program and returns what it printed; raises ImageError with its last lines."""
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    except FileNotFoundError as missing:
        program = Path(command[0]).name
        raise ImageError(f"{program} is not installed\n  -> {_INSTALL.get(program, 'install it')}") from missing
    if done.returncode != 0:
        raise ImageError(trouble(" ".join(map(str, command[:4])), done.stdout + done.stderr))
    return done.stdout


def trouble(command: str, said: str) -> str:
    """The message for a command that failed: the last 15 lines of its output, and what to do where that is known."""
    last = "\n".join(said.strip().splitlines()[-15:])
    fix = next((hint for pattern, hint in _HINTS if re.search(pattern, said, re.IGNORECASE)), "")
    return f"{command} failed:\n{last}" + (f"\n  -> {fix}" if fix else "")


def digest(*sources: str, more: Sequence[str] = ()) -> str:
    """A digest of every file that an image is made from, and of what else decides its content."""
    found = hashlib.sha256("\0".join(more).encode())
    for path in sorted(path for name in sources for path in files(ROOT / name)):
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def files(path: Path) -> list[Path]:
    """The file, or every file below the folder that a build copies."""
    if path.is_file():
        return [path]
    return [each for each in path.rglob("*") if each.is_file() and not set(NOT_COPIED) & set(each.parts)]


def made_from(image: str) -> str:
    """The digest that an image carries; empty when there is no such image. Raises ImageError without an engine."""
    template = '{{index .Config.Labels "' + DIGEST_LABEL + '"}}'
    try:
        return run(["docker", "image", "inspect", "-f", template, image]).strip()
    except ImageError as failed:
        if "no such image" in str(failed).lower():
            return ""
        raise


def is_there(image: str) -> bool:
    return run(["docker", "image", "ls", "--quiet", image]) != ""


def debian(packages: str, target: Path, *, without: str = "") -> None:
    """A tar of Debian packages, unpacked and nothing more."""
    excluded = [f"--dpkgopt=path-exclude={path}" for path in ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")]
    excluded += [f"--dpkgopt=path-exclude={path}" for path in without.split()]
    run(["mmdebstrap", "--variant=extract", f"--include={packages}", *excluded, SUITE, target])


def base_digest() -> str:
    return digest(more=(SUITE, BASE_PACKAGES))


def base() -> None:
    """The base image, which stands in for python:slim."""
    label = base_digest()
    if made_from(BASE) == label:
        return
    with tempfile.TemporaryDirectory() as folder:
        tar = Path(folder) / "base.tar"
        debian(BASE_PACKAGES, tar, without="/usr/share/zoneinfo/*")
        run(["docker", "import", "--change", f"LABEL {DIGEST_LABEL}={label}", tar, BASE])


def is_made(name: str, stamp: str) -> bool:
    """Whether a file in DIST exists and was made from the inputs that `stamp` digests."""
    noted = DIST / f"{name}.stamp"
    return (DIST / name).exists() and noted.exists() and noted.read_text(encoding="utf-8") == stamp


def put(draft: Path, name: str, stamp: str) -> None:
    """Moves a finished file into DIST, so that a partly written one never has its name there."""
    (DIST / f"{name}.stamp").unlink(missing_ok=True)
    draft.replace(DIST / name)
    (DIST / f"{name}.stamp").write_text(stamp, encoding="utf-8")


def iptables() -> None:
    """The program and the libraries that it loads, without those of the base image."""
    stamp = digest(more=(SUITE, IPTABLES_FILES.pattern))
    if is_made("iptables.tar", stamp):
        return
    with tempfile.TemporaryDirectory(dir=DIST) as folder:
        whole, draft = Path(folder) / "whole.tar", Path(folder) / "iptables.tar"
        debian("iptables", whole, without="/usr/share/*")
        with tarfile.open(whole) as source, tarfile.open(draft, "w") as kept:
            for member in source:
                if IPTABLES_FILES.search(member.name) and not member.isdir():
                    kept.addfile(member, source.extractfile(member) if member.isfile() else None)
        put(draft, "iptables.tar", stamp)


def python_packages(name: str) -> None:
    """The locked packages of requirements/NAME.txt as a tar, for the interpreter of the base."""
    lock = ROOT / "requirements" / f"{name}.txt"
    stamp = digest(f"requirements/{name}.txt")
    if is_made(f"{name}.tar", stamp):
        return
    uv = ROOT / ".venv" / "bin" / "uv"
    with tempfile.TemporaryDirectory(dir=DIST) as folder:
        site, draft = Path(folder) / "site", Path(folder) / "draft.tar"
        command = [uv if uv.exists() else "uv", "pip", "install", "--quiet", "--target", site, "--require-hashes"]
        run([*command, "--python-version", "3.11", "--only-binary", ":all:", "-r", lock])
        with tarfile.open(draft, "w") as archive:
            for path in sorted(site.iterdir()):
                archive.add(path, arcname=path.name)
        put(draft, f"{name}.tar", stamp)


def toxiproxy() -> None:
    """The server and its command line client, linked so that they need no base at all."""
    missing = [part for part in ("server", "cli") if not is_made(f"toxiproxy-{part}", TOXIPROXY_IMAGE)]
    if not missing:
        return
    version = TOXIPROXY_IMAGE.rpartition(":")[2]
    with tempfile.TemporaryDirectory(dir=DIST) as folder:
        go, environment = find_go(Path(folder))
        for part in missing:
            flags = f"-s -w -X github.com/Shopify/toxiproxy/v2.Version={version}"
            wanted = [go, "install", f"-ldflags={flags}", f"{TOXIPROXY_MODULE}/{part}@v{version}"]
            run(wanted, env={"GOBIN": folder, "CGO_ENABLED": "0", **environment})
            put(Path(folder) / part, f"toxiproxy-{part}", TOXIPROXY_IMAGE)


def find_go(folder: Path) -> tuple[str, Mapping[str, str]]:
    """Go's client as set-up finds it: the machine's, or that of a package, put into `folder`. Raises ImageError."""
    try:
        from brownout.harness.errors import BrownoutError
        from brownout.harness.worlds.toxiproxy.install import go_command
    except ImportError as missing:
        raise ImageError(f"{missing.name} is not installed\n  -> `make images-offline` runs this as it should be") from missing
    try:
        return go_command(folder, say)
    except BrownoutError as failed:
        raise ImageError(str(failed)) from failed


def build(image: Image, *, base_image: str = "") -> None:
    """One image from the Dockerfile, unless it is up to date."""
    arguments = (*image.arguments, *([f"BASE={base_image}"] if base_image else []))
    made = digest(*COMMON, *image.sources, more=(*arguments, base_digest()))
    if made_from(image.name) != made:
        docker_build(image.name, "Dockerfile", made, "--target", image.target, *options("--build-arg", arguments))


def docker_build(name: str, file: str, made: str, *more: str) -> None:
    started_s = time.monotonic()
    label = f"{DIGEST_LABEL}={made}"
    # The classic builder: BuildKit is a plug-in that not every machine has, and nothing here needs it.
    run(
        ["docker", "build", "-q", "--force-rm", "-f", f"compose/{file}", *more, "--label", label, "-t", name, "."],
        env={"DOCKER_BUILDKIT": "0"},
    )
    say(f"{name} ({time.monotonic() - started_s:.0f} s)")


def options(name: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (name, value)]


def offline() -> None:
    """All images from packages."""
    made_from(BASE)  # fails without an engine, before anything is downloaded
    DIST.mkdir(exist_ok=True)
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
    if not is_there(TOXIPROXY_IMAGE):  # its name has its version
        docker_build(TOXIPROXY_IMAGE, "Dockerfile.toxiproxy", TOXIPROXY_IMAGE)
    for image in images():
        build(image, base_image=BASE)


def online() -> None:
    """All images from the registry's bases."""
    for packed in DIST.glob("*.tar"):  # a build would use these, up to date or not
        packed.unlink()
    if not is_there(TOXIPROXY_IMAGE):
        run(["docker", "pull", "-q", TOXIPROXY_IMAGE])
    for image in images():
        build(image)


def remove_nameless() -> None:
    """Removes images of ours that a newer one has taken the name from, unless a container uses them."""
    run(["docker", "image", "prune", "--force", "--filter", LABEL_FILTER])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--offline", action="store_true", help="use no image registry")
    chosen = parser.parse_args()
    try:
        offline() if chosen.offline else online()
        remove_nameless()
        say("all are there")
    except ImageError as failed:
        print(f"images: {failed}", file=sys.stderr)  # noqa: T201 - so is what went wrong
        return 1
    except KeyboardInterrupt:
        print("images: interrupted; run it again to go on", file=sys.stderr)  # noqa: T201 - and so is this
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
