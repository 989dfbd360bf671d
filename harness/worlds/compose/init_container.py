"""`python -m brownout.harness.worlds.compose.init_container`: writes a stack's specification and ends.

It is the first container of a stack. Where `brownout up` has put a specification into the shared folder, that stays and its
clock is left to that command. Otherwise (`docker compose up`) the stack is the default one, with secrets generated here, and
its clock starts now. What clients of its edge trust is then the file `ca.pem` beside the specification.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson

from brownout.harness.base.files import OWNER_ONLY, replace_whole
from brownout.harness.worlds.compose.layout import DEFAULT_FIRST_PORT, SPEC_FOLDER, doors, inside_links, public_urls
from brownout.harness.worlds.live.served_file import write_served
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import ALL_VENDORS, StackSpec
from brownout.identity.names import endpoint_names
from brownout.identity.server.clock import Clock
from brownout.identity.server.edge.authority import make_authority
from brownout.identity.server.shared_spec import GO_NAME, SPEC_NAME
from brownout.identity.server.spec_file import Authority, ServedStack

PORTS_VARIABLE = "BROWNOUT_PORTS"
CA_NAME, BY_HAND = "ca.pem", "by-hand"
GROUP_READS = 0o440


def served_stack(stack: StackSpec, clock: Clock, authority: Authority, *, first_port: int) -> ServedStack:
    """The specification that all containers of a stack read: links as containers reach them, URLs and doors as clients do."""
    named = replace(stack, public_urls=public_urls(stack, first_port))
    return ServedStack(named, clock, links=inside_links(stack)).with_doors(doors(stack, first_port), authority)


def first_port_of(environment: Mapping[str, str]) -> int:
    """The first loopback port that is published, from a range such as `20100-20130`; raises ValueError."""
    return int((environment.get(PORTS_VARIABLE) or str(DEFAULT_FIRST_PORT)).partition("-")[0])


def main(folder: Path) -> int:
    """Writes what is not there yet; returns the exit code."""
    if (folder / SPEC_NAME).exists():
        return 0
    stack = build_stack(seed=1, control_token=secrets.token_urlsafe(24), vendors=ALL_VENDORS)
    clock = Clock.starting_now(time.time(), 1.0)
    authority = make_authority(BY_HAND, endpoint_names(stack))
    write_served(folder / SPEC_NAME, served_stack(stack, clock, authority, first_port=first_port_of(os.environ)))
    (folder / SPEC_NAME).chmod(GROUP_READS)  # the firewall runs as root without the capability to read other users' files
    (folder / CA_NAME).write_text(authority.ca, encoding="ascii")
    # durable: the containers of a stack that comes back after a power cut wait for it
    replace_whole(folder / GO_NAME, orjson.dumps(clock.to_record()), durable=True, mode=OWNER_ONLY)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(SPEC_FOLDER)))
