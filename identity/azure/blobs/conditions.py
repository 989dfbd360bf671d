"""Conditional headers of a request (RFC 9110 section 13) as Storage takes them."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from brownout.identity.azure.blobs.blob_errors import BlobError, bad_header
from brownout.identity.core.messages import Request

READS = ("GET", "HEAD")


def check_conditions(request: Request, etag: str, changed_s: float) -> None:
    """Raises BlobError unless the thing with that etag, which changed then last, is as the request wants it.

    A read of what has not changed is 304. `etag` is "" for a thing that is not there.
    """
    headers = request.headers
    wanted, unwanted = headers.get("if-match", ""), headers.get("if-none-match", "")
    if wanted and not _names(wanted, etag):
        raise BlobError("ConditionNotMet")
    if unwanted and _names(unwanted, etag):
        raise _unchanged(request)
    if etag and not wanted and _changed_after(request, "if-unmodified-since", changed_s) is True:
        raise BlobError("ConditionNotMet")
    if etag and not unwanted and _changed_after(request, "if-modified-since", changed_s) is False:
        raise _unchanged(request)


def _names(given: str, etag: str) -> bool:
    """True when a list of etags names this one; `*` names any thing that is there."""
    listed = [each.strip() for each in given.split(",")]
    return bool(etag) and ("*" in listed or any(each.strip('"') == etag.strip('"') for each in listed))


def _changed_after(request: Request, name: str, changed_s: float) -> bool | None:
    """Whether it has changed since the time in a header, to the second; None without the header."""
    text = request.headers.get(name, "")
    if not text:
        return None
    try:
        return int(changed_s) > parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        raise bad_header(name, text) from None


def _unchanged(request: Request) -> BlobError:
    """What a condition on something unchanged comes to: nothing new for a read, a refusal for a write."""
    error = BlobError("ConditionNotMet")
    if request.method in READS:
        error.status = 304
    elif "*" in request.headers.get("if-none-match", ""):
        error = BlobError("BlobAlreadyExists")
    return error
