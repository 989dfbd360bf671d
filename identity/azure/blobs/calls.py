"""One request to the storage account that may be served: what it is about, and what is read of its headers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from brownout.identity.azure.blobs.blob_errors import BlobError, bad_header, bad_query
from brownout.identity.azure.blobs.xml import http_date
from brownout.identity.azure.data.blob_records import BlobContainer, BlobHeaders, BlockBlob
from brownout.identity.azure.data.blob_store import BlobStore
from brownout.identity.core.messages import Request, Response

META = "x-ms-meta-"
_META_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTAINER = re.compile(r"\$root|[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
LONGEST_BLOB_NAME = 1024
MOST_ON_A_PAGE = 5000
CONTAINERS = "Microsoft.Storage/storageAccounts/blobServices/containers"
BLOBS = f"{CONTAINERS}/blobs"
Level = Literal["service", "container", "blob"]


@dataclass(frozen=True, slots=True)
class BlobCall:
    """A call about a container, and about a blob in it where `blob` is not "". `url` is the account's."""

    store: BlobStore
    request: Request
    container: str
    blob: str
    url: str
    now_s: float
    etag: str  # for what the call makes or changes

    def need_container(self) -> BlobContainer:
        """Raises BlobError ContainerNotFound."""
        found = self.store.container(self.container)
        if found is None:
            raise BlobError("ContainerNotFound")
        return found

    def need_blob(self) -> BlockBlob:
        """Raises BlobError ContainerNotFound or BlobNotFound."""
        self.need_container()
        found = self.store.blob(self.container, self.blob)
        if found is None:
            raise BlobError("BlobNotFound")
        return found

    def metadata(self) -> dict[str, str]:
        """The metadata in the headers, with the names' case; raises BlobError."""
        found: dict[str, str] = {}
        for raw_name, raw_value in self.request.raw_headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            if name.lower().startswith(META):
                key = name[len(META) :]
                if _META_NAME.fullmatch(key) is None or not value.isascii():
                    raise BlobError("InvalidMetadata")
                found[key] = value
        return found

    def blob_headers(self, content_md5: str = "") -> BlobHeaders:
        """What the request says that readers are to be told; `content_md5` where it says none."""
        given = self.request.headers
        return BlobHeaders(
            given.get("x-ms-blob-content-type") or "application/octet-stream",
            given.get("x-ms-blob-content-encoding", ""),
            given.get("x-ms-blob-content-language", ""),
            given.get("x-ms-blob-content-disposition", ""),
            given.get("x-ms-blob-cache-control", ""),
            given.get("x-ms-blob-content-md5", content_md5),
        )

    def content(self) -> tuple[bytes, str]:
        """The payload and its MD5 in Base64; raises BlobError where the client computed another."""
        payload = self.request.payload
        md5 = base64.b64encode(hashlib.md5(payload, usedforsecurity=False).digest()).decode()
        given = self.request.headers.get("content-md5", md5)
        if given != md5:
            raise BlobError("Md5Mismatch")
        return payload, md5

    def page_size(self) -> int:
        """`maxresults`; raises BlobError."""
        text = self.request.query.get("maxresults", str(MOST_ON_A_PAGE))
        if not text.isdecimal():
            raise bad_query("maxresults", text)
        if int(text) < 1:
            raise BlobError("OutOfRangeQueryParameterValue", more={"QueryParameterName": "maxresults"})
        return min(int(text), MOST_ON_A_PAGE)

    def marker(self) -> str:
        """The name after which a page begins, "" for the first page; raises BlobError."""
        text = self.request.query.get("marker", "")
        try:
            return base64.b64decode(text, altchars=b"-_", validate=True).decode()
        except (ValueError, binascii.Error):
            raise bad_query("marker", text) from None


def marker_after(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def check_names(container: str, blob: str) -> None:
    """Raises BlobError for what can be no container's or blob's name."""
    if container and _CONTAINER.fullmatch(container) is None:
        raise BlobError("InvalidResourceName")
    if len(blob) > LONGEST_BLOB_NAME:
        raise BlobError("InvalidUri")


def answer(status: int, headers: Mapping[str, str], payload: bytes = b"", media_type: str = "") -> Response:
    """An answer of bytes; its headers keep the case of their names, as metadata has it."""
    lines = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items() if value]
    if media_type:
        lines.append((b"content-type", media_type.encode("latin-1")))
    return Response.raw(status, lines, payload)


def changed(status: int, etag: str, changed_s: float, **more: str) -> Response:
    """The answer to a write: nothing but its new etag and time."""
    told = {"etag": etag, "last-modified": http_date(changed_s), "x-ms-request-server-encrypted": "true"}
    return answer(status, told | more)


def byte_range(request: Request, size: int) -> tuple[int, int] | None:
    """First and last byte that are asked for, None for the whole; raises BlobError for none that there are."""
    text = request.headers.get("x-ms-range") or request.headers.get("range", "")
    if not text:
        return None
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", text)
    if found is None:
        raise bad_header("Range", text)
    first, last = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
    if first >= size or last < first:
        raise BlobError("InvalidRange", headers={"content-range": f"bytes */{size}"})
    return first, last


@dataclass(frozen=True, slots=True)
class BlobOperation:
    """One operation. It takes one of these actions: data actions of blobs, or actions of containers."""

    run: Callable[[BlobCall], Awaitable[Response]]
    actions: tuple[str, ...]
    data: bool = True
