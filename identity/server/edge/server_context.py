"""TLS as the edge speaks it. Apart from how certificates are made, whose library nodes need not wait for."""

from __future__ import annotations

import logging
import os
import ssl
import sys
from collections.abc import Collection

from brownout.identity.server.spec_file import Authority

log = logging.getLogger("brownout.identity.server")
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


def tell_of_bad_names() -> None:
    """From now on a server name that is no ASCII is told in the log, like any other handshake that fails.

    The ssl module refuses it before anything of ours is called, and would print a traceback through this hook.
    """
    others = sys.unraisablehook

    def tell(told: sys.UnraisableHookArgs) -> None:
        if isinstance(told.exc_value, UnicodeDecodeError) and isinstance(told.object, bytes):
            log.info("a client's TLS: it names the server %r", told.object[:100])
        else:
            others(told)

    sys.unraisablehook = tell
