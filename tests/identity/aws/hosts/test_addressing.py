"""Which paths of a host are AWS's, and which machine they mean."""

from __future__ import annotations

import pytest

from brownout.identity.aws.hosts.addressing import is_ours, resolve
from brownout.identity.core.messages import Request
from brownout.identity.core.nodes.host import Host
from support.aws_machines import TokenNodes, host_of


@pytest.mark.parametrize(
    "path",
    [
        "/latest",
        "/latest/",
        "/latest/meta-data/",
        "/web-1/latest/api/token",
        "/web-1/2021-03-23/dynamic/instance-identity/document",
        "/web-1/1.0/user-data",
        "//web-1//latest//meta-data",
        "/v2/credentials/id",
        "/web-1/v1/credentials",
        "/latest/latest/meta-data",
        "/metadata/latest/meta-data",
    ],
)
def test_paths_with_a_version_are_ours(path: str) -> None:
    """At the root and below one word that may be an address."""
    assert is_ours(Request("GET", path))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/web-1",
        "/metadata/instance",
        "/web-1/metadata/identity/oauth2/token",
        "/latest/metadata/instance",
        "/v1/metadata/versions",
        "/web-1/x/latest/meta-data",
        "/web-1/2021/meta-data",
        "/web-1/v3/credentials",
    ],
)
def test_other_paths_are_not(path: str) -> None:
    """Azure's pages, also of machines that are called like a version, and what is nobody's."""
    assert not is_ours(Request("GET", path))


@pytest.mark.parametrize(
    ("path", "host", "address", "words"),
    [
        ("/web-2/latest/meta-data", "", "web-2", ("latest", "meta-data")),
        ("/latest/meta-data", "web-3.localhost:80", "web-3", ("latest", "meta-data")),
        ("/latest/meta-data", "169.254.169.254", "web-1", ("latest", "meta-data")),
        ("/latest/latest/meta-data", "", "latest", ("latest", "meta-data")),
        ("/WEB-2/v1/credentials", "", "web-2", ("v1", "credentials")),
    ],
)
def test_a_path_or_a_host_name_says_which_machine(path: str, host: str, address: str, words: tuple[str, ...]) -> None:
    """The path first, then the host name, then the region's default machine."""
    node = host_of(TokenNodes())
    assert isinstance(node, Host)
    meant = resolve(Request("GET", path, {}, {"host": host}), node)
    assert meant.machine is not None
    assert (meant.machine.address, meant.words) == (address, words)


def test_a_machine_that_is_not_there_is_none() -> None:
    """The address stays, for whoever tells of it."""
    node = host_of(TokenNodes())
    assert isinstance(node, Host)
    meant = resolve(Request("GET", "/none/latest/meta-data"), node)
    assert (meant.address, meant.machine) == ("none", None)
