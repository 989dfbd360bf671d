"""The tenant as paths name it, and the names under which clients find Entra."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from brownout.identity.core.messages import Request

LOGIN = "login.microsoftonline.com"
ALIASES = (LOGIN, "login.windows.net", "login.microsoft.com", "sts.windows.net")  # that mean the same public cloud
ANY_TENANT = ("common", "organizations")  # what stands for the tenant that a client turns out to be of


def is_known(tenant: str, tenant_id: str) -> bool:
    """True for the stack's tenant and for what stands for any; case does not matter."""
    return tenant.lower() in (tenant_id.lower(), *ANY_TENANT)


def host_of(request: Request) -> str:
    """The host that the client called, in lower case and without its port; "" where it named none."""
    return request.headers.get("host", "").partition(":")[0].lower()


def is_entra(host: str) -> bool:
    """True for a name of Entra's, with or without a region in front."""
    return host in ALIASES or host.endswith(".login.microsoft.com")


def parts_of_url(url: str) -> SplitResult:
    """The parts of a URL that a client sent; none at all of what is no URL."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts
