"""Azure's part of a vault node: the region's roles, and the data that its protected APIs keep.

Data are regional: a write is durable on this node before it is answered, and no other region knows of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from brownout.identity.azure.control.directory import VENDOR
from brownout.identity.azure.control.replica import AzureReplica
from brownout.identity.azure.data.blob_store import BlobStore
from brownout.identity.azure.data.revoked_tokens import RevokedTokens
from brownout.identity.azure.data.secrets import SecretEdition, VaultSecret
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.records import Json

SEEDED = ("sample", "app-database", "app-api-key")  # what every region's vault has from the start
SECRET = "secret/"
GONE: Json = {"gone": True}


class AzureVaultAnnex(AzureReplica):
    """Roles and data of one vault node."""

    def __init__(self, node: Vault) -> None:
        super().__init__(node)
        self.vault = node
        self.blobs = BlobStore(self._persist_blobs, node.region)
        self.revoked_tokens = RevokedTokens(node)
        self.switches = self.revoked_tokens.switches
        self._secrets: dict[str, VaultSecret] = {}
        for name in SEEDED:
            version = hashlib.sha256(f"{node.name} {name} 1".encode()).hexdigest()[:32]
            self._secrets[name] = VaultSecret(name, (SecretEdition(version, node.secret(name), 0.0, 0.0),))

    def take_up(self, name: str, record: Json) -> None:
        if not name.startswith(SECRET):
            self.blobs.take_up(name, record)
            return
        key = name.removeprefix(SECRET)
        if record.get("gone"):
            self._secrets.pop(key, None)
        else:
            self._secrets[key] = VaultSecret.from_json(record)

    def state(self) -> Json:
        revoked = self.revoked_tokens.state()
        return {**super().state(), "secrets": len(self._secrets), "revoked": revoked, **self.blobs.state()}

    async def _persist_blobs(self, key: str, record: Json | None) -> None:
        await self.vault.ports.persist(f"{VENDOR}:{key}", record)

    def secrets(self) -> Mapping[str, VaultSecret]:
        """All secrets by name in lower case, deleted ones that can be recovered included, in the order of their names."""
        now_s = self.vault.ports.now()
        alive = {key: known for key, known in self._secrets.items() if known.deleted_s is None or now_s < known.purge_s}
        return dict(sorted(alive.items()))

    async def keep(self, secret: VaultSecret) -> None:
        """Makes a new or changed secret durable, in place of the one of its name."""
        key = secret.name.lower()
        await self.vault.ports.persist(f"{VENDOR}:{SECRET}{key}", secret.to_json())
        self._secrets[key] = secret

    async def forget(self, name: str) -> None:
        """Ends a secret for good."""
        await self.vault.ports.persist(f"{VENDOR}:{SECRET}{name.lower()}", GONE)
        self._secrets.pop(name.lower(), None)


def annex_of(node: Vault) -> AzureVaultAnnex:
    """The annex that a vault node has where the stack has Azure's half."""
    found = node.annexes[VENDOR]
    assert isinstance(found, AzureVaultAnnex), "roles gives every vault node this annex"
    return found
