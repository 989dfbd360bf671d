"""What the token endpoints of machines have in common.

A machine has several: IMDS, App Service's, and so on. Each is an `MachineEndpoint`: a path below the machine's address, and one
vendor contract in four methods. How a request is counted, limited, served from a cache and broken on purpose is the same for
all (brownout.identity.azure.hosts.surface).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from brownout.identity.azure.hosts.limits import TokenLimits
from brownout.identity.core.messages import EMPTY, Request, Response
from brownout.identity.core.records import CachedToken, Identity, Machine
from brownout.identity.core.surface import STATUS, Failure
from brownout.identity.core.token_cache import TokenCache

Query = Mapping[str, str]
# What faults and `brownout env` call the endpoints.
IMDS, APP_SERVICE, VM_EXTENSION, SERVICE_FABRIC, ARC, CLOUD_SHELL = KINDS = (
    "imds",
    "app-service",
    "vm-extension",
    "service-fabric",
    "arc",
    "cloud-shell",
)

# App Service's endpoint as clients of its older version ask it: the same path, secret and cache.
APP_SERVICE_2017 = "app-service-2017"

# No endpoint of a machine's own: a pod's token of its service account is exchanged at Entra.
WORKLOAD_IDENTITY = "workload-identity"
WITH_SECRETS = frozenset(
    {APP_SERVICE, APP_SERVICE_2017, SERVICE_FABRIC, ARC, WORKLOAD_IDENTITY}
)  # a program has to show its machine's
# A client cannot choose the identity by its resource id; the older App Service takes a client id, which loads do not send.
WITHOUT_SELECTORS = frozenset({APP_SERVICE_2017, SERVICE_FABRIC, CLOUD_SHELL, WORKLOAD_IDENTITY})

OWN_BY_DEFAULT = frozenset(
    {APP_SERVICE, APP_SERVICE_2017, ARC}
)  # a client that names no identity means the machine's own, never another one
WITH_CACHES = frozenset(KINDS) - {IMDS}  # these keep tokens of their own, beside the host's


class Asked(NamedTuple):
    """A token request understood: for which identity and resource, the selectors to echo, and whether to pass the cache by."""

    identity: Identity
    resource: str
    selectors: Mapping[str, str]
    bypass_cache: bool = False


class Unclear(NamedTuple):
    """A token request that names no identity on a machine where nothing says which one is meant, and its refusal.

    The host may still have a token for such requests, from a time when it was clear.
    """

    refusal: Response
    resource: str
    bypass_cache: bool = False
    selectors: Mapping[str, str] = EMPTY


class MachineEndpoint(Protocol):
    """One token endpoint of every machine of a host.

    `kind` is what faults and `brownout env` call it, `path` where it is below a machine's address. `cache` is its own; None for
    the host's. `limits` are those of its requests, None for none.
    """

    @property
    def kind(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def cache(self) -> TokenCache | None: ...

    @property
    def limits(self) -> TokenLimits | None: ...

    def read(self, request: Request, machine: Machine) -> Asked | Unclear | Response:
        """What a request asks for, or the answer that refuses it."""
        ...

    def answer(self, request: Request, asked: Asked | Unclear, token: CachedToken, now_s: float) -> Response:
        """The answer with a token."""
        ...

    def failed(self, request: Request, failure: Failure) -> Response:
        """What clients are told when the service behind the endpoint has no token."""
        ...

    def says(self, request: Request, status: int) -> Response:
        """What the endpoint says with that status when no more is known, 429 over its limits too: its shape, a text of ours."""
        ...


def status_of(failure: Failure) -> int:
    """The status of a failure: 400 for an identity that is gone or not assigned, 5xx for an outage."""
    return 400 if failure.code == "not-found" else STATUS[failure.code]


def implied_identity(identities: tuple[Identity, ...]) -> Identity | None:
    """Who a machine is to a client that does not say: its own identity, else the only one; None where that is not clear."""
    for identity in identities:
        if identity.is_system or len(identities) == 1:
            return identity
    return None


def selected(identities: tuple[Identity, ...], attribute: str, wanted: str) -> Identity | None:
    """The identity of which `attribute` (`client_id`, `object_id`, `resource_id`) is `wanted`, in any case; None if none is."""
    for identity in identities:
        if str(getattr(identity, attribute)).lower() == wanted.lower():
            return identity
    return None


def lower_query(request: Request) -> Query | None:
    """The query by names in lower case; None when a name is given twice."""
    given = request.query
    query = {name.lower(): value for name, value in given.items()}
    return None if request.has_doubled_fields or len(query) != len(given) else query
