"""The URL at which a client reached a node of Azure's half, for answers that lead back to it.

A client comes by a link of its own (plain HTTP), by a door with TLS, or by one of Azure's names. Its next request has to go the
same way: an SDK that sent its token over TLS sends it over nothing else.
"""

from __future__ import annotations

from brownout.identity.azure.names import all_names
from brownout.identity.core.messages import Request
from brownout.identity.core.node import Node


def base_url(node: Node, request: Request) -> str:
    """Without a slash at the end. A host that is none of the stack's is not believed: then it is the URL of the node's link.

    "" where the node has no URL, as in a simulation.
    """
    stack, host = node.stack, request.headers.get("host", "").lower().removesuffix(":443")
    by_door = f"https://{host}" in stack.public_urls.values()
    by_name = stack.edge and host in all_names(stack.regions)
    if by_door or by_name:
        return f"https://{host}"
    return stack.public_urls.get(node.name, "")
