"""What the storage account does with block blobs."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace

from brownout.identity.azure.blobs import xml
from brownout.identity.azure.blobs.blob_errors import BlobError, bad_query, missing_header
from brownout.identity.azure.blobs.calls import META, BlobCall, answer, byte_range, changed
from brownout.identity.azure.blobs.conditions import check_conditions
from brownout.identity.azure.blobs.container_operations import XML_TYPE
from brownout.identity.azure.data.blob_records import BlockBlob, CommittedBlock, StagedBlock
from brownout.identity.core.messages import Response

LONGEST_BLOCK_ID = 64  # bytes, before Base64
MOST_BLOCKS = 50_000


async def put_blob(call: BlobCall) -> Response:
    """A blob in one piece."""
    kind = call.request.headers.get("x-ms-blob-type", "")
    if not kind:
        raise missing_header("x-ms-blob-type")
    _refuse_other_kinds(call, kind)
    call.need_container()
    _check(call)
    content, md5 = call.content()
    blob = _made(call, content, md5, ())
    await call.store.keep_blob(blob)
    return changed(201, blob.etag, blob.changed_s, **{"content-md5": md5})


def _refuse_other_kinds(call: BlobCall, kind: str) -> None:
    """Raises BlobError for page and append blobs, and for copies, which this account has not."""
    if kind != "BlockBlob":
        raise BlobError("UnsupportedHeader", more={"HeaderName": "x-ms-blob-type"})
    if "x-ms-copy-source" in call.request.headers:
        raise BlobError("UnsupportedHeader", more={"HeaderName": "x-ms-copy-source"})


async def stage_block(call: BlobCall) -> Response:
    call.need_container()
    block_id = call.request.query.get("blockid", "")
    try:
        raw = base64.b64decode(block_id, validate=True)
    except (ValueError, binascii.Error):
        raise BlobError("InvalidBlockId") from None
    staged = call.store.staged(call.container, call.blob)
    if not 1 <= len(raw) <= LONGEST_BLOCK_ID:
        raise BlobError("InvalidBlockId")
    if any(len(each) != len(block_id) for each in staged):
        raise BlobError("InvalidBlobOrBlock")  # all ids of a blob are equally long
    content, md5 = call.content()
    await call.store.stage(StagedBlock(call.container, call.blob, block_id, content))
    return answer(201, {"content-md5": md5, "x-ms-request-server-encrypted": "true"})


async def commit_blocks(call: BlobCall) -> Response:
    """A blob out of staged blocks, and of blocks that it has already."""
    call.need_container()
    _check(call)
    known = call.store.blob(call.container, call.blob)
    staged = call.store.staged(call.container, call.blob)
    wanted = xml.read_block_list(call.request.payload)
    if len(wanted) > MOST_BLOCKS:
        raise BlobError("InvalidBlockList")
    parts = [(block_id, _block(kind, block_id, known, staged)) for kind, block_id in wanted]
    blocks = tuple(CommittedBlock(block_id, len(part)) for block_id, part in parts)
    blob = _made(call, b"".join(part for _, part in parts), "", blocks)
    await call.store.keep_blob(blob)
    return changed(201, blob.etag, blob.changed_s)


def _block(kind: xml.BlockKind, block_id: str, known: BlockBlob | None, staged: Mapping[str, StagedBlock]) -> bytes:
    """The content of one block of a list; raises BlobError InvalidBlockList."""
    new = staged.get(block_id) if kind in ("Uncommitted", "Latest") else None
    if new is not None:
        return new.content
    old = known.block(block_id) if known is not None and kind in ("Committed", "Latest") else None
    if old is None:
        raise BlobError("InvalidBlockList")
    return old


async def list_blocks(call: BlobCall) -> Response:
    kind = call.request.query.get("blocklisttype", "committed").lower()
    if kind not in ("committed", "uncommitted", "all"):
        raise bad_query("blocklisttype", kind)
    call.need_container()
    known, staged = call.store.blob(call.container, call.blob), call.store.staged(call.container, call.blob)
    if known is None and not staged:
        raise BlobError("BlobNotFound")
    committed = (known.blocks if known else ()) if kind != "uncommitted" else None
    payload = xml.block_list(committed, staged.values() if kind != "committed" else None)
    told = {"etag": known.etag, "x-ms-blob-content-length": str(len(known.content))} if known else {}
    return answer(200, told, payload, XML_TYPE)


async def get_blob(call: BlobCall) -> Response:
    """The content, or with HEAD the length of it alone; with a range that part."""
    blob = call.need_blob()
    check_conditions(call.request, blob.etag, blob.changed_s)
    wanted = None if call.request.method == "HEAD" else byte_range(call.request, len(blob.content))
    headers = _described(blob)
    if wanted is None:
        return answer(200, headers | {"content-md5": blob.headers.content_md5}, blob.content, blob.headers.content_type)
    first, last = wanted
    headers["content-range"] = f"bytes {first}-{last}/{len(blob.content)}"
    headers["x-ms-blob-content-md5"] = blob.headers.content_md5
    return answer(206, headers, blob.content[first : last + 1], blob.headers.content_type)


async def set_blob_metadata(call: BlobCall) -> Response:
    blob = call.need_blob()
    return await _change(call, blob, replace(blob, metadata=call.metadata()))


async def set_blob_headers(call: BlobCall) -> Response:
    blob = call.need_blob()
    return await _change(call, blob, replace(blob, headers=call.blob_headers()))


async def _change(call: BlobCall, blob: BlockBlob, wanted: BlockBlob) -> Response:
    """Puts `wanted` in place of the blob, where the request's conditions hold for what is there."""
    check_conditions(call.request, blob.etag, blob.changed_s)
    made = replace(wanted, etag=call.etag, changed_s=call.now_s)
    await call.store.change_blob(made)
    return changed(200, made.etag, made.changed_s)


async def delete_blob(call: BlobCall) -> Response:
    blob = call.need_blob()
    check_conditions(call.request, blob.etag, blob.changed_s)
    await call.store.end_blob(blob.container, blob.name)
    return answer(202, {"x-ms-delete-type-permanent": "true"})


def _check(call: BlobCall) -> None:
    """Raises BlobError unless the blob that is to be written is as the request wants it, there or not there."""
    known = call.store.blob(call.container, call.blob)
    check_conditions(call.request, known.etag if known else "", known.changed_s if known else 0.0)


def _made(call: BlobCall, content: bytes, md5: str, blocks: tuple[CommittedBlock, ...]) -> BlockBlob:
    known = call.store.blob(call.container, call.blob)
    created_s = known.created_s if known else call.now_s
    headers, metadata = call.blob_headers(md5), call.metadata()
    return BlockBlob(call.container, call.blob, call.etag, created_s, call.now_s, content, headers, metadata, blocks)


def _described(blob: BlockBlob) -> dict[str, str]:
    """The headers that say what a blob is."""
    told = {
        "etag": blob.etag,
        "last-modified": xml.http_date(blob.changed_s),
        "x-ms-creation-time": xml.http_date(blob.created_s),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "true",
        "accept-ranges": "bytes",
        "content-encoding": blob.headers.content_encoding,
        "content-language": blob.headers.content_language,
        "content-disposition": blob.headers.content_disposition,
        "cache-control": blob.headers.cache_control,
    }
    return told | {META + name: value for name, value in blob.metadata.items()}
