"""Which machine a request to AWS's endpoints of a host means, and what it asks of that machine.

As with IMDS of the other vendor, each machine is below `/{address}`; a client that knows a host only means the machine that
the host name `{address}.localhost` names, else the region's default machine (docs/design.md#which-machine-a-client-means).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import Machine

VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-09-24",
    "2024-04-11",
    "latest",
)
_TOP = re.compile(r"\d{4}-\d{2}-\d{2}|1\.0|latest|v1|v2")  # the first word of each of AWS's paths on a machine
_SECOND = ("api", "credentials", "dynamic", "meta-data", "user-data")
_HOST_NAMES = ".localhost"


@dataclass(frozen=True, slots=True)
class MachinePage:
    """A request taken apart: the machine's address as given, the machine if there is one, and the words of its path."""

    address: str
    machine: Machine | None
    words: tuple[str, ...]


def is_ours(request: Request) -> bool:
    """True for a path of AWS's own: a version or `v1`/`v2` first, or after one word that may be an address."""
    words = request.words
    return _is_root(words) or _is_root(words[1:])


def _is_root(words: list[str]) -> bool:
    return bool(words) and _TOP.fullmatch(words[0]) is not None and (len(words) == 1 or words[1] in _SECOND)


def resolve(request: Request, node: Host) -> MachinePage:
    """What a request of ours means."""
    words = request.words
    if not _is_root(words) or _is_root(words[1:]):  # a machine may be called like a version
        return MachinePage(words[0], node.machine(words[0]), tuple(words[1:]))
    name = request.headers.get("host", "").partition(":")[0].lower()
    if name.endswith(_HOST_NAMES):
        address = name.removesuffix(_HOST_NAMES)
        return MachinePage(address, node.machine(address), tuple(words))
    return MachinePage("", node.default_machine(), tuple(words))
