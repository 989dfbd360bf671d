"""Storage's XML: what it answers, and the list of blocks that it reads."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

from brownout.identity.azure.blobs.blob_errors import BlobError
from brownout.identity.azure.data.blob_records import BlobContainer, BlockBlob, CommittedBlock, StagedBlock

DECLARATION = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>'
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
BlockKind = Literal["Committed", "Uncommitted", "Latest"]


def document(root: ET.Element) -> bytes:
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=False)
    return DECLARATION + body


def element(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    made = ET.SubElement(parent, name)
    made.text = text
    return made


def http_date(at_s: float) -> str:
    """A time as headers and lists have it."""
    return f"{datetime.fromtimestamp(at_s, UTC):%a, %d %b %Y %H:%M:%S GMT}"


def error_document(error: BlobError, request_id: str, now_s: float) -> bytes:
    root = ET.Element("Error")
    element(root, "Code", error.code)
    time = f"{datetime.fromtimestamp(now_s, UTC):%Y-%m-%dT%H:%M:%S.0000000Z}"
    element(root, "Message", f"{error.message}\nRequestId:{request_id}\nTime:{time}")
    for name, text in error.more.items():
        element(root, name, _NO_XML.sub("?", text))
    return document(root)


def container_list(url: str, items: Iterable[BlobContainer], asked: Mapping[str, str], next_marker: str) -> bytes:
    root = _results(url, asked)
    containers = element(root, "Containers")
    for each in items:
        node = element(containers, "Container")
        element(node, "Name", each.name)
        properties = element(node, "Properties")
        element(properties, "Last-Modified", http_date(each.changed_s))
        element(properties, "Etag", each.etag)
        for name, text in (("LeaseStatus", "unlocked"), ("LeaseState", "available")):
            element(properties, name, text)
        if "metadata" in asked.get("include", ""):
            _metadata(node, each.metadata)
    element(root, "NextMarker", next_marker)
    return document(root)


def blob_list(url: str, container: str, items: Iterable[BlockBlob | str], asked: Mapping[str, str], next_marker: str) -> bytes:
    """A page of a container's blobs; an item that is a text is a prefix that several have."""
    root = _results(url, asked)
    root.set("ContainerName", container)
    blobs = element(root, "Blobs")
    for each in items:
        if isinstance(each, str):
            _name(element(blobs, "BlobPrefix"), each)
            continue
        node = element(blobs, "Blob")
        _name(node, each.name)
        _properties(element(node, "Properties"), each)
        if "metadata" in asked.get("include", ""):
            _metadata(node, each.metadata)
    element(root, "NextMarker", next_marker)
    return document(root)


def block_list(committed: Iterable[CommittedBlock] | None, staged: Iterable[StagedBlock] | None) -> bytes:
    """The blocks of a blob; None for a kind that was not asked for."""
    root = ET.Element("BlockList")
    told = (
        ("CommittedBlocks", None if committed is None else [(each.block_id, each.size) for each in committed]),
        ("UncommittedBlocks", None if staged is None else [(each.block_id, len(each.content)) for each in staged]),
    )
    for kind, blocks in told:
        if blocks is None:
            continue
        node = element(root, kind)
        for block_id, size in blocks:
            block = element(node, "Block")
            element(block, "Name", block_id)
            element(block, "Size", str(size))
    return document(root)


def read_block_list(payload: bytes) -> list[tuple[BlockKind, str]]:
    """The blocks that a client wants a blob to be made of, in their order; raises BlobError."""
    kinds: Mapping[str, BlockKind] = {"Committed": "Committed", "Uncommitted": "Uncommitted", "Latest": "Latest"}
    if b"<!DOCTYPE" in payload or b"<!ENTITY" in payload:
        raise BlobError("InvalidXmlDocument")
    try:
        root = ET.fromstring(payload)  # noqa: S314 (document types are refused)
        return [(kinds[each.tag], each.text or "") for each in root]
    except (ET.ParseError, KeyError, ValueError):
        raise BlobError("InvalidXmlDocument") from None


def _results(url: str, asked: Mapping[str, str]) -> ET.Element:
    root = ET.Element("EnumerationResults", {"ServiceEndpoint": f"{url}/"})
    for tag, name in (("Prefix", "prefix"), ("Marker", "marker"), ("MaxResults", "maxresults"), ("Delimiter", "delimiter")):
        if asked.get(name):
            element(root, tag, _NO_XML.sub("?", asked[name]))
    return root


def _name(parent: ET.Element, name: str) -> None:
    """A name, in escapes where XML cannot hold it."""
    if _NO_XML.search(name):
        element(parent, "Name", quote(name, safe="/")).set("Encoded", "true")
    else:
        element(parent, "Name", name)


def _properties(parent: ET.Element, blob: BlockBlob) -> None:
    headers = blob.headers
    told = (
        ("Creation-Time", http_date(blob.created_s)),
        ("Last-Modified", http_date(blob.changed_s)),
        ("Etag", blob.etag.strip('"')),
        ("Content-Length", str(len(blob.content))),
        ("Content-Type", headers.content_type),
        ("Content-Encoding", headers.content_encoding),
        ("Content-Language", headers.content_language),
        ("Content-MD5", headers.content_md5),
        ("Cache-Control", headers.cache_control),
        ("Content-Disposition", headers.content_disposition),
        ("BlobType", "BlockBlob"),
        ("AccessTier", "Hot"),
        ("AccessTierInferred", "true"),
        ("LeaseStatus", "unlocked"),
        ("LeaseState", "available"),
        ("ServerEncrypted", "true"),
    )
    for name, text in told:
        element(parent, name, text or None)


def _metadata(parent: ET.Element, metadata: Mapping[str, str]) -> None:
    node = element(parent, "Metadata")
    for name, text in metadata.items():
        element(node, name, text)
