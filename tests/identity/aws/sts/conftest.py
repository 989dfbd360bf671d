"""A stack whose token nodes have the account and STS, and nothing else of AWS's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.aws.sts.issuer_pages import IssuerPages
from brownout.identity.aws.sts.surface import Sts
from brownout.identity.core.topology import TOKEN
from brownout.identity.roles import VENDORS, Part
from support.simulated_aws import SimulatedAws, simulated_aws


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    monkeypatch.setitem(VENDORS, "aws", {TOKEN: Part(annexes=(TokenAnnex,), surfaces=(Sts, IssuerPages))})
    with simulated_aws() as standing:
        yield standing
