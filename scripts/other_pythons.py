"""Runs a part of the fast tests on newer Pythons than .venv has: `python scripts/other_pythons.py [VERSION ...]`.

Each Python is Debian's own: its packages, unpacked (mmdebstrap), are an image of the container engine that is made once. The
file that it is imported from is kept in the user's cache, so that an engine that starts empty costs no download. The packages
are those of the lock, installed from outside for that version into a virtual environment below .cache. The checkout is mounted
read-only. Standard library only; .venv has the installer.

The tests are those that a new Python breaks first: what event loops, forks, SQLite, annotations and pytest's own machinery do.
Those on stacks of real processes, and those that a busy machine fails, are left to .venv's Python.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
LOCK = ROOT / "requirements" / "lock.txt"
DEBIAN = {"3.13": "trixie", "3.14": "forky"}  # the release whose python3 is that version
PACKAGES = "python3,libsqlite3-0,libstdc++6,ca-certificates,dash,coreutils,tzdata,media-types,base-files"
UNREAD = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
REPOSITORY = "brownout-tests/python"
TESTS = (
    "tests/harness/base/resources",
    "tests/harness/base/test_files.py",
    "tests/harness/base/test_interrupts.py",
    "tests/harness/base/test_models.py",
    "tests/harness/base/test_ports.py",
    "tests/harness/base/test_processes.py",
    "tests/harness/base/test_statedir.py",
    "tests/harness/cli/test_ci.py",
    "tests/harness/injection/test_ledger.py",
    "tests/harness/injection/test_ledger_file.py",
    "tests/harness/injection/test_lifecycle.py",
    "tests/harness/injection/test_recovery.py",
    "tests/harness/injection/test_standing.py",
    "tests/harness/pytest_plugin/test_plugin.py",
    "tests/harness/pytest_plugin/test_runs.py",
    "tests/harness/run/test_conductor.py",
    "tests/harness/run/test_controls.py",
    "tests/harness/run/test_simulated.py",
    "tests/identity/server/test_clock.py",
    "tests/identity/server/test_files.py",
    "tests/identity/server/test_http_client.py",
    "tests/identity/server/test_http_protocol.py",
    "tests/identity/server/test_signing.py",
)
SELECTED = "not slow and not docker"


class OtherPythonError(Exception):
    """A Python could not be made ready; carries what and what to do."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem}\n  -> {hint}")


