"""Answers in the form of the metadata service: plain text, and XHTML for errors (docs/reference/aws-wire.md#imds-errors)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from brownout.identity.core.messages import Response

SERVER = (b"server", b"EC2ws")
TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "x-aws-ec2-metadata-token"
_ERROR_PAGE = """<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>{0}</title>
 </head>
 <body>
  <h1>{0}</h1>
 </body>
</html>
"""


def text(content: str, headers: Iterable[tuple[bytes, bytes]] = (), *, status: int = 200) -> Response:
    """An answer whose payload is that text."""
    lines = ((b"content-type", b"text/plain"), (b"accept-ranges", b"none"), SERVER, *headers)
    return Response.raw(status, lines, content.encode())


def failure(status: int, headers: Iterable[tuple[bytes, bytes]] = ()) -> Response:
    """An error page of that status."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    lines = ((b"content-type", b"text/html"), SERVER, *headers)
    return Response.raw(status, lines, _ERROR_PAGE.format(f"{status} - {phrase}").encode())


def not_allowed(*methods: str) -> Response:
    """405 with the methods that the path has, and nothing more: the service sends no page for it."""
    return text("", ((b"allow", ", ".join(methods).encode()),), status=405)
