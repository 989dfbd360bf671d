"""AWS's endpoint names, and where each leads in a stack (docs/reference/aws-wire.md#endpoint-names).

A regional name leads to its region. `iam.amazonaws.com` is one name in all regions, and a client gets to the front end
nearest to it, which forwards to the control plane. `sts.amazonaws.com` is the setting `global_sts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from brownout.identity.aws.records.seed import account_of
from brownout.identity.core.edge.names import Endpoint, NameRoutes
from brownout.identity.core.messages import Request
from brownout.identity.core.settings import Settings
from brownout.identity.core.topology import MANAGEMENT, REGIONS, TOKEN, VAULT, StackSpec

GLOBAL_STS = "sts.amazonaws.com"
GLOBAL_SIGNIN = "signin.aws.amazon.com"
SIGNIN_COOKIE = "aws-creds"  # who has it is signed in to the console
IAM = "iam.amazonaws.com"
LONGEST_HOST = 260  # bytes of a host and its port that are remembered, so that memory is bounded
# Regions that an account has to switch on. From there the global name still leads to the home region.
OPT_IN = frozenset({"ap-southeast-4", "ap-east-1", "me-south-1", "eu-south-1", "af-south-1"})


def regional_names(aws_region: str) -> Mapping[str, str]:
    """The names of one region, with the role that each leads to."""
    return {
        f"sts.{aws_region}.amazonaws.com": TOKEN,
        f"secretsmanager.{aws_region}.amazonaws.com": VAULT,
        f"cloudformation.{aws_region}.amazonaws.com": MANAGEMENT,
        f"{aws_region}.signin.aws.amazon.com": TOKEN,
    }


def endpoints(stack: StackSpec, settings: Settings) -> NameRoutes:
    """Where each name leads for clients of each region of the stack."""
    return {**_endpoints(stack.regions, stack.home_region, settings.global_sts), **_account_endpoints(stack)}


def _account_endpoints(stack: StackSpec) -> NameRoutes:
    """Where the account's own name leads, which alone of all names has the account in it."""
    name = account_signin(stack)
    return {(name, client): Endpoint(TOKEN, client) for client in stack.regions}


@lru_cache(maxsize=64)  # of each stack it is asked several times, and few stacks differ in this
def _endpoints(regions: tuple[str, ...], home_region: str, global_sts: str) -> NameRoutes:
    found: dict[tuple[str, str], Endpoint] = {}
    regional = {
        name: Endpoint(role, region) for region in regions for name, role in regional_names(REGIONS[region].aws_name).items()
    }
    for client in regions:
        is_local = global_sts == "local" and REGIONS[client].aws_name not in OPT_IN
        found |= {(name, client): endpoint for name, endpoint in regional.items()}
        found[GLOBAL_STS, client] = Endpoint(TOKEN, client if is_local else home_region)
        found[GLOBAL_SIGNIN, client] = Endpoint(TOKEN, home_region)
        found[IAM, client] = Endpoint(MANAGEMENT, client)
    return found


def host_name(request: Request) -> str:
    """The name that the client asked, in lower case without the port."""
    host = request.raw_by_name.get(b"host", b"")
    return _known_name(host) if len(host) <= LONGEST_HOST else _name_in(host)


def _name_in(host: bytes) -> str:
    return host.decode("latin-1").partition(":")[0].lower()


_known_name = lru_cache(maxsize=256)(_name_in)  # a node is asked by few names


def account_signin(stack: StackSpec) -> str:
    """The account's own name for sign-in: it leads to the nearest region, and the query says which region is meant."""
    return f"{account_of(stack)}.{GLOBAL_SIGNIN}"