@dataclass(frozen=True, slots=True)
class OtherPython:
    """One version: its image, and its virtual environment with the locked packages and this checkout."""

    version: str

    @property
    def image(self) -> str:
        wanted = "\0".join((self.version, DEBIAN[self.version], PACKAGES, *UNREAD))
        return f"{REPOSITORY}:{self.version}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"

    @property
    def folder(self) -> Path:
        return ROOT / ".cache" / "pythons" / self.version

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def make_ready(self) -> None:
        """Makes what is missing of it. Raises OtherPythonError."""
        self.make_image()
        self.make_environment()
        told = run([*self.in_container(), str(self.python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        if told.strip() != self.version:
            raise OtherPythonError(
                f"Debian's {DEBIAN[self.version]} has Python {told.strip()} by now and not {self.version}",
                "give scripts/other_pythons.py the release that has it",
            )

    def make_image(self) -> None:
        if run(["docker", "image", "ls", "--quiet", self.image]).strip():
            return
        kept = cache_folder() / f"{self.image.rpartition(':')[2]}.tar"
        if not kept.exists():
            unpack_debian(DEBIAN[self.version], kept)
        run(["docker", "import", str(kept), self.image])

    def make_environment(self) -> None:
        """A virtual environment whose interpreter is the image's: it does not run here, so it is laid out by hand."""
        stamp, wanted = self.folder / "packages", hashlib.sha256(LOCK.read_bytes()).hexdigest()
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.python.parent.mkdir(parents=True)
            self.python.symlink_to(f"/usr/bin/python{self.version}")
            (self.folder / "bytecode").mkdir()
            (self.folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {self.version}\n")
            self.install("--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(LOCK))
            stamp.write_text(wanted)
        self.install("--no-deps", "--no-build-isolation", "--reinstall", "--editable", str(ROOT))
        command = self.python.with_name("brownout")
        command.write_text(f"#!{self.python}\nimport sys\nfrom brownout.harness.cli import main\nsys.exit(main())\n")
        command.chmod(0o755)

    def install(self, *what: str) -> None:
        site = self.folder / "lib" / f"python{self.version}" / "site-packages"
        here = ("--python", str(ROOT / ".venv" / "bin" / "python"))  # builds the checkout's metadata; runs nothing else
        run([str(UV), "pip", "install", "--quiet", *here, "--target", str(site), "--python-version", self.version, *what])

    def in_container(self) -> list[str]:
        """The words before a command that is to run on it, as this user and without a network."""
        home = ["--env", "HOME=/tmp", "--env", "HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis"]
        user = ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "USER=tests"]
        place = ["--volume", f"{ROOT}:{ROOT}:ro", "--workdir", str(ROOT), "--network", "none"]
        # Without bytecode each of some hundred processes would compile all that it imports.
        bytecode = ["--volume", f"{self.folder / 'bytecode'}:/bytecode", "--env", "PYTHONPYCACHEPREFIX=/bytecode"]
        return ["docker", "run", "--rm", "--init", *place, *bytecode, *user, *home, self.image]

    def test(self, tests: tuple[str, ...]) -> bool:
        """Whether the tests pass on it; they print what they print."""
        command = [str(self.python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", SELECTED, *tests]
        done = subprocess.run([*self.in_container(), *command], capture_output=True, text=True, check=False)
        sys.stdout.write(f"Python {self.version}:\n{done.stdout}{done.stderr}")
        sys.stdout.flush()
        return done.returncode == 0


def cache_folder() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brownout" / "pythons"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def unpack_debian(release: str, target: Path) -> None:
    """A tar of that release's packages, unpacked and nothing more. A mirror may serve a snapshot, whose lists have expired."""
    print(f"pythons: Debian's {release} (a minute)", flush=True)  # noqa: T201 - it takes a while
    excluded = [f"--dpkgopt=path-exclude={path}" for path in UNREAD]
    how = ["--variant=extract", f"--include={PACKAGES}", '--aptopt=Acquire::Check-Valid-Until "false"', *excluded]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        draft = Path(folder) / target.name
        run(["mmdebstrap", *how, release, str(draft)])
        draft.replace(target)


def run(command: list[str]) -> str:
    """What a program printed; raises OtherPythonError with its last lines."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError as missing:
        raise OtherPythonError(f"{command[0]} is not installed", "it takes Docker, `make setup` and `mmdebstrap`") from missing
    if done.returncode != 0:
        last = "\n".join((done.stderr + done.stdout).strip().splitlines()[-15:])
        raise OtherPythonError(f"{' '.join(command[:4])} failed:\n{last}", "check the network and the container engine")
    return done.stdout


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Runs a part of the fast tests on newer Pythons, in containers.")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help=f"of {', '.join(DEBIAN)} (default: all)")
    asked = parser.parse_args(arguments)
    unknown = set(asked.versions) - DEBIAN.keys()
    if unknown:
        parser.error(f"no Python {', '.join(sorted(unknown))} is known here; there are {', '.join(DEBIAN)}")
    pythons = [OtherPython(version) for version in asked.versions or DEBIAN]
    try:
        with ThreadPoolExecutor(max_workers=len(pythons)) as pool:
            for ready in [pool.submit(python.make_ready) for python in pythons]:
                ready.result()
    except OtherPythonError as failed:
        sys.stderr.write(f"pythons: {failed}\n")
        return 1
    passed = [python.test(TESTS) for python in pythons]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
