"""The `brownout` object of a pytest session, made by hand."""

from __future__ import annotations

from pathlib import Path

from brownout.harness.pytest_plugin.runs import Brownout, Uses
from support.plugin_project import EXPERIMENT


def facade(folder: Path, uses: Uses | None = None) -> Brownout:
    """A session's `brownout` whose root is `folder`, with an experiment `tiny.yaml` there and the seed 7."""
    (folder / "tiny.yaml").write_text(EXPERIMENT.format(name="tiny", rate_per_s=0.5, target=0.9))
    return Brownout(
        world="simulation", seed=7, shared=folder / "shared", out=None, root=folder, uses=uses if uses is not None else Uses()
    )
