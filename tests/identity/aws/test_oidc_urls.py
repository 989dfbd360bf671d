"""Which URLs an OpenID Connect provider can have, and the name that its ARN gets."""

from __future__ import annotations

import pytest

from brownout.identity.aws.oidc_urls import BadProviderUrl, provider_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://accounts.google.com", "accounts.google.com"),
        ("https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE", "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"),
        ("https://login.microsoftonline.com/tenant/v2.0", "login.microsoftonline.com/tenant/v2.0"),
        ("https://sts.windows.net/tenant/", "sts.windows.net/tenant/"),
        ("https://Example.COM/Path", "Example.COM/Path"),
        ("https://localhost", "localhost"),
    ],
)
def test_the_name_is_the_url_without_its_scheme(url: str, name: str) -> None:
    """Nothing but the scheme is taken away, neither a slash at the end nor the case of a letter."""
    assert provider_name(url) == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "accounts.google.com",
        "http://accounts.google.com",
        "HTTPS://accounts.google.com",
        "https://",
        "https:///path",
        "https://host:8443/path",
        "https://user@host",
        "https://host/path?query=1",
        "https://host?query=1",
        "https://host/path#fragment",
        "https://-host",
        "https://ho st",
        "https://host/pa th",
        "https://host/pfad/\u00e4",
        "https://host/path\n",
        "https://host\n",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    """Another scheme, no host, a port, a user, a query, a fragment or a character outside ASCII."""
    with pytest.raises(BadProviderUrl):
        provider_name(url)
