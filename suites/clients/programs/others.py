"""Clients in other languages: built with their own tools from their registries, one process for each case."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from brownout.harness.errors import BrownoutError
from brownout.suites.clients.programs import go_clock

SOURCES = Path(__file__).parent
JS_PACKAGE = "@azure/identity@4.14.1"
CLI_PACKAGE = "azure-cli==2.91.0"
TOOLS = Path(tempfile.gettempdir()) / "brownout-clients"  # where they are built unless another folder is named
BUILD_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Program:
    """How a client is run: it prints a line of JSON for each acquisition.

    `on_machine`: it takes no URL, so it runs by `brownout exec`; `names`: with the vendors' names. `ages`: it can move its
    clock, `ages_with` is the command that it then runs under, if it needs one. `first` runs once while IMDS is still well:
    each process finds the folder AZURE_CONFIG_DIR as it left it.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    on_machine: bool = False
    names: bool = False
    ages: bool = False
    ages_with: tuple[str, ...] = ()
    first: tuple[str, ...] = ()


def _js(folder: Path) -> Program:
    _run(folder, "npm", "install", "--silent", "--no-save", "--prefix", str(folder), JS_PACKAGE)
    return Program(("node", str(folder / "client.mjs")), ages=True)


def _go(folder: Path) -> Program:
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    overlay = go_clock.write_overlay(Path(root), folder)
    _run(folder, "go", "mod", "tidy")
    _run(folder, "go", "build", "-overlay", str(overlay), "-o", "client", ".")
    return Program((str(folder / "client"),), on_machine=True, ages=True)


def _java(folder: Path) -> Program:
    _run(folder, "mvn", "-q", "-B", "dependency:copy-dependencies")
    _run(folder, "javac", "-cp", "target/dependency/*", "-d", "classes", "Client.java")
    _run(folder, "cc", "-shared", "-fPIC", "-O2", "-o", "ahead.so", "ahead.c")
    command = ("java", "-cp", f"{folder}/classes:{folder}/target/dependency/*", "Client")
    return Program(command, on_machine=True, ages=True, ages_with=("env", f"LD_PRELOAD={folder}/ahead.so"))


def _cli(folder: Path) -> Path:
    """The Python of an environment with the Azure CLI."""
    uv, python = str(Path(sys.executable).with_name("uv")), folder / "venv" / "bin" / "python"
    if not python.exists():
        _run(folder, uv, "venv", "--quiet", "--python", sys.executable, "venv")
    _run(folder, uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), CLI_PACKAGE)
    return python


def _az(command: str) -> Callable[[Path], Program]:
    """One command of it. What it starts with is an earlier login, so that no process has to make its index of commands."""

    def make(folder: Path) -> Program:
        program = (str(_cli(folder)), str(folder / "client.py"))
        return Program((*program, command), CLI_SETTINGS, on_machine=True, names=True, first=(*program, "login"))

    return make


CLI_SETTINGS = {"AZURE_CORE_COLLECT_TELEMETRY": "no", "AZURE_CORE_NO_COLOR": "yes"}  # it has no telemetry to reach
BUILDS: Mapping[str, tuple[str, Callable[[Path], Program]]] = {  # the folder of its sources, and how it is built
    "js": ("js", _js),
    "go": ("go", _go),
    "java": ("java", _java),
    "az-login": ("az", _az("login")),
    "az-token": ("az", _az("token")),
}


def build(name: str, tools: Path) -> Program:
    """The client, built below `tools`; raises BrownoutError where its tool is missing or fails."""
    sources, make = BUILDS[name]
    folder = tools / sources
    shutil.copytree(SOURCES / sources, folder, dirs_exist_ok=True)
    try:
        return make(folder)
    except FileNotFoundError as missing:
        raise BrownoutError(f"{missing.filename} is not here, which builds the client {name}", hint="install it") from missing
    except (subprocess.CalledProcessError, ValueError) as failed:
        raise BrownoutError(f"the client {name} could not be built: {failed}", hint="its tool says why above") from failed


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=BUILD_TIMEOUT_S)
