"""A stack whose token nodes and vaults have the account, and nothing else of AWS's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brownout.identity.aws.secrets.annex import VaultAnnex
from brownout.identity.aws.secrets.surface import SecretsManager
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.aws.sts.surface import Sts
from brownout.identity.core.topology import TOKEN, VAULT
from brownout.identity.roles import VENDORS, Part
from support.simulated_aws import SimulatedAws, simulated_aws


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedAws]:
    vaults = Part(annexes=(VaultAnnex,), surfaces=(SecretsManager,))
    monkeypatch.setitem(VENDORS, "aws", {TOKEN: Part(annexes=(TokenAnnex,), surfaces=(Sts,)), VAULT: vaults})
    with simulated_aws() as standing:
        yield standing
