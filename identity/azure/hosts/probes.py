"""A token request to each kind of endpoint, as a program on the machine sends it: for loads, and for looks at its answers."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from brownout.identity.azure.hosts.endpoint import (
    APP_SERVICE,
    APP_SERVICE_2017,
    ARC,
    CLOUD_SHELL,
    IMDS,
    SERVICE_FABRIC,
    VM_EXTENSION,
)
from brownout.identity.core.messages import FORM_TYPE, Request

RESOURCE = "https://vault.azure.net"
# By kind: path below the machine, api-version, and headers, in which {} is for the endpoint's secret.
_GETS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    IMDS: ("metadata/identity/oauth2/token", "2018-02-01", {"metadata": "true"}),
    APP_SERVICE: ("msi/token", "2019-08-01", {"x-identity-header": "{}"}),
    APP_SERVICE_2017: ("msi/token", "2017-09-01", {"secret": "{}"}),
    VM_EXTENSION: ("oauth2/token", "", {"metadata": "true"}),
    SERVICE_FABRIC: ("fabric/metadata/identity/oauth2/token", "2019-07-01-preview", {"secret": "{}"}),
    ARC: ("arc/metadata/identity/oauth2/token", "2020-06-01", {"metadata": "true", "authorization": "Basic {}"}),
}


CLOUD_SHELL_PATH = "cloud-shell/oauth2/token"
POD_PAGE = ["pod", "identity"]  # the words below a machine's address


def endpoint_path(kind: str) -> str:
    """Where the endpoint of that kind is below a machine's address; raises KeyError for no such kind."""
    return CLOUD_SHELL_PATH if kind == CLOUD_SHELL else _GETS[kind][0]


def token_request(
    kind: str, secret: str, address: str, *, resource: str = RESOURCE, selectors: Mapping[str, str] | None = None
) -> Request:
    """A request for a token, by the endpoint of that kind, of the machine of that address; raises KeyError for no such kind.

    Without a secret it does not have the header that would show one: so a client of Arc asks first.
    """
    if kind == CLOUD_SHELL:
        lines = ((b"metadata", b"true"), (b"content-type", FORM_TYPE.encode()))
        form = urlencode({"resource": resource, **(selectors or {})}).encode()
        return Request.raw("POST", f"/{address}/{CLOUD_SHELL_PATH}", lines, form)
    path, version, headers = _GETS[kind]
    query = ({"api-version": version} if version else {}) | {"resource": resource} | dict(selectors or {})
    shown = {name: value.format(secret) for name, value in headers.items() if secret or "{}" not in value}
    return Request("GET", f"/{address}/{path}", query, shown)


def pod_request(secret: str, address: str) -> Request:
    """What a pod on the machine of that address asks its node for when it starts, in place of reading its file system."""
    return Request("GET", f"/{address}/{'/'.join(POD_PAGE)}", headers={"authorization": f"Bearer {secret}"})
