"""What the bases of an image registry would bring, made from packages: each part is a file that is made once.

A part is made in a folder of its own beside its destination, and renamed into place when it is whole.
"""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.worlds.compose.image_names import TOXIPROXY_IMAGE
from brownout.harness.worlds.compose.images.programs import run
from brownout.harness.worlds.compose.images.sources import LOAD_LIST, SERVICE_LIST, digest, located
from brownout.harness.worlds.toxiproxy.install import Say, go_command, installer

SUITE = "bookworm"
PYTHON = "3.11"  # of that suite
BASE_PACKAGES = "python3,libsqlite3-0,libstdc++6,ca-certificates,dash,coreutils,tzdata"
_TOXIPROXY_MODULE = "github.com/Shopify/toxiproxy/v2/cmd"
TOXIPROXY_PARTS = ("toxiproxy-server", "toxiproxy-cli")
_IPTABLES_FILES = re.compile(r"/(xtables-nft-multi|iptables-nft|xtables/lib[^/]+\.so|lib(xtables|nftnl|mnl)\.so[^/]*)$")
_UNREAD = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts in `store`, of the package in `package`."""

    store: Path
    package: Path
    say: Say

    def make_all(self) -> Mapping[str, Path]:
        """Makes every part that is missing or made from something else; by name, all of them. Raises WorldError."""
        makers: tuple[Callable[[], None], ...] = (
            self.iptables,
            self.toxiproxy,
            lambda: self.python_packages(SERVICE_LIST),
            lambda: self.python_packages(LOAD_LIST),
        )
        with ThreadPoolExecutor(max_workers=2) as pool:
            for made in [pool.submit(maker) for maker in makers]:
                made.result()
        names = ("iptables.tar", *TOXIPROXY_PARTS, *(f"{Path(name).stem}.tar" for name in (SERVICE_LIST, LOAD_LIST)))
        return {name: self.store / name for name in names}

    def iptables(self) -> None:
        """The program and the libraries that it loads, without those of the base image."""
        stamp = digest((), folder=self.package, more=(SUITE, _IPTABLES_FILES.pattern))
        if self.is_made("iptables.tar", stamp):
            return
        with self._made("iptables.tar", stamp) as draft:
            whole = draft.with_name("whole.tar")
            debian("iptables", whole, without=("/usr/share/*",))
            with tarfile.open(whole) as source, tarfile.open(draft, "w") as kept:
                for member in source:
                    if _IPTABLES_FILES.search(member.name) and not member.isdir():
                        kept.addfile(member, source.extractfile(member) if member.isfile() else None)

    def python_packages(self, listed: str) -> None:
        """The locked packages of a list as a tar, for the interpreter of the base."""
        name, stamp = f"{Path(listed).stem}.tar", digest((listed,), folder=self.package, more=(PYTHON,))
        if self.is_made(name, stamp):
            return
        with self._made(name, stamp) as draft:
            site = draft.with_name("site")
            how = ["--python-version", PYTHON, "--only-binary", ":all:", "--no-deps", "--require-hashes"]
            run([*installer(), *how, "--target", site, "-r", located(listed, self.package)])
            with tarfile.open(draft, "w") as archive:
                for path in sorted(site.iterdir()):
                    archive.add(path, arcname=path.name)

    def toxiproxy(self) -> None:
        """The server and its command line client, linked so that they need no base at all."""
        missing = [name for name in TOXIPROXY_PARTS if not self.is_made(name, TOXIPROXY_IMAGE)]
        if not missing:
            return
        version = TOXIPROXY_IMAGE.rpartition(":")[2]
        with tempfile.TemporaryDirectory(dir=self.store) as folder:
            go, environment = go_command(Path(folder), self.say)
            flags = f"-ldflags=-s -w -X github.com/Shopify/toxiproxy/v2.Version={version}"
            for name in missing:
                program = name.removeprefix("toxiproxy-")
                command = [go, "install", flags, f"{_TOXIPROXY_MODULE}/{program}@v{version}"]
                run(command, env={"GOBIN": folder, "CGO_ENABLED": "0", **environment})
                self.put(Path(folder) / program, name, TOXIPROXY_IMAGE)

    def is_made(self, name: str, stamp: str) -> bool:
        """Whether a part exists and was made from the inputs that `stamp` digests."""
        noted = self._stamp(name)
        return (self.store / name).exists() and noted.exists() and noted.read_text(encoding="utf-8") == stamp

    def put(self, draft: Path, name: str, stamp: str) -> None:
        """Moves a finished file into the store, so that a partly written one never has its name there."""
        self._stamp(name).unlink(missing_ok=True)
        draft.replace(self.store / name)
        self._stamp(name).write_text(stamp, encoding="utf-8")

    def _stamp(self, name: str) -> Path:
        return self.store / f"{name}.stamp"

    @contextmanager
    def _made(self, name: str, stamp: str) -> Iterator[Path]:
        """Where to write a part; it is put into the store when the block ends well."""
        with tempfile.TemporaryDirectory(dir=self.store) as folder:
            draft = Path(folder) / name
            yield draft
            self.put(draft, name, stamp)


def debian(packages: str, target: Path, *, without: tuple[str, ...] = ()) -> None:
    """A tar of Debian packages, unpacked and nothing more."""
    excluded = [f"--dpkgopt=path-exclude={path}" for path in (*_UNREAD, *without)]
    run(["mmdebstrap", "--variant=extract", f"--include={packages}", *excluded, SUITE, target])
