"""What a region's storage account holds, durable on its vault node. A write is on the disk before it is answered.

One record is one blob with its content, so whatever a kill interrupts, a blob is what it was before or what it is after.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from brownout.identity.azure.data.blob_records import BlobContainer, BlockBlob, StagedBlock
from brownout.identity.core.records import Json

CONTAINER, BLOB, BLOCK = "container/", "blob/", "block/"
SEEDED = "samples"  # the container that every region's account has from the start
SEEDED_BLOB = "hello.txt"
Persist = Callable[[str, Json | None], Awaitable[None]]
BlobName = tuple[str, str]  # container and blob


class BlobStore:
    """Containers, blobs and staged blocks of one account. `persist` makes a record durable, or with None ends it."""

    def __init__(self, persist: Persist, region: str) -> None:
        self._persist = persist
        self._containers: dict[str, BlobContainer] = {SEEDED: BlobContainer(SEEDED, '"0x8D0000000000001"', 0.0, 0.0)}
        content = f"hello from {region}\n".encode()
        seeded = BlockBlob(SEEDED, SEEDED_BLOB, '"0x8D0000000000002"', 0.0, 0.0, content)
        self._blobs: dict[BlobName, BlockBlob] = {(SEEDED, SEEDED_BLOB): seeded}
        self._staged: dict[BlobName, dict[str, StagedBlock]] = {}

    def take_up(self, name: str, record: Json) -> None:
        """Takes up one durable record."""
        gone = bool(record.get("gone"))
        if name.startswith(CONTAINER):
            key = name.removeprefix(CONTAINER)
            self._containers.pop(key, None) if gone else self._containers.update({key: BlobContainer.from_json(record)})
        elif name.startswith(BLOB):
            container, _, blob = name.removeprefix(BLOB).partition("/")
            place = container, blob
            self._blobs.pop(place, None) if gone else self._blobs.update({place: BlockBlob.from_json(record)})
        else:
            assert name.startswith(BLOCK), name
            block = StagedBlock.from_json(record)
            self._staged.setdefault((block.container, block.blob), {})[block.block_id] = block

    def state(self) -> Json:
        return {"containers": len(self._containers), "blobs": len(self._blobs)}

    def containers(self) -> Mapping[str, BlobContainer]:
        return dict(sorted(self._containers.items()))

    def container(self, name: str) -> BlobContainer | None:
        return self._containers.get(name)

    def blobs(self, container: str) -> Mapping[str, BlockBlob]:
        """A container's blobs in the order of their names."""
        return {name: blob for (at, name), blob in sorted(self._blobs.items()) if at == container}

    def blob(self, container: str, name: str) -> BlockBlob | None:
        return self._blobs.get((container, name))

    def staged(self, container: str, name: str) -> Mapping[str, StagedBlock]:
        return self._staged.get((container, name), {})

    async def keep_container(self, container: BlobContainer) -> None:
        await self._persist(CONTAINER + container.name, container.to_json())
        self._containers[container.name] = container

    async def end_container(self, name: str) -> None:
        """Ends a container, then all that is in it: what a kill leaves of that is found nowhere."""
        self._containers.pop(name, None)
        await self._persist(CONTAINER + name, {"gone": True})
        await self.clear(name)

    async def clear(self, name: str) -> None:
        """Ends every blob and staged block in a container of that name, such as those that an ended one has left."""
        for place in [each for each in {**self._blobs, **self._staged} if each[0] == name]:
            await self.end_blob(*place)

    async def keep_blob(self, blob: BlockBlob) -> None:
        """Makes a new or changed blob durable; blocks that were staged for it are used up."""
        await self._persist(f"{BLOB}{blob.container}/{blob.name}", blob.to_json())
        self._blobs[blob.container, blob.name] = blob
        await self._end_staged(blob.container, blob.name)

    async def change_blob(self, blob: BlockBlob) -> None:
        """The same for what is said of a blob: staged blocks stay."""
        await self._persist(f"{BLOB}{blob.container}/{blob.name}", blob.to_json())
        self._blobs[blob.container, blob.name] = blob

    async def end_blob(self, container: str, name: str) -> None:
        await self._persist(f"{BLOB}{container}/{name}", {"gone": True})
        self._blobs.pop((container, name), None)
        await self._end_staged(container, name)

    async def stage(self, block: StagedBlock) -> None:
        await self._persist(_block_key(block), block.to_json())
        self._staged.setdefault((block.container, block.blob), {})[block.block_id] = block

    async def _end_staged(self, container: str, name: str) -> None:
        for block in tuple(self._staged.get((container, name), {}).values()):
            await self._persist(_block_key(block), None)
        self._staged.pop((container, name), None)


def _block_key(block: StagedBlock) -> str:
    return f"{BLOCK}{block.block_id}/{block.container}/{block.blob}"
