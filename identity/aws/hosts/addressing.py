"""Which machine a request to AWS's endpoints of a host means, and what it asks of that machine.

As with IMDS of the other vendor, each machine is below `/{address}`; a client that knows a host only means the machine that
the host name `{address}.localhost` names, else the region's default machine (docs/design.md#which-machine-a-client-means).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

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
KNOWN_PATHS, KNOWN_PATH_MAX = 1024, 256  # how many paths are remembered taken apart, and of how many characters at most


class MachinePage(NamedTuple):
    """A request taken apart: the machine's address as given, the machine if there is one, and the words of its path."""

    address: str
    machine: Machine | None
    words: tuple[str, ...]


def is_ours(request: Request) -> bool:
    """True for a path of AWS's own: a version or `v1`/`v2` first, or after one word that may be an address."""
    return _pages_of(request.path).is_ours


class _PathWords(NamedTuple):
    """A path's words, whether it is one of AWS's, and whether its first word is a machine's address."""

    words: tuple[str, ...]
    is_ours: bool
    has_address: bool


def _pages_of(path: str) -> _PathWords:
    return _known_path(path) if len(path) <= KNOWN_PATH_MAX else _read_path(path)


def _read_path(path: str) -> _PathWords:
    words = tuple([word for word in path.split("/") if word])
    is_root, is_below = _is_root(words), _is_root(words[1:])
    return _PathWords(words, is_root or is_below, not is_root or is_below)  # a machine may be called like a version


_known_path = lru_cache(maxsize=KNOWN_PATHS)(_read_path)  # each of a host's surfaces asks, and machines read the same pages


def _is_root(words: tuple[str, ...]) -> bool:
    return bool(words) and _TOP.fullmatch(words[0]) is not None and (len(words) == 1 or words[1] in _SECOND)


def resolve(request: Request, node: Host) -> MachinePage:
    """What a request of ours means."""
    words, _, has_address = _pages_of(request.path)
    if has_address:
        return MachinePage(words[0], node.machine(words[0]), words[1:])
    name = request.headers.get("host", "").partition(":")[0].lower()
    if name.endswith(_HOST_NAMES):
        address = name.removesuffix(_HOST_NAMES)
        return MachinePage(address, node.machine(address), words)
    return MachinePage("", node.default_machine(), words)
