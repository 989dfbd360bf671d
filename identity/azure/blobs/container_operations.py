"""What the storage account does with containers."""

from __future__ import annotations

from dataclasses import replace

from brownout.identity.azure.blobs import xml
from brownout.identity.azure.blobs.blob_errors import BlobError
from brownout.identity.azure.blobs.calls import META, BlobCall, answer, changed, marker_after
from brownout.identity.azure.blobs.conditions import check_conditions
from brownout.identity.azure.data.blob_records import BlobContainer, BlockBlob
from brownout.identity.core.messages import Response

XML_TYPE = "application/xml"


async def list_containers(call: BlobCall) -> Response:
    asked, size, after = call.request.query, call.page_size(), call.marker()
    prefix = asked.get("prefix", "")
    found = [each for name, each in call.store.containers().items() if name.startswith(prefix) and name > after]
    page = found[:size]
    next_marker = marker_after(page[-1].name) if len(found) > size else ""
    return answer(200, {}, xml.container_list(call.url, page, asked, next_marker), XML_TYPE)


async def create_container(call: BlobCall) -> Response:
    if call.store.container(call.container) is not None:
        raise BlobError("ContainerAlreadyExists")
    await call.store.clear(call.container)
    made = BlobContainer(call.container, call.etag, call.now_s, call.now_s, call.metadata())
    await call.store.keep_container(made)
    return changed(201, made.etag, made.changed_s)


async def get_container(call: BlobCall) -> Response:
    found = call.need_container()
    headers = {
        "etag": found.etag,
        "last-modified": xml.http_date(found.changed_s),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
    }
    return answer(200, headers | {META + name: value for name, value in found.metadata.items()})


async def set_container_metadata(call: BlobCall) -> Response:
    found = call.need_container()
    check_conditions(call.request, found.etag, found.changed_s)
    made = replace(found, metadata=call.metadata(), etag=call.etag, changed_s=call.now_s)
    await call.store.keep_container(made)
    return changed(200, made.etag, made.changed_s)


async def delete_container(call: BlobCall) -> Response:
    found = call.need_container()
    check_conditions(call.request, found.etag, found.changed_s)
    await call.store.end_container(found.name)
    return answer(202, {})


async def list_blobs(call: BlobCall) -> Response:
    call.need_container()
    asked, size, after = call.request.query, call.page_size(), call.marker()
    items = _items(call, asked.get("prefix", ""), asked.get("delimiter", ""), after)
    page = items[:size]
    next_marker = marker_after(_end(page[-1])) if len(items) > size else ""
    return answer(200, {}, xml.blob_list(call.url, call.container, page, asked, next_marker), XML_TYPE)


def _items(call: BlobCall, prefix: str, delimiter: str, after: str) -> list[BlockBlob | str]:
    """The blobs after a name, those that share a prefix up to the delimiter as that prefix, once."""
    items: list[BlockBlob | str] = []
    for name, blob in call.store.blobs(call.container).items():
        if not name.startswith(prefix):
            continue
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        item: BlockBlob | str = blob if end < 0 else name[: end + len(delimiter)]
        if _end(item) > after and (not items or items[-1] != item):
            items.append(item)
    return items


def _end(item: BlockBlob | str) -> str:
    """What comes after an item of a page: a name, or a prefix with all that begins so."""
    return item if isinstance(item, str) else item.name
