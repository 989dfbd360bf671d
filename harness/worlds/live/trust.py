"""What clients of a stack's edge trust: an authority of the stack's own, as files in the stack's folder."""

from __future__ import annotations

import ssl
from pathlib import Path

from brownout.harness.base.files import OWNER_ONLY, replace_whole
from brownout.harness.world import EdgeDoors
from brownout.identity.core.topology import StackSpec
from brownout.identity.names import endpoint_names
from brownout.identity.server.spec_file import Authority, ServedStack

CA_NAME, TRUST_NAME = "ca.pem", "trust.pem"
DEBIANS_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # not where OpenSSL built for another system looks


def make_trust(folder: Path, stack: StackSpec) -> Authority:
    """A new authority, called after the folder, whose certificates are written there; never its keys."""
    from brownout.identity.server.edge.authority import make_authority  # brings X.509, which other stacks need not wait for

    authority = make_authority(folder.name, endpoint_names(stack))
    replace_whole(folder / CA_NAME, authority.ca, durable=False, mode=OWNER_ONLY)
    replace_whole(folder / TRUST_NAME, _machines_authorities() + authority.ca, durable=False, mode=OWNER_ONLY)
    return authority


def edge_doors(folder: Path, served: ServedStack) -> EdgeDoors | None:
    """The doors of a served stack, for clients on this machine; None where it has none."""
    if served.authority is None:
        return None
    return EdgeDoors.of(served.doors, folder / CA_NAME, folder / TRUST_NAME, served.authority.thumbprint)


def _machines_authorities() -> str:
    """The certificates, in PEM, that programs on this machine trust by default; empty where OpenSSL knows of no file."""
    found = ssl.get_default_verify_paths().cafile or DEBIANS_AUTHORITIES
    try:
        return Path(found).read_text(encoding="utf-8").rstrip() + "\n"
    except (OSError, UnicodeDecodeError):
        return ""
