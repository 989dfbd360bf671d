"""The names of the images of a stack of containers: what a stack starts is what `brownout images` builds."""

from __future__ import annotations

from brownout import __version__

FIREWALL_IMAGE, LOAD_IMAGE = f"brownout/firewall:{__version__}", f"brownout/load:{__version__}"
TOXIPROXY_IMAGE = "ghcr.io/shopify/toxiproxy:2.12.0"


def tag_of(build: str) -> str:
    """The tag of the service's image that holds one build, or of the usual one for ""."""
    return f"{__version__}-build{build}" if build else __version__


def identity_image(build: str = "") -> str:
    """The service's image that holds one build, or the usual one for ""."""
    return f"brownout/identity:{tag_of(build)}"


IDENTITY_IMAGE = identity_image()
