"""Reports that an account asked for and fetches later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from brownout.identity.aws.records.record import AccountRecord


@dataclass(frozen=True, slots=True)
class CredentialReport(AccountRecord):
    """The credential report as it was when it was asked for: one record, under the key ""."""

    KIND: ClassVar[str] = "credential-report"

    started_s: float
    content: str

    @property
    def table_key(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class AccessJob(AccountRecord):
    """A job that finds out when a user, group, role or policy was last used for which service. `arn` names it."""

    KIND: ClassVar[str] = "access-job"

    job_id: str
    arn: str
    granularity: str
    created_s: float

    @property
    def table_key(self) -> str:
        return self.job_id
