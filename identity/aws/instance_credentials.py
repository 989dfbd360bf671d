"""Role credentials that a host gets for a machine: what hosts and token nodes of a region say to each other.

A host asks `POST /_brownout/aws/instance-credentials` of a token node with an `InstanceCredentialsRequest`. The answer is
`InstanceCredentials`, or a neutral Failure: `not-found` when the role does not exist or does not trust the service that the
machine stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from brownout.identity.core.records import Json

PAGE = "/instance-credentials"  # below /_brownout/aws
EC2, ECS_TASKS, EKS_PODS = "ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "pods.eks.amazonaws.com"


@dataclass(frozen=True, slots=True)
class InstanceCredentialsRequest:
    """A machine's wish for credentials of its role.

    `machine` is its address on its host, `role` the role's name, `session_name` that of the session (EC2 takes the
    instance's id), `service` the principal that the role's trust policy has to name.
    """

    machine: str
    role: str
    session_name: str
    service: str = EC2

    def to_json(self) -> dict[str, Any]:
        return {"machine": self.machine, "role": self.role, "session_name": self.session_name, "service": self.service}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        return cls(str(raw["machine"]), str(raw["role"]), str(raw["session_name"]), str(raw.get("service", EC2)))


@dataclass(frozen=True, slots=True)
class InstanceCredentials:
    """Temporary credentials with their life in emulated epoch seconds."""

    access_key_id: str
    secret: str
    token: str
    issued_s: float
    expires_s: float

    def to_json(self) -> dict[str, Any]:
        return {
            "access_key_id": self.access_key_id,
            "secret": self.secret,
            "token": self.token,
            "issued_s": self.issued_s,
            "expires_s": self.expires_s,
        }

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        texts = str(raw["access_key_id"]), str(raw["secret"]), str(raw["token"])
        return cls(*texts, float(raw["issued_s"]), float(raw["expires_s"]))

    def __repr__(self) -> str:
        return f"InstanceCredentials({self.access_key_id}, {self.issued_s}..{self.expires_s})"
