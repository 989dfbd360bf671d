"""The wheel works where a project has packages named harness, faults, identity, suites, reports and compose."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from subprocess import CompletedProcess

import pytest

import brownout
from support.docs_pages import DOCS, blocks
from support.installed_wheel import FOLDERS, Project, build, clone, make_project, unpack
from support.plugin_project import EXPERIMENT

pytestmark = pytest.mark.slow

THEIR_TEST = """
def test_theirs(brownout):
    run = brownout.run("breached.yaml").expect("breach")
    assert run.slo("tokens").bad > 0
"""
TYPED = """
from brownout.harness import api
from brownout.identity.core.topology import StackSpec

reveal_type(api.run)
StackSpec(seed="one")
"""


@dataclass(frozen=True, slots=True)
class Built:
    """What a checkout at a path with spaces is built into."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    checkout = clone(folder / "a clone with spaces")
    return Built(build(checkout, folder / "wheel", "wheel"), build(checkout, folder / "sdist", "sdist"))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project beside an environment that has the wheel; its own packages refuse to be imported."""
    made = make_project(tmp_path_factory.mktemp("theirs"), built.wheel)
    (made.folder / "breached.yaml").write_text(EXPERIMENT.format(name="breached", rate_per_s=0.5, target=0.9), encoding="utf-8")
    (made.folder / "test_theirs.py").write_text(THEIR_TEST, encoding="utf-8")
    return made


@pytest.fixture
def project(installed: Project) -> Iterator[Project]:
    """The same; after each test none of its packages may have been imported in place of ours."""
    yield installed
    assert installed.mistaken == []


def record(wheel: Path) -> dict[str, str]:
    """The digest of every file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/RECORD"))
        rows = archive.read(name).decode().splitlines()
    return {path: digest for path, digest, _ in (row.rsplit(",", 2) for row in rows)}


def test_the_wheel_has_one_top_level_name(built: Built) -> None:
    """The packages, what they read, and the mark that they are typed are below `brownout`, and nothing stands beside it."""
    names = set(record(built.wheel))
    (beside,) = {name.partition("/")[0] for name in names} - {"brownout"}
    assert beside.endswith(".dist-info")
    assert {f"brownout/{folder}/__init__.py" for folder in FOLDERS} <= names
    wanted = {
        "py.typed",
        "compose/Dockerfile",
        "compose/Dockerfile.toxiproxy",
        "compose/compose.yaml",
        "compose/load-image.txt",
        "compose/service.txt",
        "compose/toxiproxy.json",
        "reports/html/assets/report.css",
        "suites/load/web/page.html",
    }
    assert {f"brownout/{name}" for name in wanted} <= names


def test_the_version_has_one_source(built: Built) -> None:
    """The wheel's version is that of the package."""
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        assert HeaderParser().parsestr(archive.read(name).decode())["version"] == brownout.__version__


def test_the_sdist_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """An sdist holds files where the checkout has links, and the wheel that is built from it is the same, file by file."""
    tree = unpack(built.sdist, tmp_path / "unpacked")
    assert [path for path in tree.rglob("*") if path.is_symlink()] == []
    assert record(build(tree, tmp_path / "again", "wheel")) == record(built.wheel)


def test_the_environment_does_not_have_the_checkout(project: Project) -> None:
    """What is imported as `brownout` is the wheel's, so what the other tests show they show of the wheel."""
    code = "import brownout.harness.cli, brownout.identity.server.serve; print(brownout.__file__)"
    told = project.run(project.python, "-c", code)
    assert told.returncode == 0, told.stderr
    assert Path(told.stdout.strip()).is_relative_to(project.python.parents[1])


def test_the_plugin_runs_an_experiment(project: Project) -> None:
    """`python -m pytest` loads the plugin, runs an experiment and writes its reports where it is told to."""
    told = project.run(project.python, "-m", "pytest", "-q", "-p", "no:locust", "--brownout-out", "their runs")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "1 passed" in told.stdout
    assert list((project.folder / "their runs").glob("*/report.html"))


def test_a_simulated_run_writes_its_reports(project: Project) -> None:
    """`brownout run` finds faults and reports by entry point, and writes its result and its report."""
    told = project.brownout("run", "breached.yaml", "--world", "simulation", "--expect", "breach", "--json")
    assert told.returncode == 0, told.stderr
    (folder,) = (project.folder / "runs").iterdir()
    assert json.loads(told.stdout)["verdict"] == "breach"
    assert {"report.html", "result.json", "run.json"} <= {path.name for path in folder.iterdir()}


def test_an_installed_experiment_is_found(project: Project) -> None:
    """An experiment of the wheel is known by its name."""
    told = project.brownout("run", "ftvr-l9z", "--world", "simulation", "--dry-run")
    assert told.returncode == 0, told.stderr


