"""`python -m brownout.compose.write`: writes compose.yaml and toxiproxy.json from the names of a stack's nodes and links.

Both are in the repository, so that `docker compose up` works without Python; `tests/compose` fails when they are stale.
"""

from __future__ import annotations

import json
from pathlib import Path

from brownout import __version__
from brownout.harness.worlds.compose.layout import (
    CONTROL,
    DEFAULT_FIRST_PORT,
    EDGE,
    FIRST_LISTEN,
    network_of,
    networks,
    probers,
    proxies,
    service_of,
    tag_variable,
    toxiproxy_config,
)
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import ALL_VENDORS, StackSpec

FOLDER = Path(__file__).parent
HEAD = (FOLDER / "head.yaml.in").read_text(encoding="utf-8")
LOAD = (FOLDER / "load.yaml.in").read_text(encoding="utf-8")


def _node(node: str) -> str:
    service = service_of(node)
    return f"""
  {service}:
    <<: *node
    image: brownout/identity:${{{tag_variable(node)}:-{__version__}}}
    command: ["-m", "brownout.identity.server.container", "{node}"]
    labels: {{<<: *labels, brownout.node: {node}}}
    networks: [{network_of(node)}]
    volumes: ["spec:/spec:ro", "{service}:/state"]
"""


def _prober(name: str) -> str:
    return f"""
  {service_of(name)}:
    <<: *node
    image: brownout/identity:{__version__}
    command: ["-m", "brownout.harness.worlds.compose.prober", "{name}"]
    labels: {{<<: *labels, brownout.prober: {name}}}
    networks: [{network_of(name)}]
    volumes: ["spec:/spec:ro"]
"""


def compose_yaml(stack: StackSpec) -> str:
    """The whole compose file."""
    published = [proxy.port for proxy in proxies(stack) if proxy.published]
    ports = (
        f"${{BROWNOUT_PORTS:-{DEFAULT_FIRST_PORT}-{DEFAULT_FIRST_PORT + len(published) - 1}}}:{FIRST_LISTEN}-{published[-1]}"
    )
    head = HEAD.replace("@VERSION@", __version__).replace("@PORTS@", ports)
    control = [proxy.port for proxy in proxies(stack) if proxy.name.startswith(f"{CONTROL}->")]
    head = head.replace("@CONTROL_PORTS@", f"{control[0]}:{control[-1]}")
    head = head.replace("@API_PORTS@", f"{DEFAULT_FIRST_PORT - 2}-{DEFAULT_FIRST_PORT - 1}")
    nodes = "".join(map(_node, stack.nodes())) + "".join(map(_prober, probers(stack)))
    inner = "".join(f"  {name}: *inner-network\n" for name in networks(stack))
    volumes = "".join(f"  {service_of(node)}: *volume\n" for node in stack.nodes())
    load = LOAD.replace("@VERSION@", __version__)
    tail = f"\nnetworks:\n{inner}  {EDGE}: *edge-network\n\nvolumes:\n  spec: *volume\n  load: *volume\n{volumes}"
    return head + nodes + load + tail


def files() -> dict[Path, str]:
    """The content of every file that is written, by path."""
    stack = build_stack(seed=1, vendors=ALL_VENDORS)
    return {
        FOLDER / "compose.yaml": compose_yaml(stack),
        FOLDER / "toxiproxy.json": json.dumps(toxiproxy_config(stack), indent=1) + "\n",
    }


if __name__ == "__main__":
    for path, content in files().items():
        path.write_text(content, encoding="utf-8")
