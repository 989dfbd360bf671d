"""A stack whose token, management and vault nodes have the account, without a directory that publishes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brownout.identity.aws.regional.annex import RegionalAnnex
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.aws.sts.surface import Sts
from brownout.identity.core.topology import MANAGEMENT, TOKEN, VAULT
from brownout.identity.roles import VENDORS, Part
from support.simulated_aws import SimulatedAws, simulated_aws


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    parts = {
        TOKEN: Part(annexes=(TokenAnnex,), surfaces=(Sts,)),
        MANAGEMENT: Part(annexes=(RegionalAnnex,)),
        VAULT: Part(annexes=(RegionalAnnex,)),
    }
    monkeypatch.setitem(VENDORS, "aws", parts)
    with simulated_aws() as standing:
        yield standing
