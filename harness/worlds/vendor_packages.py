"""Packages that only one vendor's half of a stack needs, and what to do where they are not installed.

AWS's half answers by the service models that botocore ships, and checks signatures of SAML documents. Both packages are large
beside the rest of Brownout, so they are in the extra `aws`. Where it is not installed, a stack whose vendors are not named has
Azure's half only and says so; what names AWS is refused with the extra to install.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache

from brownout.harness.base import hints
from brownout.harness.errors import UsageError
from brownout.identity.core.topology import ALL_VENDORS, StackSpec, Vendor

EXTRA_MODULES: Mapping[str, tuple[str, ...]] = {"aws": ("botocore", "signxml")}
_NAMES = {"aws": "AWS", "azure": "Azure"}


@cache
def _missing(vendor: str) -> tuple[str, ...]:
    return hints.missing(*EXTRA_MODULES.get(vendor, ()))


def installed_vendors() -> tuple[Vendor, ...]:
    """The vendors whose half can run here."""
    return tuple(vendor for vendor in ALL_VENDORS if not _missing(vendor))


def usual_vendors() -> tuple[Vendor, ...]:
    """The vendors of a stack for which none are named: all that can run here. A line on stderr tells what is left out."""
    for vendor in ALL_VENDORS:
        if _missing(vendor):
            how = hints.install(vendor)
            told = f"{_NAMES[vendor]}'s half is left out: {', '.join(_missing(vendor))} not installed here\n  -> {how}"
            print(told, file=sys.stderr)  # noqa: T201 - a stack that has less than usual is told to the user
    return installed_vendors()


def require_vendors(stack: StackSpec) -> None:
    """Raises UsageError when packages of a vendor of the stack are not installed."""
    for vendor in stack.vendors:
        if _missing(vendor):
            problem = f"a stack with {_NAMES[vendor]} needs {', '.join(_missing(vendor))}, not installed here"
            raise UsageError(problem, hint=hints.install(vendor))
