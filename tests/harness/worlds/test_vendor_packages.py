"""What a stack has where the packages of one vendor's half are not installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.loader import load
from brownout.harness.operate.stacks import stack_shape
from brownout.harness.run.options import Options
from brownout.harness.run.prepare import prepare
from brownout.harness.worlds import vendor_packages
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.vendor_packages import installed_vendors, require_vendors, usual_vendors
from support.places import ROOT

EXPERIMENTS = ROOT / "suites" / "experiments"


@pytest.fixture
def without_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As where the core alone is installed."""
    monkeypatch.setattr(vendor_packages, "EXTRA_MODULES", {"aws": ("no_such_models", "no_such_signatures")})
    vendor_packages._missing.cache_clear()
    yield
    monkeypatch.undo()
    vendor_packages._missing.cache_clear()


def test_with_all_packages_a_stack_has_both_halves(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left out, so nothing is told."""
    assert installed_vendors() == ("aws", "azure")
    assert usual_vendors() == ("aws", "azure")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("without_aws")
def test_a_stack_without_named_vendors_has_what_is_installed_and_says_what_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line names the packages and the extra that has them; a vendor that is named is not quietly left out."""
    assert stack_shape((), "", "").vendors == ("azure",)
    told = capsys.readouterr().err
    assert told.startswith("AWS's half is left out: no_such_models, no_such_signatures not installed here\n  -> ")
    assert "aws" in told.partition("->")[2]
    assert stack_shape(("aws",), "", "").vendors == ("aws",)


@pytest.mark.usefixtures("without_aws")
def test_what_names_the_vendor_is_refused_before_anything_starts() -> None:
    """A stack with AWS and an experiment on one end with the extra; Azure's are prepared."""
    require_vendors(build_stack(seed=1, vendors=("azure",)))
    with pytest.raises(UsageError, match="a stack with AWS needs no_such_models, no_such_signatures, not installed here"):
        require_vendors(build_stack(seed=1, vendors=("aws",)))
    prepare(load(EXPERIMENTS / "ftvr-l9z.yaml"), Options())
    with pytest.raises(UsageError, match="a stack with AWS needs") as refused:
        prepare(load(EXPERIMENTS / "link-cut.yaml"), Options())
    assert "aws" in refused.value.hint
