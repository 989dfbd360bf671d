"""AWS's part of a vault node: the region's account, and the secrets that the region has.

Secrets are regional data: a write is durable on this node before it is answered, and no other region knows of it. So all of
the service goes on while the home region cannot be reached (docs/reference/aws-wire.md#secrets).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from brownout.identity.aws.records.seed import CREATED_S
from brownout.identity.aws.regional.annex import VENDOR, RegionalAnnex
from brownout.identity.aws.secrets.stored import CURRENT, SecretVersion, StoredSecret
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.records import Json

SEEDED = ("sample", "app/database", "app/api-key")  # what every region has from the start
RECORD = "secret/"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SUFFIX_LENGTH = 6
_DAY_S = 86_400.0


class VaultAnnex(RegionalAnnex):
    """The account and the secrets of one vault node."""

    node: Vault

    def __init__(self, node: Vault) -> None:
        super().__init__(node)
        self._secrets: dict[str, StoredSecret] = {}
        self._accessed_days: dict[str, float] = {}  # by name: the day on which the secret was read last
        for name in SEEDED:
            self._secrets[name] = self._seeded(name)

    def take_up(self, name: str, record: Json) -> None:
        if not name.startswith(RECORD):
            super().take_up(name, record)
        elif record.get("gone"):
            self._secrets.pop(name.removeprefix(RECORD), None)
        else:
            self._secrets[name.removeprefix(RECORD)] = StoredSecret.from_json(record)

    def state(self) -> Json:
        return {**super().state(), "secrets": len(self._secrets)}

    def _seeded(self, name: str) -> StoredSecret:
        version_id = _uuid(f"{self.arn_of(name)} 1")
        version = SecretVersion(version_id, CREATED_S, text=self.node.secret(name), stages=(CURRENT,))
        return StoredSecret(
            name, self.new_arn(name, name), CREATED_S, CREATED_S, (version,), description="A secret of every stack"
        )

    def arn_of(self, name: str) -> str:
        """The ARN of a secret of that name, without the six characters that a real one ends in."""
        return f"arn:aws:secretsmanager:{self.aws_region}:{self.account_id}:secret:{name}"

    def new_arn(self, name: str, chance: str) -> str:
        """A whole ARN for a new secret, its end decided by `chance`."""
        digest = hashlib.sha256(f"{self.arn_of(name)} {chance}".encode()).digest()
        return f"{self.arn_of(name)}-{''.join(_SUFFIX[byte % len(_SUFFIX)] for byte in digest[:_SUFFIX_LENGTH])}"

    def secrets(self) -> Mapping[str, StoredSecret]:
        """All secrets by name, those included whose deletion was asked for and has not come yet."""
        now_s = self.node.ports.now()
        return {name: found for name, found in self._secrets.items() if found.ends_s is None or now_s < found.ends_s}

    def find(self, secret_id: str) -> StoredSecret | None:
        """The secret of that name, whole ARN, or ARN without its end; None where there is none."""
        prefix = self.arn_of("")
        name = secret_id.removeprefix(prefix)
        found = self.secrets()
        if name == secret_id or name in found:
            return found.get(name)
        secret = found.get(name[: -_SUFFIX_LENGTH - 1])
        return secret if secret is not None and secret.arn == secret_id else None

    async def keep(self, secret: StoredSecret) -> None:
        """Makes a new or changed secret durable, in place of the one of its name."""
        await self.node.ports.persist(f"{VENDOR}:{RECORD}{secret.name}", secret.to_json())
        self._secrets[secret.name] = secret
        assert self._secrets[secret.name].arn == secret.arn, "a secret keeps its ARN"

    async def forget(self, name: str) -> None:
        """Ends a secret for good."""
        await self.node.ports.persist(f"{VENDOR}:{RECORD}{name}", {"gone": True})
        self._secrets.pop(name, None)
        self._accessed_days.pop(name, None)
        assert name not in self._secrets, "what was ended is not found"

    def note_access(self, name: str) -> None:
        """Remembers the day on which a secret was read; like the real one it is told to the day."""
        self._accessed_days[name] = self.node.ports.now() // _DAY_S * _DAY_S
        assert self._accessed_days[name] <= self.node.ports.now(), "a day begins before it is over"

    def last_access_s(self, name: str) -> float | None:
        return self._accessed_days.get(name)


def _uuid(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
