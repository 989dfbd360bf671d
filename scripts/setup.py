"""Makes .venv from the hashed lock, installs Brownout into it, and gets the Toxiproxy server. Standard library only.

Each stage leaves a stamp with a digest of its inputs and is skipped while the stamp fits: a second run ends at once, and a
change of pyproject.toml needs no network. A step that fails gives one message and a hint.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
PACKAGES = ("requirements/lock.txt", "requirements/uv.txt")
VERSION = "src/brownout/__init__.py"
ALL = (*PACKAGES, "pyproject.toml", VERSION, "harness/worlds/toxiproxy/install.py", "scripts/setup.py")
NETWORK_HINT = "check the network (and a proxy's or index's settings), then run `make setup` again"


class SetupError(Exception):
    """A step failed; carries what and what to do."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(f"{problem}\n  -> {hint}")


def main() -> int:
    try:
        if is_done("setup", ALL):
            return 0
        make_venv()
        if not is_done("packages", PACKAGES):
            install_packages()
            done("packages", PACKAGES)
        install_brownout()
        if not get_toxiproxy():
            return 1
        done("setup", ALL)
        say("ready: .venv/bin/brownout")
    except SetupError as failed:
        sys.stderr.write(f"setup failed: {failed}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("setup interrupted; run it again to go on\n")
        return 130
    return 0


def stamp(stage: str) -> Path:
    return VENV / f"brownout-{stage}"


def is_done(stage: str, inputs: tuple[str, ...]) -> bool:
    return stamp(stage).is_file() and stamp(stage).read_text() == digest(inputs)


def done(stage: str, inputs: tuple[str, ...]) -> None:
    stamp(stage).write_text(digest(inputs))


def digest(inputs: tuple[str, ...]) -> str:
    """Of the inputs, of where the checkout is (scripts in .venv name it) and of the Python that .venv was made with."""
    parts = [str(ROOT).encode(), str(VENV_PYTHON.resolve()).encode()]
    parts += [(ROOT / name).read_bytes() for name in inputs]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def say(text: str) -> None:
    sys.stdout.write(f"setup: {text}\n")
    sys.stdout.flush()


def make_venv() -> None:
    """Makes .venv where it is missing or its Python does not run; pip is not needed inside, so ensurepip neither."""
    if works(VENV_PYTHON):
        return
    say(f"virtual environment with Python {sys.version.split()[0]}")
    try:
        venv.create(VENV, clear=VENV.exists(), symlinks=True, with_pip=False)
    except (OSError, subprocess.CalledProcessError) as failed:
        raise SetupError(f"the virtual environment could not be made: {failed}", "is the checkout writable?") from failed


def works(python: Path) -> bool:
    """Whether it runs, is new enough, and belongs to this place (a moved checkout's scripts point elsewhere)."""
    code = "import sys; print(sys.prefix if sys.version_info >= (3, 11) else '')"
    try:
        said = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return False
    scripts = VENV / "bin" / "brownout"
    here = not scripts.exists() or str(VENV) in scripts.read_text(errors="replace")
    return said.stdout.strip() == str(VENV) and here


def install_packages() -> None:
    say("packages from the lock (a minute where nothing is cached)")
    lock = str(ROOT / "requirements" / "lock.txt")
    sync = ["pip", "sync", "--quiet", "--compile-bytecode", "--python", str(VENV_PYTHON), "--require-hashes", lock]
    run([find_uv(), *sync], "packages could not be installed", NETWORK_HINT)


def install_brownout() -> None:
    say("Brownout")
    install = ["pip", "install", "--quiet", "--python", str(VENV_PYTHON), "--no-deps", "--no-build-isolation"]
    hint = "is pyproject.toml sound? `make clean setup` starts afresh"
    run([find_uv(), *install, "--editable", str(ROOT)], "Brownout could not be installed", hint)
    # Where Python may not write bytecode, every process would compile all that it imports: Locust then takes twice as long.
    compiling = [str(VENV_PYTHON), "-m", "compileall", "-q", *map(str, package_folders())]
    run(compiling, "compiling failed", hint)


def package_folders() -> list[Path]:
    """Every folder of the package, each by itself: compileall does not follow the links below a folder."""
    package = ROOT / "src" / "brownout"
    return [package, *sorted(path for path in package.iterdir() if path.is_symlink())]


def find_uv() -> str:
    """The uv of .venv, the machine's, or a pinned one that pip installs into .venv."""
    inside = VENV / "bin" / "uv"
    for candidate in (str(inside), shutil.which("uv")):
        if candidate and runs([candidate, "--version"]):
            return candidate
    say("uv")
    wanted = ["install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements" / "uv.txt")]
    run([*find_pip(), *wanted], "uv could not be installed", NETWORK_HINT)
    return str(inside)


def find_pip() -> list[str]:
    """A pip that installs into .venv: the running Python's, or one put into .venv."""
    outside = [sys.executable, "-m", "pip", "--python", str(VENV_PYTHON)]
    if runs([*outside, "--version"]):
        return outside
    inside = [str(VENV_PYTHON), "-m", "pip"]
    if runs([*inside, "--version"]) or runs([str(VENV_PYTHON), "-m", "ensurepip"]):
        return inside
    raise SetupError("this Python has no pip", "install uv, or your system's python3-venv package, then run it again")


def get_toxiproxy() -> bool:
    """Whether it is installed now; the installer has printed why not."""
    say("Toxiproxy")
    return (
        subprocess.run([str(VENV / "bin" / "brownout"), "setup"], cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode
        == 0
    )


def runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=300).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(command: list[str], problem: str, hint: str) -> None:
    """Runs a step; raises SetupError with the last line of its error output, which names the cause."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL)
    except OSError as failed:
        raise SetupError(f"{problem}: {failed}", hint) from failed
    if ended.returncode != 0:
        said = [line.strip() for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        raise SetupError(f"{problem}: {said[-1].removeprefix('cause: ') if said else 'no reason given'}", hint)


if __name__ == "__main__":
    raise SystemExit(main())
