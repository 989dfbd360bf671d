"""Which stacks the world of containers takes, and what it leaves away. Needs no engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.worlds.compose.world import ComposeWorld
from brownout.harness.worlds.stack_spec import build_stack


def made(tmp_path: Path, *, regions: tuple[str, ...] = ("sydney", "melbourne"), home: str = "") -> ComposeWorld:
    spec = build_stack(seed=1, vendors=("aws", "azure"), regions=regions, home=home)
    return ComposeWorld.create(spec, folder=tmp_path / "s", epoch_s=0.0, rate=1.0)


def test_both_vendors_have_the_same_containers(tmp_path: Path) -> None:
    """The compose file is one for all vendors, so a stack of Azure alone has an edge too, which nobody uses."""
    both = made(tmp_path).spec
    azure = ComposeWorld.create(build_stack(seed=1), folder=tmp_path / "a", epoch_s=0.0, rate=1.0).spec
    assert both.nodes() == azure.nodes()
    assert "client.edge" in azure.nodes()
    assert (both.vendors, azure.vendors) == (("aws", "azure"), ("azure",))


@pytest.mark.parametrize(
    ("regions", "home"), [(("tokyo",), ""), (("sydney", "melbourne"), "melbourne"), (("melbourne", "sydney"), "")]
)
def test_other_regions_are_refused_before_anything_starts(tmp_path: Path, regions: tuple[str, ...], home: str) -> None:
    """The compose file is written for one list of regions; the message says which world takes any."""
    with pytest.raises(UsageError, match=r"(?s)sydney and melbourne.*--world processes"):
        made(tmp_path, regions=regions, home=home)
