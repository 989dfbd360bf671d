"""TLS as the edge speaks it. Apart from how certificates are made, whose library nodes need not wait for."""

from __future__ import annotations

import os
import ssl
from collections.abc import Collection

from brownout.identity.server.spec_file import Authority

LOCAL_NAME = "localhost"  # of doors that clients reach by URL


def server_context(authority: Authority, names: Collection[str]) -> ssl.SSLContext:
    """TLS as the edge offers it: HTTP/1.1 alone, since that is what the nodes behind it speak.

    The handshake fails with a client that names a server which is none of `names` nor localhost.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    known = {*names, LOCAL_NAME}

    def check(connection: ssl.SSLObject, name: str | None, own: ssl.SSLContext) -> int | None:
        return None if name is None or name.lower() in known else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = check
    # the ssl module reads certificates from files only; this one is in memory and ends with the block
    handle = os.memfd_create("edge")
    try:
        os.write(handle, f"{authority.certificate}{authority.key}".encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return context
