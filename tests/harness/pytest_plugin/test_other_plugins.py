"""The plugin beside others that people have: the real ones, in an environment of their own, around one small suite."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.brownout_command import small
from support.installed_wheel import build, clone
from support.registry_packages import environment_with

pytestmark = pytest.mark.slow
PLUGINS = ("pytest-asyncio", "pytest-randomly", "pytest-rerunfailures", "pytest-timeout", "pytest-xdist")
SUITE = """
import asyncio
from pathlib import Path

import pytest

from brownout.harness.testing import Stack


@pytest.fixture(scope="session")
def brownout_stack_options():
    return {"vendors": ("azure",)}


@pytest.fixture(autouse=True)
def fresh(request):
    yield
    if "brownout_stack" in request.fixturenames:
        request.getfixturevalue("brownout_stack").reset()


def test_a_simulation(brownout):
    run = brownout.run("small.yaml", world="simulation")
    assert run.verdict == "breach"
    run.expect("breach")


def test_a_fault(brownout_stack: Stack):
    with brownout_stack.fault("link-refuse", link="client->sydney.host") as fault:
        assert "refuse" in fault.evidence


@pytest.mark.asyncio
async def test_a_fault_in_a_loop(brownout_stack: Stack):
    async with brownout_stack.fault("node-pause", target="sydney.token.z1"):
        await asyncio.sleep(0)


@pytest.mark.flaky(reruns=2)
def test_the_second_time_it_passes(brownout, tmp_path_factory):
    again = Path(__file__).with_name("again")
    brownout.run("small.yaml", world="simulation").expect("breach")
    if not again.exists():
        again.touch()
        pytest.fail("the first time")


@pytest.mark.timeout(120)
def test_with_a_time_limit(brownout_stack: Stack):
    assert brownout_stack.env("web-1")["BROWNOUT_STACK"] == brownout_stack.id
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and the plugins, each as the registry has it today."""
    folder = tmp_path_factory.mktemp("plugins")
    wheel = build(clone(folder / "source"), folder / "dist", "wheel")
    return environment_with(folder / "environment", f"brownout[pytest] @ {wheel.as_uri()}", *PLUGINS) / "python"


def session(python: Path, folder: Path, home: Path, *arguments: str) -> str:
    """What a whole session of the small suite prints; fails unless all passed."""
    (folder / "test_small.py").write_text(SUITE, encoding="utf-8")
    small(folder)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = strict\n", encoding="utf-8")
    kept: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "BROWNOUT_"))
    }
    done = subprocess.run(
        [python, "-m", "pytest", *arguments],
        cwd=folder,
        env={**kept, "BROWNOUT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    "arguments",
    [(), ("-p", "no:cacheprovider", "--import-mode=importlib", "-n", "2")],
    ids=["plain", "no cache, importlib, two workers"],
)
def test_a_session_with_all_of_them(
    python: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...]
) -> None:
    """Order is random, one test is run again, one is async, one has a limit; each worker has a stack, and none is left up."""
    home = tmp_path_factory.mktemp("home")
    told = session(python, tmp_path, home, *arguments)
    assert "5 passed, 1 rerun" in told
    assert not list((home / "stacks").glob("*"))