@pytest.fixture(scope="module")
def small(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same with no extra installed."""
    made = make_project(tmp_path_factory.mktemp("small"), built.wheel, extras=())
    (made.folder / "breached.yaml").write_text(EXPERIMENT.format(name="breached", rate_per_s=0.5, target=0.9), encoding="utf-8")
    return made


@pytest.mark.parametrize(
    "module", ["bokeh", "numpy", "locust", "docker", "boto3", "botocore", "lxml", "uvloop", "azure", "pytest"]
)
def test_the_core_brings_no_package_of_an_extra(small: Project, module: str) -> None:
    """The environment without extras has none of their packages: what the next tests show they show of the core."""
    told = small.run(
        small.python, "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is not None)"
    )
    assert told.returncode == 0, told.stderr


def test_the_core_runs_and_reports(small: Project) -> None:
    """Without extras a simulated run gives its verdict, and a page that has the still picture and says how to get charts."""
    told = small.brownout("run", "breached.yaml", "--world", "simulation", "--expect", "breach")
    assert told.returncode == 0, told.stderr
    (folder,) = (small.folder / "runs").iterdir()
    assert "brownout[report]" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_on_installing_works_with_the_core(small: Project) -> None:
    """Its commands run one after the other in an empty folder, with no extra, and leave nothing up."""
    (block,) = blocks(DOCS / "install.md", "sh")
    for line in block.text.splitlines():
        told = small.run("sh", "-c", line)
        assert told.returncode == 0, (line, told.stderr)


def test_the_page_on_installing_names_every_extra(built: Built) -> None:
    """The extras of the page are those of the wheel."""
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/METADATA"))
        extras = HeaderParser().parsestr(archive.read(name).decode()).get_all("Provides-Extra")
    page = (DOCS / "install.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == sorted(extras or ())


def require_a_stack_lives(user: Project) -> CompletedProcess[str]:
    """Brings a stack up, breaks it and takes it down; what `up` told."""
    up = user.brownout("up")
    try:
        assert up.returncode == 0, up.stderr
        hit = user.brownout("inject", "node-pause", "--target", "sydney.token.z1", "--for", "1s")
        assert hit.returncode == 0, hit.stdout + hit.stderr
    finally:
        down = user.brownout("down")
    assert down.returncode == 0, down.stderr
    assert "is down" in down.stdout
    return up


def test_the_core_brings_a_stack_up(small: Project) -> None:
    """Without extras a stack of processes goes up, is broken and goes down; what a load needs is named with its extra.

    The stack has Azure's half, and a line tells how to get the other one.
    """
    told = require_a_stack_lives(small)
    assert "AWS's half is left out: botocore, signxml not installed here\n  -> pip install 'brownout[aws]'" in told.stderr
    load = small.brownout("run", "breached.yaml", "--world", "processes")
    assert load.returncode == 2
    assert "pip install 'brownout[aws,azure,load]'" in load.stderr


def test_the_core_refuses_what_needs_aws(small: Project) -> None:
    """An experiment on AWS, and a stack that is to have its half, end as wrong usage with the extra, and nothing is left."""
    before = set(small.folder.iterdir())
    for command in (("run", "link-cut", "--world", "simulation"), ("up", "--vendor", "aws"), ("matrix",)):
        told = small.brownout(*command)
        assert told.returncode == 2, (command, told.stderr)
        assert "a stack with AWS needs botocore, signxml, not installed here" in told.stderr
        assert "-> pip install 'brownout[aws]'" in told.stderr
    assert set(small.folder.iterdir()) == before


def test_the_extra_aws_is_enough_for_aws(built: Built, tmp_path: Path) -> None:
    """With it and no other an experiment on AWS runs in the simulation, and stacks of processes have both halves."""
    user = make_project(tmp_path, built.wheel, extras=("aws",))
    told = user.brownout("run", "link-cut", "--world", "simulation", "--expect", "pass")
    assert told.returncode == 0, told.stdout + told.stderr
    told = require_a_stack_lives(user)
    assert "left out" not in told.stderr


def test_a_stack_goes_up_is_broken_and_goes_down(project: Project) -> None:
    """A stack of processes, its daemon, its guardian and Toxiproxy start from the project's folder, and all end."""
    require_a_stack_lives(project)


@pytest.mark.parametrize(
    "module",
    [
        "brownout.harness.injection.guardian",
        "brownout.harness.load.canary.process",
        "brownout.harness.operate.loads.load_master",
        "brownout.harness.worlds.compose.prober",
        "brownout.harness.worlds.compose.init_container",
        "brownout.harness.worlds.processes.daemon",
        "brownout.identity.server.container",
        "brownout.suites.load.locustfile",
    ],
)
def test_what_runs_as_a_module_is_found(project: Project, module: str) -> None:
    """Each module that a stack or a run starts with `python -m` resolves to the wheel, from the project's folder."""
    code = f"import importlib.util; print(importlib.util.find_spec({module!r}).origin)"
    told = project.run(project.python, "-c", code)
    assert told.returncode == 0, told.stderr
    assert Path(told.stdout.strip()).is_relative_to(project.python.parents[1])


def test_setup_gets_toxiproxy(project: Project) -> None:
    """`brownout setup` prints the program that stacks use, without a Makefile."""
    told = project.brownout("setup")
    assert told.returncode == 0, told.stderr
    assert Path(told.stdout.strip()).name == "toxiproxy-server"


def test_what_compose_files_are_made_from_is_package_data(project: Project) -> None:
    """The world `compose` finds its templates in the wheel, by entry point."""
    code = "from brownout.harness.worlds.compose.compose_files import templates; print(templates())"
    told = project.run(project.python, "-c", code)
    assert told.returncode == 0, told.stderr
    assert Path(told.stdout.strip()).is_relative_to(project.python.parents[1].resolve())


def test_a_users_mypy_sees_the_types(project: Project, tmp_path: Path) -> None:
    """The package is marked as typed: a wrong argument in a user's file is an error, an import is none."""
    (project.folder / "typed.py").write_text(TYPED, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        str(project.python),
        "--cache-dir",
        str(tmp_path),
    ]
    told = project.run(*command, "typed.py")
    assert "import-untyped" not in told.stdout
    assert "import-not-found" not in told.stdout
    assert re.search(r'Revealed type is "def \(experiment', told.stdout), told.stdout
    assert 'Argument "seed" to "StackSpec" has incompatible type "str"; expected "int"' in told.stdout
