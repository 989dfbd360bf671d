"""The doctor's checks of Docker: engine, Compose, images, and room on the engine's disk. Only the compose world needs them.

The docker library is imported here on demand, because its import is slow.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from brownout.harness.base import hints
from brownout.harness.doctor.findings import Check
from brownout.harness.errors import BrownoutError, WorldError

FREE_DISK_MB = 1000
ELSEWHERE = "(only the compose world needs it)"


def docker_checks(*, required: bool) -> tuple[Check, ...]:
    """The findings; a missing part is a problem only where it is required. Without an engine there are no further checks."""
    engine = _guarded("Docker", check_engine, required)
    if not engine.ok or engine.detail.endswith(ELSEWHERE):
        return (engine,)
    more = {"Compose": check_compose, "images": check_images, "engine's disk": check_disk, "containers": check_containers}
    return (engine, *(_guarded(name, check, required) for name, check in more.items()))


def _guarded(name: str, check: Callable[[], Check], required: bool) -> Check:
    try:
        found = check()
    except BrownoutError as failed:
        found = Check(name, False, failed.message, failed.hint)
    except ModuleNotFoundError as missing:
        found = Check(name, False, f"{missing.name} is not installed", hints.install("compose"))
    except OSError as failed:
        found = Check(name, False, str(failed))
    if found.ok or required:
        return found
    return Check(name, True, f"{found.detail} {ELSEWHERE}")


def check_engine() -> Check:
    """Whether an engine answers and is new enough."""
    if shutil.which("docker") is None:
        raise WorldError("not found", hint="install Docker 20.10 or newer")
    from brownout.harness.worlds.compose.engine import DockerEngine

    engine = DockerEngine()
    try:
        return Check("Docker", True, f"engine {engine.version} answers")
    finally:
        engine.close()


def check_compose() -> Check:
    """Whether the plugin is installed and new enough."""
    from brownout.harness.worlds.compose.cli import version

    return Check("Compose", True, version())


def check_images() -> Check:
    """Whether every image that a stack needs exists."""
    from brownout.harness.worlds.compose.engine import DockerEngine
    from brownout.harness.worlds.compose.stack import missing_images, wanted_images

    engine = DockerEngine()
    try:
        missing = missing_images(engine)
    finally:
        engine.close()
    if missing:
        return Check("images", False, f"missing: {', '.join(missing)}", hints.images())
    return Check("images", True, f"all {len(wanted_images())} are there")


def check_disk() -> Check:
    """Whether the engine's data folder has room; on another machine this is not known."""
    from brownout.harness.worlds.compose.engine import DockerEngine

    engine = DockerEngine()
    try:
        folder = Path(engine.data_folder)
    finally:
        engine.close()
    if not folder.is_dir():
        return Check("engine's disk", True, f"{folder} is not on this machine, so its room cannot be seen")
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    detail = f"{folder} has {free_mb / 1000:.1f} GB free"
    if free_mb >= FREE_DISK_MB:
        return Check("engine's disk", True, detail)
    return Check("engine's disk", False, detail, "free some: `docker system df` tells what takes it")


def check_containers() -> Check:
    """Whether the engine has orphaned stacks of this state folder."""
    from brownout.harness.operate.orphans import orphans

    left = orphans()
    if not left:
        return Check("containers", True, "none of an unknown stack")
    return Check("containers", False, f"of stacks that no ledger knows: {', '.join(left)}", "`brownout down --all`")
