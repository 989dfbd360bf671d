"""Containers, blobs and staged blocks as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from brownout.identity.formed import FormedRecord


@dataclass(frozen=True, slots=True)
class BlobContainer(FormedRecord):
    """A container. Times are epoch seconds of the stack; `metadata` keeps the names' case."""

    name: str
    etag: str
    created_s: float
    changed_s: float
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CommittedBlock(FormedRecord):
    """One block of a blob, which says nothing of where in it: blocks stand in their order."""

    block_id: str
    size: int


@dataclass(frozen=True, slots=True)
class BlobHeaders(FormedRecord):
    """What a blob's readers are told beside its content, as it was set with it."""

    content_type: str = "application/octet-stream"
    content_encoding: str = ""
    content_language: str = ""
    content_disposition: str = ""
    cache_control: str = ""
    content_md5: str = ""


@dataclass(frozen=True, slots=True)
class BlockBlob(FormedRecord):
    """A block blob with its content. `blocks` is empty for one that was put in one piece."""

    container: str
    name: str
    etag: str
    created_s: float
    changed_s: float
    content: bytes
    headers: BlobHeaders = field(default_factory=BlobHeaders)
    metadata: Mapping[str, str] = field(default_factory=dict)
    blocks: tuple[CommittedBlock, ...] = ()

    def block(self, block_id: str) -> bytes | None:
        """The content of one of its blocks; None where it has none of that id."""
        start = 0
        for each in self.blocks:
            if each.block_id == block_id:
                return self.content[start : start + each.size]
            start += each.size
        return None


@dataclass(frozen=True, slots=True)
class StagedBlock(FormedRecord):
    """A block that was sent and belongs to no blob yet."""

    container: str
    blob: str
    block_id: str
    content: bytes
