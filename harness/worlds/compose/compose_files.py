"""The compose file and Toxiproxy's configuration of a stack, written from the names of its nodes and links.

`brownout up` writes them into the stack's folder. compose/compose.yaml and compose/toxiproxy.json are those of the default
stack (`python -m brownout.compose.write`), so that `docker compose up` works without Python.

What is the same for all stacks stands in templates, in the package that an entry point names. A line that says how an image is
built is for the repository alone: a stack's own file is not beside what images are built from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from brownout import __version__
from brownout.harness.base import hints
from brownout.harness.base.files import replace_whole
from brownout.harness.errors import WorldError
from brownout.harness.worlds.compose.layout import (
    DEFAULT_FIRST_PORT,
    EDGE,
    network_of,
    networks,
    probers,
    proxies,
    service_of,
    tag_variable,
    toxiproxy_config,
)
from brownout.identity.core.topology import StackSpec

ENTRY_POINT_GROUP, ENTRY_POINT_NAME = "brownout.compose", "file"
COMPOSE_NAME, PROXIES_NAME = "compose.yaml", "toxiproxy.json"
HEAD_NAME, LOAD_NAME = "head.yaml.in", "load.yaml.in"
CONTAINERS_READ = 0o644  # Toxiproxy's user has none of the machine's rights; the folder is closed to others


def write_compose_files(stack: StackSpec, folder: Path) -> None:
    """Writes both files of the stack; raises WorldError when the package with the templates is not installed."""
    for name, content in compose_files(stack, templates(), builds=False).items():
        replace_whole(folder / name, content, durable=False, mode=CONTAINERS_READ)


def templates() -> Path:
    """The folder of the package that the entry point names; raises WorldError when there is none."""
    found = entry_points(group=ENTRY_POINT_GROUP, name=ENTRY_POINT_NAME)
    package = next((entry.module for entry in found), "")
    folder = Path(str(files(package))).resolve() if package else Path()
    if not (folder / HEAD_NAME).is_file():
        what = f"entry point {ENTRY_POINT_NAME!r} of {ENTRY_POINT_GROUP!r}"
        raise WorldError(f"no compose file is installed ({what})", hint=hints.install())
    return folder


def compose_files(stack: StackSpec, folder: Path, *, builds: bool) -> Mapping[str, str]:
    """The content of both files by name, of the templates in `folder`; with `builds` it says how images are built."""
    whole = _compose_yaml(stack, *((folder / name).read_text(encoding="utf-8") for name in (HEAD_NAME, LOAD_NAME)))
    kept = [line for line in whole.splitlines(keepends=True) if builds or not line.lstrip().startswith("build:")]
    return {COMPOSE_NAME: "".join(kept), PROXIES_NAME: json.dumps(toxiproxy_config(stack), indent=1) + "\n"}


def _compose_yaml(stack: StackSpec, head: str, load: str) -> str:
    published = [proxy.port for proxy in proxies(stack) if proxy.published]
    machines = [proxy.port for proxy in proxies(stack) if proxy.machines]
    ports = f"{DEFAULT_FIRST_PORT}-{DEFAULT_FIRST_PORT + len(published) - 1}"
    known = {
        "@VERSION@": __version__,
        "@PORTS@": f"${{BROWNOUT_PORTS:-{ports}}}:{published[0]}-{published[-1]}",
        "@CONTROL_PORTS@": f"{machines[0]}:{machines[-1]}",
        "@API_PORTS@": f"{DEFAULT_FIRST_PORT - 2}-{DEFAULT_FIRST_PORT - 1}",
        "@NETWORKS@": ", ".join((*networks(stack), EDGE)),
    }
    nodes = "".join(map(_node, stack.nodes())) + "".join(map(_prober, probers(stack)))
    inner = "".join(f"  {name}: *inner-network\n" for name in networks(stack))
    volumes = "".join(f"  {service_of(node)}: *volume\n" for node in stack.nodes())
    tail = f"\nnetworks:\n{inner}  {EDGE}: *edge-network\n\nvolumes:\n  spec: *volume\n  load: *volume\n{volumes}"
    return _filled(head, known) + nodes + _filled(load, known) + tail


def _filled(template: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        template = template.replace(name, value)
    return template


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
