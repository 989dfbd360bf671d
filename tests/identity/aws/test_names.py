"""AWS's endpoint names lead to the region that AWS's own lead to."""

from __future__ import annotations

import botocore.session
import pytest

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.names import LONGEST_HOST, OPT_IN, endpoints, host_name
from brownout.identity.core.edge.names import Endpoint
from brownout.identity.core.messages import Request
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import REGIONS
from brownout.identity.names import endpoint_names

ALL = tuple(REGIONS)
STACK = build_stack(seed=1, regions=ALL, home="virginia", vendors=("aws",))


@pytest.mark.parametrize("region", ALL)
def test_a_regional_name_leads_to_its_region_from_everywhere(region: str) -> None:
    """STS and sign-in are on its token nodes, Secrets Manager on its vault, wherever the client stands."""
    routes, aws = endpoints(STACK, Settings()), REGIONS[region].aws_name
    for client in ALL:
        assert routes[f"sts.{aws}.amazonaws.com", client] == Endpoint("token", region)
        assert routes[f"{aws}.signin.aws.amazon.com", client] == Endpoint("token", region)
        assert routes[f"secretsmanager.{aws}.amazonaws.com", client] == Endpoint("vault", region)


def test_the_global_sts_name_is_served_locally_but_in_opt_in_regions() -> None:
    """`local` is what AWS does since April 2025, `home` what it did before."""
    local, home = endpoints(STACK, Settings()), endpoints(STACK, Settings(global_sts="home"))
    for client in ALL:
        wanted = "virginia" if REGIONS[client].aws_name in OPT_IN else client
        assert local["sts.amazonaws.com", client] == Endpoint("token", wanted)
        assert home["sts.amazonaws.com", client] == Endpoint("token", "virginia")


def test_the_name_that_a_client_asked_has_no_port_and_no_capitals() -> None:
    """As it stands in the request's line, whatever wrote it; none is no name."""
    for lines, name in (((b"Host", b"STS.amazonaws.com:443"), "sts.amazonaws.com"), ((b"x-host", b"a"), "")):
        assert host_name(Request.raw("POST", "/", (lines,))) == name
    assert host_name(Request("POST", "/", headers={"host": "sts.amazonaws.com"})) == "sts.amazonaws.com"
    for _ in range(2):  # each is another's, also the second time, and the longest that a client can send
        for host in ("a.signin.aws.amazon.com", "b.signin.aws.amazon.com", f"{'c' * LONGEST_HOST}.amazonaws.com"):
            assert host_name(Request.raw("GET", "/", ((b"host", f"{host}:80".encode()),))) == host


def test_iam_is_one_name_with_a_front_end_in_every_region() -> None:
    """A client gets to the front end of its own region; global sign-in is the home region's alone."""
    routes = endpoints(STACK, Settings())
    assert {routes["iam.amazonaws.com", client] for client in ALL} == {Endpoint("management", client) for client in ALL}
    assert {routes["signin.aws.amazon.com", client] for client in ALL} == {Endpoint("token", "virginia")}


@pytest.mark.parametrize("service", ["sts", "iam", "secretsmanager"])
def test_every_endpoint_that_botocore_chooses_is_a_name(service: str) -> None:
    """botocore's own endpoint rules, for every region of ours, lead to a name that the stack has."""
    session, names = botocore.session.get_session(), endpoint_names(STACK)
    for region in ALL:
        client = session.create_client(service, REGIONS[region].aws_name, aws_access_key_id="x", aws_secret_access_key="x")
        assert client.meta.endpoint_url.removeprefix("https://") in names
